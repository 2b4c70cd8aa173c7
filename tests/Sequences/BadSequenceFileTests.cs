using System.Text;
using Dnabert2.Sequences;
using static Tests.Sequences.SequenceFiles;

namespace Tests.Sequences;

public class BadSequenceFileTests
{
    [Theory]
    [InlineData("", "the file is empty")]
    [InlineData("\uFEFF", "the file is empty")]
    [InlineData("\n\r\n\n", "only blank lines")]
    [InlineData("; nothing\n", "no sequences")]
    [InlineData(">a\n>b\nACGT\n", "record 1 'a', line 1: the record has no sequence")]
    [InlineData(">a\nACGT\n\n>b desc\n \n", "record 2 'b', line 4: the record has no sequence")]
    [InlineData(">a\nACGT\nACEGT\n", "record 1 'a', line 3, column 3: 'E' at base 7 is not a nucleotide. This looks like protein")]
    [InlineData(">a\nAC-GT\n", "'-' at base 3 is not a nucleotide. Remove the gaps")]
    [InlineData(">a\n1 ACGT\n", "column 1: '1' at base 1 is not a nucleotide. Remove the numbers")]
    [InlineData(">a\nACGT>b\nACGT", "column 5: '>' at base 5 is not a nucleotide. A header must start a line")]
    [InlineData(">a\nAC\u00FF\u0001", "column 3: byte 0xFF at base 3 is not a nucleotide. This looks like binary data", true)]
    [InlineData(">a\rACGT\r>b\rACGT\r", "line 1: a carriage return without a line feed")]
    [InlineData(">a\nACGT\rACGT\r", "line 2: a carriage return without a line feed")]
    [InlineData("@a\nACGT\n+\nIII\n@b\nACGT\n+\nIIII", "record 1 'a', line 1: 4 bases but 3 qualities")]
    [InlineData("@a\nACGT\n+\nIIIII\n", "record 1 'a', line 1: 4 bases but 5 qualities")]
    [InlineData("@a\nAC\nGT\n+\nII\nI", "4 bases but 3 qualities")]
    [InlineData("@a\nACGT\n+\n", "4 bases but 0 qualities")]
    [InlineData("@a\nACGT\n", "no '+' line")]
    [InlineData("@a\nACGT\n@b\nACGT\n+\nIIII\n", "record 1 'a', line 1: no '+' line")]
    [InlineData("@a\n\n+\n\n", "record 1 'a', line 1: the record has no sequence")]
    [InlineData("@a\nACGT\n+b\nIIII\n", "the '+' line names another record, 'b'")]
    [InlineData("@a\nACGT\n+ab\nIIII\n", "the '+' line names another record, 'ab'")]
    [InlineData(">a b\0\nACGT\n", "binary data")]
    [InlineData(">\u00E9a b\nACGT\n", "line 1: the header line is not UTF-8 text: '\u00E9a' if it is Latin-1. Convert the file", true)]
    [InlineData(">a\nA\n>  b\u00FFc\nACGT\n", "line 3: the header line is not UTF-8 text: 'b\u00FFc'", true)]
    [InlineData("@\u00E9\nACGT\n+\nIIII\n", "line 1: the header line is not UTF-8", true)]
    [InlineData("id,sequence\nx\u00E9,ACGT\n", "line 2: a field is not UTF-8 text: 'x\u00E9' if it is Latin-1. Convert the file", true)]
    [InlineData("sequence,\u00E9\nACGT,1\n", "line 1: a column name is not UTF-8 text", true)]
    [InlineData("@a\nACGT\n+\nII I\n", "line 4, column 3: byte 0x20 is not a quality")]
    [InlineData("@a\nACGT\n+\nIIII\nACGT\n", "line 5: FASTQ starts a record with '@', found 'A'")]
    [InlineData("seq,label\nACGT,1\n", "line 1: no column is named 'sequence' or 'sequence1'; found are 'seq', 'label'")]
    [InlineData("sequence,label\nACGT\n", "record 1, line 2: 1 fields, but the header has 2 columns")]
    [InlineData("sequence,label\nACGT,1\nACGT,1,2\n", "record 2, line 3: more fields than the 2 columns")]
    [InlineData("sequence,label\n", "no sequences")]
    [InlineData("sequence,label\n,1\n", "record 1, line 2: column 'sequence' has no sequence")]
    [InlineData("sequence,label\nNA,1\n", "record 1, line 2: column 'sequence' has no sequence")]
    [InlineData("sequence\nACGT\nNaN\n", "record 2, line 3: column 'sequence' has no sequence")]
    [InlineData("sequence1,sequence2\nACGT,\n", "record 1, line 2: column 'sequence2' has no sequence")]
    [InlineData("@a\n+\n@b\nA\n+\nI\n", "record 1 'a', line 1: the record has no sequence")]
    [InlineData("@a\n\n+\nI\n", "0 bases but 1 qualities")]
    [InlineData(">a\nAC\n  >b\nGT\n", "line 3, column 3: '>' at base 3 is not a nucleotide. A header begins its "
        + "line: remove the blanks before it")]
    [InlineData("  >b\nGT\n", "line 1: blanks are before the '>' of a header. A header begins its line")]
    [InlineData("id,sequence\nx,ACGT\ny,AC GT\n", "record 2 'y', line 3, column 5: byte 0x20 at base 3 is not a nucleotide. Letters "
        + "of one sequence stand together")]
    [InlineData("sequence,label\nACGT,\"1\nACGT,2\n", "line 2: a quote is opened and never closed")]
    [InlineData("sequence,label\nACGT,1\"2\n", "line 2: a quote in the middle of a field")]
    [InlineData("sequence,label\n\"ACGT\"T,1\n", "line 2: a quote in the middle of a field")]
    [InlineData("sequence,label\nACGT,1\rACGT,2", "line 2: a carriage return without")]
    [InlineData("sequence,a,A\nACGT,1,2", "two columns are named 'A'")]
    [InlineData("ACGT\nACG TAC\n", "record 2, line 2, column 4: byte 0x20 at base 4")]
    [InlineData("ACGT\nprotein\n", "record 2, line 2, column 1: 'p' at base 1 is not a nucleotide")]
    [InlineData("LOCUS  X\n", "the layout is unknown; the first line is 'LOCUS  X'")]
    [InlineData("\u001F\u008B", "ends too early", true)]
    [InlineData("PK\u0003\u0004zip", "It is a zip archive", true)]
    [InlineData("BZh9", "bzip2", true)]
    [InlineData("\u00FF\u00FE>\0a\0", "UTF-16", true)]
    [InlineData("\u0001\u0002\0\0", "binary data", true)]
    public void A_fault_names_the_file_the_place_and_the_remedy(string content, string expected, bool binary = false)
    {
        byte[] bytes = (binary ? Encoding.Latin1 : Encoding.UTF8).GetBytes(content);
        foreach (int drip in new[] { 0, 1, 3 })
        {
            Stream stream = drip == 0 ? new MemoryStream(bytes) : new DripStream(bytes, drip);
            string message =
                Assert.Throws<InvalidDataException>(() => ReadAll(stream, "reads", new() { OnEmpty = EmptyRecords.Error })).Message;
            Assert.StartsWith("reads: ", message);
            Assert.Contains(expected, message);
            Assert.EndsWith(".", message);
        }
    }

    [Fact]
    public void A_place_far_into_a_long_line_is_exact()
    {
        const int At = 700_000;
        string content = ">a\n" + new string('A', At) + '?' + new string('C', 1000);
        Assert.Contains(
            $"line 2, column {At + 1}: '?' at base {At + 1} ", Assert.Throws<InvalidDataException>(() => ReadAll(content)).Message);
        content = "id,sequence\nxy,\"" + new string('A', At) + "?\"\n";
        Assert.Contains(
            $"line 2, column {At + 5}: '?' at base {At + 1} ", Assert.Throws<InvalidDataException>(() => ReadAll(content)).Message);
    }

    [Theory]
    [InlineData(">"), InlineData("sequence,label\nA,"), InlineData("sequence,label\nA,\""), InlineData("@")]
    public void Text_without_end_is_refused_before_it_fills_the_memory(string start) =>
        Assert.Contains("longer than", Assert.Throws<InvalidDataException>(() => ReadAll(start + new string('x', 2 << 20))).Message);

    [Fact]
    public void A_hostile_name_does_not_reach_the_terminal_whole()
    {
        string message = Assert.Throws<InvalidDataException>(() => ReadAll(">\u001B[31m" + new string('x', 5000) + "\nE\n")).Message;
        Assert.DoesNotContain('\u001B', message);
        Assert.True(message.Length < 400);
    }

    [Fact]
    public void Gzip_cut_short_anywhere_is_an_error_and_never_fewer_records()
    {
        var random = new Random(3);
        string Records(int from, int count) => string.Concat(Enumerable.Range(from, count).Select(
            i => $">{i}\n{string.Concat(Enumerable.Range(0, 40).Select(_ => "ACGT"[random.Next(4)]))}\n"));
        byte[] first = Gzip(Encoding.ASCII.GetBytes(Records(0, 20))), second = Gzip(Encoding.ASCII.GetBytes(Records(20, 5)));
        byte[] end = Gzip([]);
        byte[] whole = [.. first, .. second, .. end];
        Assert.Equal(25, ReadAll(new MemoryStream(whole)).Count);
        for (int length = 2; length < whole.Length; length++)
        {
            byte[] cut = whole[..length];
            Stream stream = length % 2 == 0 ? new MemoryStream(cut) : new DripStream(cut, 5);
            if (length == first.Length) Assert.Equal(20, ReadAll(stream).Count);
            else if (length == first.Length + second.Length) Assert.Equal(25, ReadAll(stream).Count);
            else Assert.Contains("ends too early", Assert.Throws<InvalidDataException>(() => ReadAll(stream)).Message);
        }
    }

    [Fact]
    public void Stored_gzip_blocks_cut_short_are_noticed()
    {
        var output = new MemoryStream();
        using (var gzip = new System.IO.Compression.GZipStream(output, System.IO.Compression.CompressionLevel.NoCompression))
            gzip.Write(Encoding.ASCII.GetBytes(">a\n" + new string('A', 400)));
        byte[] whole = output.ToArray();
        for (int length = 2; length < whole.Length; length++)
            Assert.Throws<InvalidDataException>(() => ReadAll(new MemoryStream(whole[..length])));
        Assert.Equal(400, Assert.Single(ReadAll(new MemoryStream(whole))).Length);
    }

    [Fact]
    public void Damaged_gzip_and_bytes_after_it_are_errors()
    {
        byte[] whole = Gzip(Encoding.ASCII.GetBytes(">a\n" + string.Concat(Enumerable.Repeat("ACGGT", 500))));
        byte[] damaged = [.. whole];
        damaged[^6] ^= 1;
        Assert.Contains("gzip data", Assert.Throws<InvalidDataException>(() => ReadAll(new MemoryStream(damaged))).Message);
        foreach (byte[] after in new byte[][] { [.. "ACGT"u8], [0x1F], [0x1F, 0x8B] })
            Assert.Contains("gzip", Assert.Throws<InvalidDataException>(() => ReadAll(new MemoryStream([.. whole, .. after]))).Message);
        Assert.Contains("compressed twice", Assert.Throws<InvalidDataException>(() => ReadAll(new MemoryStream(Gzip(whole)))).Message);
    }

    [Fact]
    public void A_wrong_path_is_told_by_the_kind_of_exception()
    {
        string missing = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        Assert.Throws<FileNotFoundException>(() => SequenceReader.Open(missing));
        Assert.Throws<DirectoryNotFoundException>(() => SequenceReader.Open(Path.Combine(missing, "x.fa")));
        Assert.Contains("folder", Assert.Throws<IOException>(() => SequenceReader.Open(Path.GetTempPath())).Message);
    }
}
