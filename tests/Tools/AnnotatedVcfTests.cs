using System.Text;
using System.Text.RegularExpressions;
using Tests.Interpretation;
using Tests.Sequences;
using Tests.Weights;

namespace Tests.Tools;

public partial class AnnotatedVcfTests(ToyModel toy) : IClassFixture<ToyModel>
{
    // Every kind of line: several alleles, one that cannot be scored between others, INFO that is there, samples, a blank line, a
    // contradiction, a sequence that the genome does not have, no end of the last line.
    private const string Vcf =
        "##fileformat=VCFv4.3\n##contig=<ID=promoter,length=240>\n##FILTER=<ID=q\u00e4,Description=\"x\">\n"
        + "##INFO=<ID=AC,Number=A,Type=Integer,Description=\"x\">\n##INFO=<ID=DB,Number=0,Type=Flag,Description=\"x\">\n"
        + "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts 2\n"
        + "masked\t100\t.\tG\tGGATTACA\t1e3\tPASS\t.\tGT:AD\t0/1:1,2\t./.\n"
        + "promoter\t64\tbox\tTTATAA\tT\t.\tq\u00e4\tDB\tGT\t0|1\t.\n\n"
        + "promoter\t65\trs1;rs2\tT\tC\t.\tPASS\tAC=1;DB\tGT\t0/0\t0/1\n"
        + "promoter\t67\t.\tT\tG,*,C\t.\tPASS\tAC=1,2,3\tGT\t1/3\t\n"
        + "promoter\t68\t.\tA\t.\t.\tPASS\t.\tGT\t0/0\t0/0\n"
        + "gap\t149\tnear_n\tC\tT\t.\tPASS\t.\tGT\t0/1\t0/1\n"
        + "long\t1300\twrong\tG\tT\t.\tPASS\tDB\tGT\t0/1\t0/1\n"
        + "chr77\t5\t.\tG\tT\t.\tPASS\t.\tGT\t0/1\t0/1";

    private static string Sample => ToyModel.SamplePath;

    [Theory]
    [InlineData("\n", false)]
    [InlineData("\r\n", false)]
    [InlineData("\n", true)]
    public void All_but_the_new_fields_is_as_it_was_and_they_hold_what_the_table_holds(string lineEnd, bool bothStrands)
    {
        using var folder = new TempFolder();
        byte[] text = Encoding.Latin1.GetBytes(Vcf.Replace("\n", lineEnd, StringComparison.Ordinal));
        string vcf = folder.Write("in.vcf", text);
        string[] what = ["variants", vcf, "-g", Sample, "--model", toy.Folder, "--quiet"];
        if (bothStrands) what = [.. what, "--rc-average"];
        ToolRun.Of([.. what, "-o", folder["out.vcf"]]).Succeeds();
        byte[] scored = File.ReadAllBytes(folder["out.vcf"]);
        Assert.Equal(Encoding.Latin1.GetString(text), Stripped(scored));

        // The header says what the fields are, once each, before the line of columns.
        string[] lines = Encoding.Latin1.GetString(scored).Split(lineEnd);
        string[] declared = [.. lines.Where(line => line.StartsWith("##INFO=<ID=DNABERT2_", StringComparison.Ordinal))];
        Assert.Equal(
            ["status String", "unknown_bases Integer", "cosine_distance Float", "euclidean_distance Float", "likelihood_change Float",
                "likelihood_change_per_base Float"],
            declared.Select(line => Declaration().Match(line)).Select(m => $"{m.Groups[1].Value} {m.Groups[2].Value}"));
        Assert.All(declared, line => Assert.Equal(bothStrands, line.Contains("; average of both strands\"", StringComparison.Ordinal)));
        Assert.StartsWith("#CHROM", lines[Array.IndexOf(lines, declared[^1]) + 1]);

        // Each value of the table stands at its allele.
        string[][] rows = [.. ToolRun.Of(what).Succeeds().Lines.Select(line => line.Split('\t'))];
        string[] header = rows[0];
        foreach (string field in (string[])["status", "unknown_bases", "cosine_distance", "euclidean_distance", "likelihood_change"])
        {
            int column = Array.IndexOf(header, field);
            var expected = rows.Skip(1).GroupBy(row => int.Parse(row[0]))
                .ToDictionary(g => g.Key, g => string.Join(',', g.Select(row => row[column])));
            string[] input = Vcf.Split('\n');
            foreach ((int line, string values) in expected)
            {
                string found = Regex.Match(lines[line - 1 + declared.Length], $@"[\t;]DNABERT2_{field}=([^;\t]*)").Groups[1].Value;
                bool hasAlleles = input[line - 1].Split('\t')[4] != ".";
                string wanted = !hasAlleles || values.All(c => c == ',') ? ""
                    : string.Join(',', values.Split(',').Select(v => v.Length > 0 ? v : "."));
                Assert.Equal(wanted, found);
            }
        }

        Assert.Equal(["in.vcf", "out.vcf", "out.vcf.provenance.json"], folder.Names);
    }

    [Fact]
    public void Compressed_it_is_the_same_and_its_index_finds_every_record()
    {
        using var folder = new TempFolder();
        string vcf = folder.Write("in.vcf", Encoding.Latin1.GetBytes(Vcf));
        string[] what = ["variants", vcf, "-g", Sample, "--model", toy.Folder, "--quiet", "-o"];
        ToolRun.Of([.. what, folder["out.vcf"]]).Succeeds();
        ToolRun.Of([.. what, folder["out.vcf.gz"]]).Succeeds();
        Assert.Equal(
            ["in.vcf", "out.vcf", "out.vcf.gz", "out.vcf.gz.provenance.json", "out.vcf.gz.tbi", "out.vcf.provenance.json"], folder.Names);
        byte[] stored = File.ReadAllBytes(folder["out.vcf.gz"]);
        Assert.Equal(Bgzip.Last, stored[^28..]);
        Assert.Equal(File.ReadAllBytes(folder["out.vcf"]), VcfIndex.Decompress(stored));
        VcfIndex index = VcfIndex.Read(folder["out.vcf.gz"], ".tbi");
        Assert.Equal(["masked", "promoter", "gap", "long", "chr77"], index.Names);
        Assert.Equal([64L, 65, 67], index.Query("promoter", 65, 67).Distinct().Select(VcfIndex.PositionOf));
        Assert.True(File.GetLastWriteTimeUtc(folder["out.vcf.gz.tbi"]) >= File.GetLastWriteTimeUtc(folder["out.vcf.gz"]));

        // From a pipe, gzipped, the same; and an index of a former file that is of the other kind is not left.
        folder.Write("out.vcf.gz.csi", "former"u8);
        var pipe = new MemoryStream(SequenceFiles.Gzip(Encoding.Latin1.GetBytes(Vcf)));
        ToolRun.Of(pipe, ["variants", "-", .. what[2..], folder["out.vcf.gz"]]).Succeeds();
        Assert.Equal(stored, File.ReadAllBytes(folder["out.vcf.gz"]));
        Assert.Equal(
            ["in.vcf", "out.vcf", "out.vcf.gz", "out.vcf.gz.provenance.json", "out.vcf.gz.tbi", "out.vcf.provenance.json"], folder.Names);
    }

    [Fact]
    public void Bcftools_reads_it_and_without_the_new_fields_it_is_the_same_to_it()
    {
        using var folder = new TempFolder();
        // As bcftools takes it: all sequences and filters declared, in order, no blank line.
        string text = Vcf.Replace("\n\n", "\n", StringComparison.Ordinal).Replace("\u00e4", "a", StringComparison.Ordinal)
            .Replace("s 2", "s2", StringComparison.Ordinal).Replace("\t\n", "\t0/0\n", StringComparison.Ordinal)
            .Replace("##INFO=<ID=DB", "##contig=<ID=masked>\n##contig=<ID=gap>\n##contig=<ID=long>\n##contig=<ID=chr77>\n"
                + "##FORMAT=<ID=GT,Number=1,Type=String,Description=\"x\">\n##FORMAT=<ID=AD,Number=R,Type=Integer,Description=\"x\">\n"
                + "##INFO=<ID=DB",
                StringComparison.Ordinal) + "\n";
        string vcf = folder.Write("in.vcf", Encoding.ASCII.GetBytes(text));
        ToolRun.Of("variants", vcf, "-g", Sample, "--model", toy.Folder, "--quiet", "-o", folder["out.vcf.gz"]).Succeeds();
        string plain = Bcftools("view", "--no-version", vcf);
        string keys = string.Join(',', Regex.Matches(Encoding.ASCII.GetString(VcfIndex.Decompress(File.ReadAllBytes(folder["out.vcf.gz"]))),
            "##INFO=<ID=(DNABERT2_[^,]*)").Select(m => "INFO/" + m.Groups[1].Value));
        Assert.Equal(6, keys.Split(',').Length);
        Assert.Equal(plain, Bcftools("annotate", "--no-version", "-x", keys, folder["out.vcf.gz"]));
        Assert.Equal("64 65 67", string.Join(' ', Bcftools("query", "-r", "promoter:64-67", "-f", "%POS\\n", folder["out.vcf.gz"])
            .Split('\n', StringSplitOptions.RemoveEmptyEntries)));
        Assert.Equal("chr77\t.\t1\ngap\t.\t1\nlong\t.\t1\nmasked\t.\t1\npromoter\t240\t4\n",
            string.Concat(Bcftools("index", "-s", folder["out.vcf.gz"]).Split('\n', StringSplitOptions.RemoveEmptyEntries)
                .Order(StringComparer.Ordinal).Select(line => line + "\n")));
        Assert.Equal(
            "scored scored,spanning_deletion,scored",
            string.Join(' ', Bcftools("query", "-i", "POS=65 || POS=67", "-f", "%DNABERT2_status\\n", folder["out.vcf.gz"])
                .Split('\n', StringSplitOptions.RemoveEmptyEntries)));
    }

    [Fact]
    public void Records_that_are_not_in_order_are_kept_without_an_index_and_that_is_said()
    {
        using var folder = new TempFolder();
        string header = "##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n";
        string vcf = folder.Write("in.vcf", Encoding.ASCII.GetBytes(
            header + "promoter\t67\t.\tT\tG\t.\t.\t.\npromoter\t65\t.\tT\tC\t.\t.\t.\npromoter\t68\t.\tA\tC\t.\t.\t.\n"));
        folder.Write("out.vcf.gz.tbi", "former"u8);
        ToolRun run = ToolRun.Of("variants", vcf, "-g", Sample, "--model", toy.Folder, "-o", folder["out.vcf.gz"]).Succeeds();
        Assert.Contains("out.vcf.gz: has no index: its records are not in order, line 4 lies before the one above. Sort it: bcftools sort",
            run.Error, StringComparison.Ordinal);
        Assert.Equal(["in.vcf", "out.vcf.gz", "out.vcf.gz.provenance.json"], folder.Names);
        Assert.Equal(File.ReadAllText(vcf), Stripped(VcfIndex.Decompress(File.ReadAllBytes(folder["out.vcf.gz"]))));
        folder.Write("in.vcf", Encoding.ASCII.GetBytes(
            header + "promoter\t65\t.\tT\tG\t.\t.\t.\nmasked\t1\t.\t.\tC\t.\t.\t.\npromoter\t68\t.\tA\tC\t.\t.\t.\n"));
        run = ToolRun.Of("variants", vcf, "-g", Sample, "--model", toy.Folder, "-o", folder["out.vcf.gz"]).Succeeds();
        Assert.Contains("the records of 'promoter' are not all together, line 5 is apart", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_records_in_the_regions_are_scored_and_the_others_stay()
    {
        using var folder = new TempFolder();
        string vcf = folder.Write("in.vcf", Encoding.Latin1.GetBytes(Vcf));
        ToolRun.Of("variants", vcf, "-g", Sample, "--model", toy.Folder, "--region", "promoter:66-67", "-o", folder["out.vcf"]).Succeeds();
        string text = Encoding.Latin1.GetString(File.ReadAllBytes(folder["out.vcf"]));
        Assert.Equal(Vcf, Stripped(File.ReadAllBytes(folder["out.vcf"])));
        // The deletion at 64 reaches there.
        Assert.Equal(["64", "67"], text.Split('\n').Where(line => line.Contains("DNABERT2_status=", StringComparison.Ordinal))
            .Select(line => line.Split('\t')[1]));
    }

    [Theory]
    [InlineData("chrom\tpos\tref\talt\npromoter\t65\tT\tC\n", "line 1: is not the line of columns of a VCF, #CHROM to INFO")]
    [InlineData("#CHROM\tPOS\tID\tREF\tALT\npromoter\t65\t.\tT\tC\n", "line 1: is not the line of columns of a VCF")]
    [InlineData("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\npromoter\t65\t.\tT\tC\t.\n", "line 2: it ends before column 8, INFO")]
    [InlineData("##INFO=<ID=DNABERT2_status,Number=A,Type=String,Description=\"x\">\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n",
        "line 1: INFO/DNABERT2_status is there already")]
    [InlineData("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\npromoter\t65\t.\tT\tC\t.\t.\tDB;DNABERT2_cosine_distance=1\n",
        "line 2: INFO/DNABERT2_cosine_distance is there already, as it is in a file that was scored before. Take such fields out: bcftools "
        + "annotate -x INFO/DNABERT2_status,INFO/DNABERT2_unknown_bases,INFO/DNABERT2_cosine_distance,")]
    public void What_cannot_be_given_back_is_refused_and_nothing_is_written(string vcf, string message)
    {
        using var folder = new TempFolder();
        folder.Write("in.vcf", Encoding.ASCII.GetBytes(vcf));
        foreach (string output in (string[])["out.vcf", "out.vcf.gz"])
        {
            ToolRun run = ToolRun.Of("variants", folder["in.vcf"], "-g", Sample, "--model", toy.Folder, "-o", folder[output]);
            Assert.Equal(1, run.Code);
            Assert.Contains($"in.vcf: {message}", run.Error, StringComparison.Ordinal);
        }

        Assert.Equal(["in.vcf"], folder.Names);
    }

    [Fact]
    public void A_name_that_is_no_format_or_is_an_input_is_misuse()
    {
        ToolRun run = ToolRun.Of("variants", "a.vcf", "-g", "b", "-o", "x.bcf");
        Assert.Equal(2, run.Code);
        Assert.Contains("-o x.bcf: the extension decides the format: .tsv or .csv; .vcf or .vcf.gz", run.Error, StringComparison.Ordinal);
        Assert.Contains("this is the input", ToolRun.Of("variants", "a.vcf", "-g", "b", "-o", "a.vcf").Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Classes_of_any_name_have_fields_of_their_own()
    {
        using var folder = new TempFolder();
        SmallModels.WriteFineTuned(folder["m"]);
        string vcf = folder.Write("in.vcf", Encoding.Latin1.GetBytes(Vcf));
        ToolRun.Of("variants", vcf, "-g", Sample, "--model", folder["m"], "--quiet", "-o", folder["out.vcf"]).Succeeds();
        string text = Encoding.Latin1.GetString(File.ReadAllBytes(folder["out.vcf"]));
        Assert.Contains(
            "##INFO=<ID=DNABERT2_p_weak,Number=A,Type=Float,Description=\"Probability of the class weak with the reference allele\",",
            text, StringComparison.Ordinal);
        Assert.Contains("##INFO=<ID=DNABERT2_change_strong,", text, StringComparison.Ordinal);
        Assert.Equal(Vcf, Stripped(File.ReadAllBytes(folder["out.vcf"])));
    }

    private static string Bcftools(params string[] args) => Encoding.ASCII.GetString(GenomeFiles.Run("bcftools", args));

    /// <summary>A scored file without what was added.</summary>
    private static string Stripped(byte[] scored)
    {
        string text = Encoding.Latin1.GetString(scored);
        text = AddedLine().Replace(text, "");
        text = AddedAlone().Replace(text, "\t.");
        return AddedBehind().Replace(text, "");
    }

    [GeneratedRegex(@"##INFO=<ID=DNABERT2_[^\n]*\n")]
    private static partial Regex AddedLine();

    [GeneratedRegex(@"\tDNABERT2_[^\t\r\n]*")]
    private static partial Regex AddedAlone();

    [GeneratedRegex(@";DNABERT2_[^\t\r\n]*")]
    private static partial Regex AddedBehind();

    [GeneratedRegex("^##INFO=<ID=DNABERT2_([^,]*),Number=A,Type=([^,]*),Description=\"[^\"]+\",Source=\"dnabert2\">$")]
    private static partial Regex Declaration();
}
