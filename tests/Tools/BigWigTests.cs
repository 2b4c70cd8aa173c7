using System.Globalization;
using System.Text;
using Dnabert2.Tool.Output;
using Tests.Sequences;
using Tests.Weights;

namespace Tests.Tools;

public class BigWigTests(ToyModel toy) : IClassFixture<ToyModel>
{
    [Theory]
    [InlineData(1, 3, 1)]
    [InlineData(2, 40_000, 1)]
    [InlineData(3, 700_000, 1)]
    [InlineData(4, 30_000, 30)]
    [InlineData(5, 9, 300)]
    [InlineData(6, 1, 70_000)]
    public void Values_and_summaries_are_those_that_were_given(int seed, int bases, int contigs)
    {
        using var folder = new TempFolder();
        List<(string Contig, long At, float Value)> given = Given(seed, bases, contigs);
        Write(folder["x.bw"], given);
        var reader = new BigWigReader(File.ReadAllBytes(folder["x.bw"]));
        string[] names = [.. given.Select(v => v.Contig).Distinct()];
        Assert.Equal(names.Order(StringComparer.Ordinal), reader.Contigs.Keys.Order(StringComparer.Ordinal));
        Dictionary<uint, string> nameOf = reader.Contigs.ToDictionary(c => c.Value.Number, c => c.Key);
        Assert.Equal(given, reader.Values().Select(v => (nameOf[v.Contig], (long)v.At, v.Value)));
        Assert.All(reader.Contigs, contig => Assert.Equal((uint)LengthOf(contig.Key), contig.Value.Length));
        Assert.Equal((ulong)given.Count, reader.Total.Count);
        Assert.Equal((given.Min(v => (double)v.Value), given.Max(v => (double)v.Value)), (reader.Total.Least, reader.Total.Most));
        Near(given.Sum(v => (double)v.Value), reader.Total.Sum);
        Near(given.Sum(v => (double)v.Value * v.Value), reader.Total.Squares);
        if (bases > 1000) Assert.InRange(reader.Zooms.Count, 4, 10);
        for (int zoom = 0; zoom < reader.Zooms.Count; zoom++)
        {
            uint width = reader.Zooms[zoom].Reduction;
            Assert.Equal(16u << (2 * zoom), width);
            var expected = given.GroupBy(v => (v.Contig, v.At / width)).Select(g => (
                g.Key.Contig, Start: (uint)g.First().At, End: (uint)g.Last().At + 1, Count: (uint)g.Count(), Least: g.Min(v => v.Value),
                Most: g.Max(v => v.Value), Sum: g.Sum(v => (double)v.Value), Squares: g.Sum(v => (double)v.Value * v.Value)));
            foreach ((var wanted, var found) in expected.Zip(reader.Summaries(zoom).ToList()))
            {
                Assert.Equal(
                    (wanted.Contig, wanted.Start, wanted.End, wanted.Count, wanted.Least, wanted.Most),
                    (nameOf[found.Contig], found.Start, found.End, found.Count, found.Least, found.Most));
                Near(wanted.Sum, found.Sum);
                Near(wanted.Squares, found.Squares);
            }

            Assert.Equal(expected.Count(), reader.Summaries(zoom).Count());
        }
    }

    [Fact]
    public void PyBigWig_reads_the_same()
    {
        using var folder = new TempFolder();
        List<(string Contig, long At, float Value)> given = Given(7, 60_000, 5);
        given.AddRange(Given(8, 300, 400).Select(v => v with { Contig = "s" + v.Contig }));
        Write(folder["x.bw"], given);
        string[] contigs = [.. given.Select(v => v.Contig).Distinct()];
        string script = """
            import sys
            try:
                import pyBigWig
            except ImportError:
                print("absent")
                sys.exit()
            b = pyBigWig.open(sys.argv[1])
            print(b.isBigWig(), len(b.chroms()), b.header()["nBasesCovered"])
            for name in sys.argv[2:]:
                values = b.intervals(name)
                print(name, b.chroms(name), len(values), sum(v[0] for v in values), repr(sum(v[2] for v in values)))
                print(*(repr(b.stats(name, 0, b.chroms(name), type=t, nBins=1)[0]) for t in ("mean", "min", "max")),
                    *(repr(b.stats(name, 0, b.chroms(name), type=t, nBins=1, exact=True)[0]) for t in ("mean", "min", "max")))
            """;
        byte[] said = GenomeFiles.Run("python3", ["-c", script, folder["x.bw"], .. contigs]);
        string[] lines = Encoding.ASCII.GetString(said).Trim().Split('\n');
        Assert.SkipWhen(lines[0] == "absent", "python3-pybigwig is not installed");
        Assert.Equal($"True {contigs.Length} {given.Count}", lines[0]);
        for (int i = 0; i < contigs.Length; i++)
        {
            var own = given.Where(v => v.Contig == contigs[i]).ToList();
            string[] found = lines[1 + (2 * i)].Split(' ');
            double[] stats = [.. lines[2 + (2 * i)].Split(' ').Select(Number)];
            Assert.Equal($"{contigs[i]} {LengthOf(contigs[i])} {own.Count} {own.Sum(v => v.At)}", string.Join(' ', found[..4]));
            Near(own.Sum(v => (double)v.Value), Number(found[4]));
            Near(own.Average(v => (double)v.Value), stats[0]);
            Near(own.Average(v => (double)v.Value), stats[3]);
            Assert.Equal((own.Min(v => v.Value), own.Max(v => v.Value)), ((float)stats[1], (float)stats[2]));
            Assert.Equal((own.Min(v => v.Value), own.Max(v => v.Value)), ((float)stats[4], (float)stats[5]));
        }
    }

    [Fact]
    public void Of_regions_and_of_records_it_holds_what_bedgraph_does()
    {
        using var folder = new TempFolder();
        string[] what = ["attribute", ToyModel.SamplePath, "--model", toy.Folder, "--device", "cpu", "--window", "64", "--quiet",
            "--bedgraph", folder["x.bedgraph"], "--bigwig", folder["x.bw"], "--region"];
        // The second region ends in N, which has no value.
        foreach (string[] regions in (string[][])[["promoter:50-55", "--region", "gap:145-153", "--region", "rna:1-2"], ["3-6"]])
        {
            ToolRun.Of([.. what, .. regions]).Succeeds();
            var reader = new BigWigReader(File.ReadAllBytes(folder["x.bw"]));
            Dictionary<uint, string> nameOf = reader.Contigs.ToDictionary(c => c.Value.Number, c => c.Key);
            Assert.Equal(
                File.ReadAllLines(folder["x.bedgraph"]),
                reader.Values().Select(v => $"{nameOf[v.Contig]}\t{v.At}\t{v.At + 1}\t{v.Value.ToString(CultureInfo.InvariantCulture)}"));
            Assert.Equal(240u, reader.Contigs["promoter"].Length);
        }
    }

    [Theory]
    [InlineData("--region promoter:50-55 --region promoter:1-5", 2,
        "--bigwig: promoter:1-5 comes behind promoter:50-55, and bigWig has bases in order")]
    [InlineData("--region promoter:50-55 --region rna:1-2 --region promoter:60-61", 2, "--bigwig: promoter:60-61 comes behind rna:1-2")]
    [InlineData("--region promoter:50-55 --region promoter:55-60", 2, "--bigwig: two regions hold promoter:55-55")]
    [InlineData("--bed -", 2, "--bigwig and a BED file from a pipe")]
    public void Regions_that_are_not_in_order_are_refused_before_anything_is_computed(string line, int code, string message)
    {
        using var folder = new TempFolder();
        ToolRun run = ToolRun.Of(["attribute", ToyModel.SamplePath, "--model", toy.Folder, "--bigwig", folder["x.bw"], .. line.Split(' ')]);
        Assert.Equal(code, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Two_records_of_one_name_are_refused_and_nothing_is_left()
    {
        using var folder = new TempFolder();
        ToolRun run = ToolRun.Of(
            ">a\nACGTACGT\n>b\nACGT\n>a\nACGTTT\n",
            ["attribute", "-", "--model", toy.Folder, "--bigwig", folder["x.bw"], "-o", folder["x.tsv"]]);
        Assert.Equal(1, run.Code);
        Assert.Contains("bigWig: the bases of 'a' are not all together: two records have this name", run.Error, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
    }

    private static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);

    private static void Near(double wanted, double found)
    {
        double room = 1e-5 * (1 + Math.Abs(wanted));
        Assert.InRange(found, wanted - room, wanted + room);
    }

    private static long LengthOf(string contig) => 1_000_000 + contig.Length;

    private static void Write(string path, List<(string Contig, long At, float Value)> values)
    {
        using FileStream file = File.Create(path);
        var track = new BigWigTrack(file, LengthOf);
        foreach ((string contig, long at, float value) in values) track.Add(contig, at, value);
        track.Finish();
    }

    /// <summary>Values of bases in rows, and with gaps between them of a base or of many.</summary>
    private static List<(string Contig, long At, float Value)> Given(int seed, int bases, int contigs)
    {
        var random = new Random(seed);
        var values = new List<(string, long, float)>();
        for (int contig = 0; contig < contigs; contig++)
        {
            long at = random.Next(50);
            for (int i = 0; i < bases && at < 1_000_000; i++)
            {
                values.Add(($"c{(contig * 7919) % 100_003}", at, random.NextSingle() - 0.5f));
                at += random.Next(3000) switch { 0 => random.Next(1, 9000), < 9 => 2, _ => 1 };
            }
        }

        return values;
    }
}
