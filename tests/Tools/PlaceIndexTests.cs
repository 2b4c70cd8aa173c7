using System.Text;
using Dnabert2.Tool.Output;
using Tests.Sequences;
using Tests.Weights;

namespace Tests.Tools;

public class PlaceIndexTests
{
    private const string Header = "##fileformat=VCFv4.3\n##INFO=<ID=END,Number=1,Type=Integer,Description=\"x\">\n"
        + "##contig=<ID=a,length=2147483000>\n##contig=<ID=b,length=2147483000>\n##contig=<ID=c,length=2147483000>\n"
        + "##ALT=<ID=DEL,Description=\"x\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";

    [Theory]
    [InlineData(2_000_000, ".tbi")]
    [InlineData(536_870_912, ".tbi")]
    [InlineData(536_870_913, ".csi")]
    [InlineData(2_147_000_000, ".csi")]
    public void Every_region_has_the_records_that_overlap_it(long last, string extension)
    {
        using var folder = new TempFolder();
        string[] records = Records(last);
        Write(folder["x.vcf.gz"], records, out string written);
        Assert.Equal(extension, written);
        VcfIndex index = VcfIndex.Read(folder["x.vcf.gz"], extension);
        Assert.Equal(["a", "b", "c"], index.Names);
        foreach (string name in index.Names)
        {
            (ulong from, ulong to, ulong count) = index.Totals(name);
            Assert.Equal((ulong)records.Count(line => line.StartsWith(name + "\t", StringComparison.Ordinal)), count);
            Assert.True(from < to);
        }

        foreach ((string name, long start, long end) in Regions(last))
            Assert.Equal(
                records.Where(line => Overlaps(line, name, start, end)).Order(StringComparer.Ordinal),
                index.Query(name, start, end).Distinct().Order(StringComparer.Ordinal));
    }

    [Theory]
    [InlineData(2_000_000)]
    [InlineData(2_147_000_000)]
    public void Tabix_finds_the_same(long last)
    {
        using var folder = new TempFolder();
        string[] records = Records(last);
        Write(folder["x.vcf.gz"], records, out _);
        Assert.Equal(Header + string.Concat(records.Select(line => line + "\n")),
            Encoding.ASCII.GetString(GenomeFiles.Run("bgzip", "-dc", folder["x.vcf.gz"])));
        foreach ((string name, long start, long end) in Regions(last).Take(40))
            Assert.Equal(
                records.Where(line => Overlaps(line, name, start, end)),
                Encoding.ASCII.GetString(GenomeFiles.Run("tabix", folder["x.vcf.gz"], $"{name}:{start}-{end}"))
                    .Split('\n', StringSplitOptions.RemoveEmptyEntries));
    }

    [Fact]
    public void Blocks_are_those_of_bgzip_whatever_they_hold()
    {
        byte[] noise = new byte[300_000];
        new Random(1).NextBytes(noise);
        using var stream = new MemoryStream();
        var writer = new BgzfWriter(stream);
        var places = new List<(ulong Place, int At)>();
        for (int at = 0, n = 1; at < noise.Length; at += n, n = Math.Min(noise.Length - at, (n * 3 % 70_000) + 1))
        {
            places.Add((writer.Place, at));
            writer.Write(noise.AsSpan(at, n));
        }

        writer.Finish();
        byte[] file = stream.ToArray();
        Assert.Equal(noise, VcfIndex.Decompress(file));
        var bytes = new Dnabert2.Sequences.BgzfBytes(
            new MemoryBytes(file), Dnabert2.Sequences.BgzfIndex.Build(new MemoryBytes(file), "x"), "x", "x");
        Assert.Equal(noise.Length, bytes.Length);
        // A place is a block of the file and a byte of its content.
        foreach ((ulong place, int at) in places)
        {
            byte[] block = VcfIndex.Decompress(file[(int)(place >> 16)..]);
            if ((int)(place & 0xFFFF) < block.Length) Assert.Equal(noise[at], block[(int)(place & 0xFFFF)]);
        }

        Assert.True(places.Count > 8);
    }

    private static bool Overlaps(string line, string name, long start, long end)
    {
        string[] fields = line.Split('\t');
        long first = long.Parse(fields[1]), last = fields[7].StartsWith("END=", StringComparison.Ordinal)
            ? long.Parse(fields[7][4..]) : first + fields[3].Length - 1;
        return fields[0] == name && first <= end && last >= start;
    }

    private static void Write(string path, string[] records, out string extension)
    {
        using FileStream file = File.Create(path);
        var blocks = new BgzfWriter(file);
        var lines = new LineQueue("x");
        lines.Write(Encoding.ASCII.GetBytes(Header + string.Concat(records.Select(line => line + "\n"))));
        var index = new PlaceIndex();
        var vcf = new AnnotatedVcf(lines, blocks, "x", "", index);
        vcf.Add("line");
        vcf.Add("alt");
        vcf.EndRow();
        vcf.Flush();
        blocks.Finish();
        Assert.Null(index.Obstacle);
        extension = index.Extension;
        using FileStream beside = File.Create(path + extension);
        index.Write(beside);
    }

    /// <summary>Records in order: dense and far apart, of a base and of many, the last one at a place.</summary>
    private static string[] Records(long last)
    {
        var random = new Random(11);
        var records = new List<string>();
        foreach (string name in (string[])["a", "b", "c"])
        {
            long at = name == "b" ? last / 2 : 1;
            for (int i = 0; i < 2500 && at < last - 1000; i++)
            {
                int kind = random.Next(20);
                string reference = new('A', kind == 1 ? random.Next(1, 300) : 1);
                long end = kind == 0 ? Math.Min(last, at + random.NextInt64(last / 3)) : 0;
                records.Add($"{name}\t{at}\tr{i}\t{reference}\t{(end > 0 ? "<DEL>" : "C")}\t.\t.\t{(end > 0 ? $"END={end}" : ".")}");
                at += random.Next(4) == 0 ? random.NextInt64(1 + (last / 900)) : random.Next(3);
            }

            records.Add($"{name}\t{last}\tlast\tA\tC\t.\t.\t.");
        }

        return [.. records];
    }

    private static IEnumerable<(string Name, long Start, long End)> Regions(long last)
    {
        var random = new Random(12);
        yield return ("a", 1, 1);
        yield return ("c", last, last);
        yield return ("b", 1, last);
        for (int i = 0; i < 300; i++)
        {
            long start = 1 + random.NextInt64(last);
            long length = random.Next(3) switch { 0 => 1, 1 => random.Next(20_000), _ => random.NextInt64(last / 50) };
            yield return (((string[])["a", "b", "c"])[random.Next(3)], start, Math.Min(last, start + length));
        }
    }
}
