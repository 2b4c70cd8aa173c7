using System.IO.Compression;
using System.Text;
using Dnabert2.Sequences;
using static Tests.Sequences.SequenceFiles;

namespace Tests.Sequences;

/// <summary>Where gzip and bgzip end: what is missing is noticed, and what is padding is not read.</summary>
public class GzipEndTests
{
    private static readonly string[] Layouts =
    [
        Many(i => $">r{i} x\n{Bases(i)}\n"),
        Many(i => $"@r{i}\n{Bases(i)}\n+\n{new string('I', Bases(i).Length)}\n"),
        "id,sequence\n" + Many(i => $"r{i},{Bases(i)}\n"),
        "id\tsequence\n" + Many(i => $"r{i}\t{Bases(i)}\n"),
        Many(i => $"{Bases(i)}\n"),
    ];

    [Fact]
    public void Bgzip_cut_where_a_block_ends_is_an_error_in_every_layout()
    {
        foreach (string layout in Layouts)
        {
            List<byte[]> blocks = Blocks(layout, 600);
            Assert.True(blocks.Count > 3);
            foreach (Stream whole in Streams([.. blocks.SelectMany(b => b), .. Bgzip.Last])) Assert.Equal(40, ReadAll(whole).Count);
            for (int count = 1; count <= blocks.Count; count++)
                foreach (Stream cut in Streams([.. blocks.Take(count).SelectMany(b => b)]))
                    Assert.Contains("reads: the bgzip data ends without its empty last block", Refusal(cut));
        }
    }

    [Fact]
    public void Variants_in_bgzip_cut_where_a_block_ends_are_an_error()
    {
        List<byte[]> blocks = Blocks("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\n" + Many(i => $"chr1\t{i + 1}\t.\tA\tC\n"), 100);
        Assert.Equal(40, Variants([.. blocks.SelectMany(b => b), .. Bgzip.Last]));
        for (int count = 2; count <= blocks.Count; count++)
        {
            byte[] cut = [.. blocks.Take(count).SelectMany(b => b)];
            Assert.Contains("without its empty last block", Assert.Throws<InvalidDataException>(() => Variants(cut)).Message);
        }
    }

    [Fact]
    public void Bgzip_cut_anywhere_is_an_error()
    {
        byte[] whole = [.. Blocks(Layouts[0], 600).SelectMany(b => b), .. Bgzip.Last];
        for (int length = 2; length < whole.Length; length++) Refusal(new MemoryStream(whole[..length]));
    }

    [Fact]
    public void Empty_blocks_in_the_middle_and_files_put_together_are_whole()
    {
        byte[] first = Bgzip.Block(">a\nACGT\n"u8), second = Bgzip.Block(">b\nGG\n"u8), plain = Gzip(">c\nTTT\n"u8), last = Bgzip.Last;
        byte[] other = Bgzip.Block([]);
        Assert.Equal("a b", Ids([.. first, .. last, .. second, .. last]));
        Assert.Equal("a b", Ids([.. first, .. last, .. last, .. second, .. last, .. last]));
        Assert.Equal("a b", Ids([.. last, .. first, .. second, .. last]));
        Assert.Equal("a b", Ids([.. first, .. other, .. second, .. last]));
        Assert.Equal("a b c", Ids([.. first, .. second, .. last, .. plain]));
        Assert.Equal("c a b", Ids([.. plain, .. first, .. second, .. last]));
        Assert.Equal("c c", Ids([.. plain, .. plain]));
        // An extra field of another kind is no bgzip.
        byte[] extra = [.. plain[..3], 4, .. plain[4..10], 6, 0, (byte)'X', (byte)'Y', 2, 0, 9, 9, .. plain[10..]];
        Assert.Equal("c", Ids(extra));
        foreach (byte[] cut in new byte[][] { [.. plain, .. first], [.. first, .. last, .. second], [.. plain, .. last, .. first] })
            Assert.Contains("without its empty last block", Refusal(new MemoryStream(cut)));
    }

    [Fact]
    public void A_field_before_that_of_bgzip_does_not_hide_a_block()
    {
        byte[] block = Bgzip.Block(">a\nACGT\n"u8), longer = [.. block[..10], 12, 0, (byte)'X', (byte)'Y', 2, 0, 9, 9, .. block[12..]];
        longer[22] += 6;
        Assert.Contains("without its empty last block", Refusal(new MemoryStream(longer)));
        Assert.Equal("a", Ids([.. longer, .. Bgzip.Last]));
    }

    [Theory]
    [InlineData(1), InlineData(7), InlineData(8), InlineData(511), InlineData(65_536), InlineData(300_001)]
    public void Zeros_after_the_end_are_padding(int zeros)
    {
        byte[] content = Encoding.ASCII.GetBytes(Layouts[0]), padding = new byte[zeros];
        byte[] bgzip = [.. Blocks(Layouts[0], 600).SelectMany(b => b)];
        foreach (byte[] whole in new byte[][] { Gzip(content), [.. Gzip(content), .. Gzip([])], [.. bgzip, .. Bgzip.Last] })
        {
            foreach (Stream stream in Streams([.. whole, .. padding])) Assert.Equal(40, ReadAll(stream).Count);
            foreach (byte[] garbage in new byte[][] { [1], [.. "ACGT"u8], [0x1F], Gzip(">z\nA\n"u8) })
                Assert.Contains("gzip", Refusal(new MemoryStream([.. whole, .. padding, .. garbage])));
        }
        Assert.Contains("without its empty last block", Refusal(new MemoryStream([.. bgzip, .. padding])));
    }

    [Fact]
    public void Zeros_in_place_of_what_is_missing_are_no_padding()
    {
        byte[] whole = Gzip(Encoding.ASCII.GetBytes(Layouts[0])), padding = new byte[512];
        int end = whole.AsSpan().LastIndexOfAnyExcept((byte)0) + 1;
        for (int length = 2; length < end; length++) Refusal(new MemoryStream([.. whole[..length], .. padding]));
        // A member may itself end in zeros: its length, and the checksum of nothing.
        for (int length = end; length <= whole.Length; length++)
            Assert.Equal(40, ReadAll(new MemoryStream([.. whole[..length], .. padding])).Count);
    }

    [Fact]
    public void Zeros_inside_the_data_are_data()
    {
        // A long run compresses to long runs of zero bits.
        var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.SmallestSize))
            gzip.Write([.. ">a\n"u8, .. Enumerable.Repeat((byte)'A', 40_000_000)]);
        byte[] stored = output.ToArray();
        Assert.True(stored.AsSpan().IndexOf(new byte[1000]) > 0, "the compressed run holds no zeros");
        foreach (Stream stream in new Stream[] { new MemoryStream(stored), new DripStream(stored, 70_000) })
            Assert.Equal(40_000_000, Assert.Single(SequenceReader.Read(stream, "x").Select(r => r.Length)));
    }

    [Fact]
    public void A_field_of_a_VCF_that_is_not_UTF8_is_refused_where_it_is_used()
    {
        const string Header = "##source=Andr\u00E9\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\t\u00E9chantillon\n";
        Assert.Equal(1, Variants(Encoding.Latin1.GetBytes(Header + "c\t1\t.\tA\tC\t.\t.\tNOTE=\u00E9\tGT\t0/1\n")));
        string message =
            Assert.Throws<InvalidDataException>(() => Variants(Encoding.Latin1.GetBytes(Header + "c\u00E9\t1\t.\tA\tC\n"))).Message;
        Assert.Contains("calls.vcf.gz: line 3: a field is not UTF-8 text: 'c\u00E9' if it is Latin-1. Convert the file", message);
    }

    private static string Refusal(Stream stream) =>
        Assert.Throws<InvalidDataException>(() => ReadAll(stream, "reads")).Message;

    private static string Ids(byte[] content) => string.Join(' ', ReadAll(new MemoryStream(content)).Select(r => r.Id));

    private static Stream[] Streams(byte[] content) => [new MemoryStream(content), new DripStream(content, 7)];

    private static int Variants(byte[] content)
    {
        using VariantReader reader = VariantReader.Open(new MemoryStream(content), "calls.vcf.gz");
        while (reader.TryRead(out _)) { }
        return (int)reader.VariantsRead;
    }

    private static string Bases(int i) =>
        string.Concat(Enumerable.Range(0, 50 + (i * 7 % 13)).Select(k => "ACGT"[((i * k) + (k * k / 3)) % 4]));

    private static string Many(Func<int, string> record) => string.Concat(Enumerable.Range(0, 40).Select(record));

    private static List<byte[]> Blocks(string content, int size) =>
        [.. Encoding.ASCII.GetBytes(content).Chunk(size).Select(piece => Bgzip.Block(piece))];
}
