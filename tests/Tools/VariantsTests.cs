using System.IO.Compression;
using System.Text;
using Tests.Interpretation;
using Tests.Weights;

namespace Tests.Tools;

public class VariantsTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string Header = "chrom\tpos\tref\talt\n";

    private static string Promoter =>
        Dnabert2.Sequences.SequenceReader.Read(ToyModel.SamplePath).Where(r => r.Id == "promoter")
            .Select(r => Encoding.ASCII.GetString(r.Sequence)).First();

    private static string SampleVcf => Path.Combine(Path.GetDirectoryName(ToyModel.SamplePath)!, "sample.vcf");

    [Fact]
    public void Each_allele_has_a_row_in_the_order_of_the_input_and_what_is_left_out_says_why()
    {
        using var folder = new TempFolder();
        ToolRun run = ToolRun.Of(
            "variants", SampleVcf, "--genome", ToyModel.SamplePath, "--model", toy.Folder, "-o", folder["x.tsv"]).Succeeds();
        string[] lines = File.ReadAllLines(folder["x.tsv"]);
        Assert.Equal(
            "line\tchrom\tpos\tid\tref\talt\tstatus\treason\tunknown_bases\tcosine_distance\teuclidean_distance"
                + "\tlikelihood_change\tlikelihood_change_per_base\tnormalized",
            lines[0]);
        Assert.Equal(
            ["4 rs1 C scored", "5 . G scored", "5 . C scored", "6 box T scored", "7 . GGATTACA scored", "8 near_n T scored",
                "9 . * spanning_deletion", "10 . <DEL> symbolic", "11 wrong T reference_mismatch"],
            lines.Skip(1).Select(line => line.Split('\t')).Select(f => $"{f[0]} {f[3]} {f[5]} {f[6]}"));
        Assert.All(lines, line => Assert.Equal(14, line.Split('\t').Length));
        Assert.All(
            lines.Skip(1)
            .Take(6), line =>
            Assert.True(double.IsFinite(double.Parse(line.Split('\t')[11], System.Globalization.CultureInfo.InvariantCulture))));
        Assert.Equal("50", lines[6].Split('\t')[8]);
        Assert.Contains($"{SampleVcf}: line 11: the reference allele is G, the genome has T at long:1300; left out", run.Error,
            StringComparison.Ordinal);
        Assert.Contains("9 variants in ", run.Error, StringComparison.Ordinal);
        Assert.Contains("6 scored in windows of 512 bases, left out: 1 symbolic, 1 spanning_deletion, 1 reference_mismatch", run.Error,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Gzipped_variants_from_a_pipe_and_a_gzipped_genome_give_the_same()
    {
        using var folder = new TempFolder();
        string genome = folder.Write("g.fa.gz", Gzip(File.ReadAllBytes(ToyModel.SamplePath)));
        ToolRun plain = ToolRun.Of("variants", SampleVcf, "-g", ToyModel.SamplePath, "--model", toy.Folder).Succeeds();
        ToolRun piped = ToolRun.Of(
            new MemoryStream(Gzip(File.ReadAllBytes(SampleVcf))), ["variants", "-", "-g", genome, "--model", toy.Folder]).Succeeds();
        Assert.Equal(plain.Text, piped.Text);
    }

    [Fact]
    public void A_variant_that_contradicts_the_genome_stops_where_that_is_asked_for()
    {
        using var folder = new TempFolder();
        ToolRun run = ToolRun.Of(
            "variants", SampleVcf, "-g", ToyModel.SamplePath, "--model", toy.Folder, "--on-mismatch", "error", "-o", folder["x.tsv"]);
        Assert.Equal(1, run.Code);
        Assert.Contains($"error: {SampleVcf}: line 11: the reference allele is G, the genome has T at long:1300; correct the line",
            run.Error, StringComparison.Ordinal);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void Where_no_variant_fits_the_genome_the_run_fails_and_says_what_the_first_one_lacks()
    {
        using var folder = new TempFolder();
        string lines = Header + string.Concat(Enumerable.Range(1, 25).Select(i => $"chrpromoter\t{i}\tA\tC\n"));
        ToolRun run = ToolRun.Of(lines, ["variants", "-", "-g", ToyModel.SamplePath, "--model", toy.Folder, "-o", folder["x.tsv"]]);
        Assert.Equal(1, run.Code);
        Assert.Contains(
            "error: no variant could be scored. standard input: line 2: the genome has no 'chrpromoter', but 'promoter': the "
            + "names of chromosomes have to agree; --aliases chr takes them as they are", run.Error, StringComparison.Ordinal);
        Assert.Single(run.Error.Trim().Split('\n'));
        Assert.Empty(folder.Names);
        // Symbolic alleles contradict nothing, and a file of none is no failure.
        Assert.Equal(2, ToolRun.Of(Header + "promoter\t1\tG\t<DEL>\n", ["variants", "-", "-g", ToyModel.SamplePath, "--model", toy.Folder])
            .Succeeds().Lines.Length);
        Assert.Single(ToolRun.Of(Header, ["variants", "-", "-g", ToyModel.SamplePath, "--model", toy.Folder]).Succeeds().Lines);
    }

    [Fact]
    public void Of_a_fine_tuned_folder_each_class_has_its_probability_and_change()
    {
        using var folder = new TempFolder();
        SmallModels.WriteFineTuned(folder["m"]);
        string[] lines = ToolRun.Of("variants", SampleVcf, "-g", ToyModel.SamplePath, "--model", folder["m"]).Succeeds().Lines;
        Assert.EndsWith("euclidean_distance\tp_none\tchange_none\tp_weak\tchange_weak\tp_strong\tchange_strong\tnormalized", lines[0]);
        double[][] scores = [
            .. lines.Skip(1).Take(6)
            .Select(line => line.Split('\t')[11..^1]
                .Select(f => double.Parse(f, System.Globalization.CultureInfo.InvariantCulture)).ToArray())];
        Assert.All(scores, s => Assert.Equal((1, 0), (Math.Round(s[0] + s[2] + s[4], 5), Math.Round(s[1] + s[3] + s[5], 5))));
        SmallModels.WriteFineTuned(folder["r"], "regression");
        Assert.EndsWith("euclidean_distance\tvalue\tchange_value\tnormalized",
            ToolRun.Of("variants", SampleVcf, "-g", ToyModel.SamplePath, "--model", folder["r"]).Succeeds().Lines[0]);
    }

    [Fact]
    public void Of_both_strands_a_column_says_so_and_the_variant_stands_as_it_is_written_beside_its_normal_form()
    {
        string vcf = Header + "promoter\t3\t" + Promoter[2..9] + "\t" + Promoter[2..8] + (Promoter[8] == 'A' ? "C" : "A") + "\n"
            + "promoter\t9\tN\tA\n";
        ToolRun run = ToolRun.Of(vcf, ["variants", "-", "-g", ToyModel.SamplePath, "--model", toy.Folder, "--rc-average"]).Succeeds();
        string[][] rows = [.. run.Lines.Select(line => line.Split('\t'))];
        Assert.Equal(["normalized", "strands"], rows[0][^2..]);
        Assert.Equal(["3", ".", Promoter[2..9]], rows[1][2..5]);
        Assert.Equal([$"promoter:9:{Promoter[8]}:{(Promoter[8] == 'A' ? "C" : "A")}", "both"], rows[1][^2..]);
        Assert.Equal(["", "both"], rows[2][^2..]);
        string[] one = ToolRun.Of(vcf, ["variants", "-", "-g", ToyModel.SamplePath, "--model", toy.Folder]).Succeeds().Lines;
        Assert.DoesNotContain("strands", one[0], StringComparison.Ordinal);
        Assert.NotEqual(one[1].Split('\t')[9], rows[1][9]);
    }

    [Fact]
    public void A_record_of_the_genome_without_a_name_is_said_and_two_of_one_name_are_refused()
    {
        using var folder = new TempFolder();
        string vcf = folder.Write("v.tsv", Encoding.ASCII.GetBytes(Header + "2\t1\tA\tC\nb\t1\tA\tC\n"));
        string genome = folder.Write("g.fa", ">b\nACGTTGCA\n>\nACGTTGCA\n"u8);
        ToolRun run = ToolRun.Of("variants", vcf, "-g", genome, "--model", toy.Folder).Succeeds();
        Assert.Equal(["unknown_chromosome", "scored"], run.Lines[1..].Select(line => line.Split('\t')[6]));
        Assert.Contains("g.fa: 1 sequence without a name left out: no variant can refer to them", run.Error, StringComparison.Ordinal);
        genome = folder.Write("twice.fa", "> b x\nACGTTGCA\n>b y\nACGTTGCA\n"u8);
        Fails(folder, "twice.fa: record 2, line 3: 'b' occurs twice", vcf, genome);
    }

    [Fact]
    public void Scores_are_those_that_are_asked_for_each_as_among_all()
    {
        string[] all = Columns(out string[][] everything), some = Columns(out string[][] few, "--scores", "likelihood");
        Assert.Equal(["cosine_distance", "euclidean_distance", "likelihood_change", "likelihood_change_per_base"], all[9..^1]);
        Assert.Equal(["likelihood_change", "likelihood_change_per_base"], some[9..^1]);
        Assert.Equal(everything.Select(row => row[11]), few.Select(row => row[9]));
        string[] pseudo = Columns(out string[][] masked, "--scores", "pseudo-likelihood,likelihood", "--window", "40", "--step", "10");
        Assert.Equal(
            ["likelihood_change", "likelihood_change_per_base", "pseudo_likelihood_change", "pseudo_likelihood_change_per_base"],
            pseudo[9..^1]);
        Assert.All(masked.Take(6), row => Assert.All(row[9..13], number => Assert.NotEqual("", number)));
        ToolRun wrong = ToolRun.Of(
            "variants", SampleVcf, "-g", ToyModel.SamplePath, "--model", toy.Folder, "--scores", "likelihood,classe");
        Assert.Equal(2, wrong.Code);
        Assert.Contains("--scores classe: expected distances, likelihood, pseudo-likelihood or classes", wrong.Error,
            StringComparison.Ordinal);
        wrong = ToolRun.Of("variants", SampleVcf, "-g", ToyModel.SamplePath, "--model", toy.Folder, "--step", "300");
        Assert.Equal(1, wrong.Code);
        Assert.Contains("--step is 300: it must be from 1 to half of the window, which has 512 bases", wrong.Error,
            StringComparison.Ordinal);

        string[] Columns(out string[][] rows, params string[] more)
        {
            string[] lines =
                ToolRun.Of(["variants", SampleVcf, "-g", ToyModel.SamplePath, "--model", toy.Folder, .. more]).Succeeds().Lines;
            rows = [.. lines.Skip(1).Select(line => line.Split('\t'))];
            return lines[0].Split('\t');
        }
    }

    [Fact]
    public void Structural_variants_of_a_vcf_are_scored_where_a_window_holds_them_and_others_say_why()
    {
        string vcf = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
            + $"promoter\t20\td\t{Promoter[19]}\t<DEL>\t.\tPASS\tSVTYPE=DEL;END=30\n"
            + $"promoter\t20\tw\t{Promoter[19..30]}\t{Promoter[19]}\t.\t.\t.\n"
            + "promoter\t40\tb\tN\t<DUP>\t.\tPASS\tSVTYPE=DUP;SVLEN=100\npromoter\t50\tc\tN\t<CNV>\t.\tPASS\tEND=60\n";
        ToolRun run = ToolRun.Of(vcf, ["variants", "-", "-g", ToyModel.SamplePath, "--model", toy.Folder, "--window", "64"]).Succeeds();
        string[][] rows = [.. run.Lines.Skip(1).Select(line => line.Split('\t'))];
        Assert.Equal(["d scored", "w scored", "b too_long", "c symbolic"], rows.Select(row => $"{row[3]} {row[6]}"));
        Assert.Equal(rows[1][8..], rows[0][8..]);
        Assert.Equal("a duplication of 100 bases does not fit into a window of 64", rows[2][7]);
        Assert.Contains("left out: 1 symbolic, 1 too_long", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_labelled_list_a_table_says_how_well_each_score_tells_the_labels()
    {
        using var folder = new TempFolder();
        string list = Path.Combine(Path.GetDirectoryName(ToyModel.SamplePath)!, "labelled.tsv");
        string[] args = ["variants", list, "-g", ToyModel.SamplePath, "--model", toy.Folder, "-o", folder["s.tsv"], "--window", "64"];
        ToolRun.Of([.. args, "--label", "effect", "--by", "kind", "--metrics", folder["m.tsv"]]).Succeeds();
        string[][] table = [.. File.ReadAllLines(folder["m.tsv"]).Select(line => line.Split('\t'))];
        Assert.Equal(["group", "ranked_by", "variants", "positives", "auroc", "auprc"], table[0]);
        string[] ranked = ["cosine_distance", "euclidean_distance", "-likelihood_change", "-likelihood_change_per_base"];
        Assert.Equal(
            new[] { "all 14 7", "box 10 6", "elsewhere 4 1" }.SelectMany(group => ranked.Select(by => $"{group} {by}")),
            table[1..].Select(row => $"{row[0]} {row[2]} {row[3]} {row[1]}"));
        // The area is the share of pairs that are in order, from the numbers of the other table.
        string[][] scores = [.. File.ReadAllLines(folder["s.tsv"]).Skip(1).Select(line => line.Split('\t'))];
        string[] labels = [.. File.ReadAllLines(list).Skip(1).Select(line => line.Split('\t')[4])];
        for (int i = 0; i < 4; i++)
        {
            float[] effects =
                [.. scores.Select(row => (i < 2 ? 1 : -1) * float.Parse(row[9 + i], System.Globalization.CultureInfo.InvariantCulture))];
            var pairs = effects.Where((_, n) => labels[n] == "1")
                .SelectMany(p => effects.Where((_, n) => labels[n] == "0").Select(n => (p, n)));
            double expected = pairs.Average(pair => pair.p > pair.n ? 1 : pair.p == pair.n ? 0.5 : 0);
            Assert.Equal(expected, double.Parse(table[1 + i][4], System.Globalization.CultureInfo.InvariantCulture), 1e-6);
        }

        ToolRun one = ToolRun.Of([.. args, "--label", "effect", "--positive", "yes", "--metrics", folder["n.tsv"]]).Succeeds();
        Assert.Contains("n.tsv: it has no AUROC and no AUPRC: of 14 variants with a score and one of the labels, 0 have an effect",
            one.Error, StringComparison.Ordinal);
        Assert.EndsWith("\t14\t0\t\t", File.ReadAllLines(folder["n.tsv"])[1]);
        Usage("--metrics m.tsv: name what tells the labels, --label KEY", "--metrics", "m.tsv");
        Usage("name its file with --metrics FILE", "--label", "effect");
        Usage("--metrics m.npy: the extension decides the format", "--metrics", "m.npy", "--label", "effect");
        ToolRun missing = ToolRun.Of([.. args, "--metrics", folder["m.tsv"], "--label", "effects"]);
        Assert.Equal(1, missing.Code);
        Assert.Contains("labelled.tsv: there is no column 'effects'", missing.Error, StringComparison.Ordinal);

        void Usage(string message, params string[] more)
        {
            ToolRun run = ToolRun.Of([.. args, .. more]);
            Assert.Equal(2, run.Code);
            Assert.Contains(message, run.Error, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Bad_input_is_named_and_nothing_is_written()
    {
        using var folder = new TempFolder();
        string broken = folder.Write("b.vcf", Encoding.ASCII.GetBytes(File.ReadAllText(SampleVcf) + "long\tmany\t.\tA\tC\n"));
        Fails(folder, "b.vcf: line 12: the position 'many' is not a whole number", broken, ToyModel.SamplePath);
        Fails(folder, "no.vcf: there is no such file; give VCF", folder["no.vcf"], ToyModel.SamplePath);
        Fails(folder, "no.fa: there is no such file", SampleVcf, folder["no.fa"]);
        Fails(folder, "sample.vcf: ", SampleVcf, SampleVcf);
        Fails(folder, "there is no column 'chrom'", ToyModel.SamplePath, ToyModel.SamplePath);
        Fails(folder, "is a folder", SampleVcf, toy.Folder);
        Assert.Equal(["b.vcf"], folder.Names);
    }

    [Fact]
    public void An_interruption_leaves_no_file()
    {
        using var folder = new TempFolder();
        using var source = new CancellationTokenSource();
        var input = new EndlessFasta(source.Cancel, 700, text: n => n == 1 ? Header : "promoter\t1\tG\tC\n");
        ToolRun run = ToolRun.Of(
            input, ["variants", "-", "-g", ToyModel.SamplePath, "--model", toy.Folder, "--window", "16", "-o", folder["x.tsv"]],
            source.Token);
        Assert.Equal((130, "dnabert2: interrupted"), (run.Code, run.Error.Trim()));
        Assert.Empty(folder.Names);
    }

    private void Fails(TempFolder folder, string message, string variants, string genome)
    {
        ToolRun run = ToolRun.Of("variants", variants, "-g", genome, "--model", toy.Folder, "-o", folder["x.tsv"]);
        Assert.True(run.Code == 1, $"exit code {run.Code}: {run.Error}");
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }

    private static byte[] Gzip(byte[] bytes)
    {
        using var stream = new MemoryStream();
        using (var gzip = new GZipStream(stream, CompressionLevel.Optimal)) gzip.Write(bytes);
        return stream.ToArray();
    }
}
