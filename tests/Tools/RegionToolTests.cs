using System.Globalization;
using System.Text;
using Dnabert2.Sequences;
using Tests.Sequences;
using Tests.Weights;

namespace Tests.Tools;

public class RegionToolTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private static Dictionary<string, string> Sample { get; } =
        SequenceReader.Read(ToyModel.SamplePath).ToDictionary(r => r.Id, r => Encoding.ASCII.GetString(r.Sequence));

    [Fact]
    public void Regions_of_options_and_of_bed_are_embedded_as_if_they_were_records_of_a_file()
    {
        using var folder = new TempFolder();
        string bed = folder.Write("x.bed", "track\nlong\t99\t300\tpeak\t0\t-\r\nmasked\t10\t90\n"u8);
        string[] what = ["embed", ToyModel.SamplePath, "--model", toy.Folder, "--device", "cpu",
            "--region", "promoter:1-60", "--region", "rna", "--bed", bed];
        string[] lines = ToolRun.Of(what).Succeeds().Lines;
        string rna = Sample["rna"];
        string fasta = $">1\n{Sample["promoter"][..60]}\n>2\n{rna}\n>3\n{Sample["long"][99..300]}\n>4\n{Sample["masked"][10..90]}\n";
        string[] cut = ToolRun.Of(fasta, ["embed", "-", "--model", toy.Folder, "--device", "cpu"]).Succeeds().Lines;
        Assert.Equal("record\tid\tcontig\tstart\tend\tstrand\tbases", string.Join('\t', lines[0].Split('\t')[..7]));
        Assert.Equal(
            ["promoter:1-60\tpromoter\t0\t60\t.", $"rna:1-{rna.Length}\trna\t0\t{rna.Length}\t.", "peak\tlong\t99\t300\t-",
                "masked:11-90\tmasked\t10\t90\t."],
            lines.Skip(1).Select(line => string.Join('\t', line.Split('\t')[1..6])));
        Assert.Equal(cut.Skip(1).Select(line => line.Split('\t')[2..]), lines.Skip(1).Select(line => line.Split('\t')[6..]));

        // On its strand, the third is another sequence.
        string turned = ToolRun.Of([.. what, "--use-strand"]).Succeeds().Lines[3];
        Assert.NotEqual(lines[3].Split('\t')[10..], turned.Split('\t')[10..]);
        Assert.Equal(lines[3].Split('\t')[..6], turned.Split('\t')[..6]);
    }

    [Theory]
    [InlineData("")]
    [InlineData("--rc-average")]
    [InlineData("--max-tokens 8")]
    public void Predictions_of_regions_and_windows_are_those_of_the_same_bases_as_records(string how)
    {
        using var folder = new TempFolder();
        Interpretation.SmallModels.WriteFineTuned(folder["m"]);
        string[] options = ["--model", folder["m"], "--device", "cpu", .. how.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
        string bed = folder.Write("x.bed", "long\t99\t300\tpeak\t0\t-\nmasked\t10\t90\n"u8);
        string[] sample = ["predict", ToyModel.SamplePath, .. options];

        // Regions of options and of BED, and the second one on its strand.
        (string Id, string Place, string Bases)[] regions =
        [
            ("promoter:1-60", "promoter\t0\t60\t.", Sample["promoter"][..60]),
            ("peak", "long\t99\t300\t-", Sample["long"][99..300]), ("masked:11-90", "masked\t10\t90\t.", Sample["masked"][10..90]),
        ];
        Check([.. sample, "--region", "promoter:1-60", "--bed", bed], regions);
        regions[1].Bases = Turned(regions[1].Bases);
        Check([.. sample, "--region", "promoter:1-60", "--bed", bed, "--use-strand"], regions);

        // Windows of regions, of which the last one is moved back, and of whole records.
        Check([.. sample, "--region", "long:101-350", "--window", "100", "--step", "80"],
            [.. new[] { 100, 180, 250 }.Select(at => (
                $"long:{at + 1}-{at + 100}", $"long\t{at}\t{at + 100}\t.", Sample["long"][at..(at + 100)]))]);
        var windows = new List<(string, string, string)>();
        foreach ((string id, string bases) in Sample)
        {
            int width = Math.Min(150, bases.Length);
            for (int at = 0, last = -1; at != last; last = at, at = Math.Min(at + 150, bases.Length - width))
                if (bases.Substring(at, width).Any(b => b != 'N'))
                    windows.Add(($"{id}:{at + 1}-{at + width}", $"{id}\t{at}\t{at + width}\t.", bases.Substring(at, width)));
        }

        Check([.. sample, "--window", "150"], windows);

        void Check(string[] args, IReadOnlyList<(string Id, string Place, string Bases)> expected)
        {
            string[][] found = [.. ToolRun.Of(args).Succeeds().Lines.Select(line => line.Split('\t'))];
            string fasta = string.Concat(expected.Select((e, i) => $">{i}\n{e.Bases}\n"));
            string[][] records = [.. ToolRun.Of(fasta, ["predict", "-", .. options]).Succeeds().Lines.Select(line => line.Split('\t'))];
            Assert.Equal(["id", "contig", "start", "end", "strand", .. records[0][1..]], found[0]);
            Assert.Equal(expected.Select(e => $"{e.Id}\t{e.Place}"), found[1..].Select(f => string.Join('\t', f[..5])));
            Assert.Equal(
                records[1..].Select(f => string.Join('\t', f[1..].Select(Rounded))),
                found[1..].Select(f => string.Join('\t', f[5..].Select(Rounded))));
        }

        // Batches of other sizes may differ in the last digit.
        static string Rounded(string field) => float.TryParse(field, CultureInfo.InvariantCulture, out float number)
            ? number.ToString("F5", CultureInfo.InvariantCulture) : field;

        static string Turned(string bases) =>
            string.Concat(bases.Reverse().Select(b => "ACGTN"["TGCAN".IndexOf(b, StringComparison.Ordinal)]));
    }

    [Fact]
    public void Tokens_of_regions_lie_where_the_genome_has_them()
    {
        using var folder = new TempFolder();
        string bed = folder.Write("x.bed", "long\t99\t300\tpeak\t0\t-\nlong\t50\t80\n"u8);
        ToolRun.Of(
            "tokenize", ToyModel.SamplePath, "--tokenizer", ToyModel.TokenizerPath, "--bed", bed, "--use-strand", "-o", folder["x.tsv"])
            .Succeeds();
        string[] lines = File.ReadAllLines(folder["x.tsv"]);
        Assert.Equal("record\tid\tcontig\tindex\ttoken\ttoken_id\tstart\tend\tstrand", lines[0]);
        int last = 300;
        foreach (string[] f in lines.Skip(1).Select(line => line.Split('\t')))
        {
            (int start, int end) = (int.Parse(f[6], CultureInfo.InvariantCulture), int.Parse(f[7], CultureInfo.InvariantCulture));
            string bases = Sample["long"][start..end];
            if (f[8] == "-")
            {
                Assert.Equal(last, end);
                last = start;
                bases = string.Concat(bases.Reverse().Select(b => b switch { 'A' => 'T', 'C' => 'G', 'G' => 'C', _ => 'A' }));
            }

            Assert.Equal(f[4], bases);
        }

        Assert.Equal(99, last);
    }

    [Fact]
    public void Windows_are_rows_with_their_places_in_each_record()
    {
        string[] lines = ToolRun.Of(
            "embed", ToyModel.SamplePath, "--model", toy.Folder, "--device", "cpu", "--window", "64", "--step", "32").Succeeds().Lines;
        string[][] promoter = [.. lines.Select(line => line.Split('\t')).Where(f => f[2] == "promoter")];
        Assert.Equal(["0-64", "32-96", "64-128", "96-160", "128-192", "160-224", "176-240"], promoter.Select(f => $"{f[3]}-{f[4]}"));
        Assert.Equal("promoter:177-240", promoter[^1][1]);
        Assert.All(promoter, f => Assert.Equal("64", f[6]));
    }

    [Fact]
    public void Attributions_of_regions_are_those_of_the_whole_record()
    {
        using var folder = new TempFolder();
        File.Copy(ToyModel.SamplePath, folder["g.fa"]);
        string[] options = ["--model", toy.Folder, "--device", "cpu", "--window", "64"];
        string[] whole = ToolRun.Of(["attribute", folder["g.fa"], "--region", "promoter:50-60", .. options]).Succeeds().Lines;
        ToolRun.Of("index", folder["g.fa"]).Succeeds();
        string[] indexed = ToolRun.Of(["attribute", folder["g.fa"], "--region", "promoter:50-60", .. options]).Succeeds().Lines;
        Assert.Equal(whole, indexed);
        string bed = folder.Write("x.bed", "promoter\t49\t60\nmasked\t3\t5\n"u8);
        string[] both = ToolRun.Of(["attribute", folder["g.fa"], "--bed", bed, .. options]).Succeeds().Lines;
        Assert.Equal(whole, both[..whole.Length]);
        Assert.Equal(
            ["masked 4", "masked 5"], both[whole.Length..].Select(line => line.Split('\t')).Select(f => $"{f[0]} {f[1]}").Distinct());
    }

    [Fact]
    public void BedGraph_has_the_mean_effect_of_each_base_and_refuses_regions_that_overlap()
    {
        using var folder = new TempFolder();
        string[] what = ["attribute", ToyModel.SamplePath, "--model", toy.Folder, "--device", "cpu", "--window", "64", "--bedgraph",
            folder["x.bedgraph"], "--region", "promoter:50-55", "--region", "gap:150-153", "--region"];
        string[] table = ToolRun.Of([.. what, "rna:1-2"]).Succeeds().Lines;
        string[] expected = [.. table.Skip(1).Select(line => line.Split('\t')).GroupBy(f => (Contig: f[0], Position: (int)Number(f[1])))
            .Select(g => $"{g.Key.Contig} {g.Key.Position - 1} {g.Key.Position} {g.Sum(f => Number(f[4])) / 3:F4}")];
        Assert.Equal(expected, File.ReadAllLines(folder["x.bedgraph"]).Select(line => line.Split('\t'))
            .Select(f => $"{f[0]} {f[1]} {f[2]} {Number(f[3]):F4}"));
        Assert.Contains(
            "--bedgraph: two regions hold promoter:55-55", ToolRun.Of([.. what, "promoter:55-60"]).Error, StringComparison.Ordinal);

        static double Number(string text) => double.Parse(text, CultureInfo.InvariantCulture);
    }

    [Fact]
    public void Variants_have_the_same_scores_by_an_index_and_regions_choose_among_them()
    {
        using var folder = new TempFolder();
        string vcf = Path.Combine(Path.GetDirectoryName(ToyModel.SamplePath)!, "sample.vcf");
        File.Copy(ToyModel.SamplePath, folder["g.fa"]);
        string[] what = ["variants", vcf, "-g", folder["g.fa"], "--model", toy.Folder, "--device", "cpu"];
        string whole = ToolRun.Of(what).Succeeds().Text;
        File.WriteAllBytes(folder["g.fa.gz"], Bgzip.File(File.ReadAllBytes(folder["g.fa"]), 1000));
        ToolRun.Of("index", folder["g.fa.gz"]).Succeeds();
        Assert.Equal(["g.fa", "g.fa.gz", "g.fa.gz.fai", "g.fa.gz.gzi"], folder.Names);
        what[3] = folder["g.fa.gz"];
        Assert.Equal(whole, ToolRun.Of(what).Succeeds().Text);
        ToolRun some = ToolRun.Of([.. what, "--region", "promoter:66-67", "--region", "gap:149"]).Succeeds();
        // The deletion at 64 reaches to 69.
        Assert.Equal(["67", "67", "64", "149"], some.Lines.Skip(1).Select(line => line.Split('\t')[2]));
        Assert.Contains("5 variants outside of the regions passed over", some.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("embed SAMPLE --model MODEL --region nope", 2, "--region 'nope': ", "has no sequence 'nope'")]
    [InlineData("embed SAMPLE SAMPLE --model MODEL --region rna", 2, "regions are of one genome; give one input", "")]
    [InlineData("embed - --model MODEL --region rna", 2, "name a FASTA file", "")]
    [InlineData("embed SAMPLE --model MODEL --use-strand", 2, "--use-strand: strands are of the regions of --bed", "")]
    [InlineData("embed SAMPLE --model MODEL --bed none.bed", 1, "--bed none.bed: there is no such file", "")]
    [InlineData("embed SAMPLE --model MODEL --bed BED", 1, "x.bed: line 2: the region long:1-9999 ends past the end of 'long'", "assembly")]
    [InlineData("embed SAMPLE --model MODEL --window 5 --step 6", 2, "--step 6: bases between windows of 5 would be left out", "")]
    [InlineData("embed SAMPLE --model MODEL --step 6", 2, "--step 6: it is of windows; give --window", "")]
    [InlineData("embed GZIP --model MODEL --region a", 1, "x.fa.gz: is gzip, of which no part can be read without all before it", "bgzip")]
    [InlineData("index GZIP", 1, "x.fa.gz: is gzip", "bgzip")]
    [InlineData("index -", 2, "an index is of a file", "")]
    [InlineData("index none.fa", 1, "none.fa: there is no such file", "")]
    [InlineData("attribute CSV --model MODEL --bed BED", 1, "FASTA starts a record with '>'", "")]
    public void What_cannot_be_done_is_told_before_anything_is_computed(string line, int code, string message, string remedy)
    {
        using var folder = new TempFolder();
        string bed = folder.Write("x.bed", "long\t0\t9\nlong\t0\t9999\n"u8);
        string gzip = folder.Write("x.fa.gz", SequenceFiles.Gzip(">a\nACGT\n"u8)), csv = folder.Write("x.csv", "sequence\nACGT\n"u8);
        string[] args = [.. line.Split(' ').Select(word => word switch
        {
            "SAMPLE" => ToyModel.SamplePath,
            "MODEL" => toy.Folder,
            "BED" => bed,
            "GZIP" => gzip,
            "CSV" => csv,
            _ => word,
        })];
        ToolRun run = ToolRun.Of(args);
        Assert.True(run.Code == code, $"{run.Code}: {run.Error}");
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Contains(remedy, run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }
}
