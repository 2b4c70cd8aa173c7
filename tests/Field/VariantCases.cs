using System.Globalization;
using System.Text;
using Dnabert2;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Tests.Interpretation;
using Tests.Tools;

namespace Tests.Field;

/// <summary>Public bug reports of variant files and genomes, tried with the model that comes with the tool.</summary>
public class VariantCases
{
    [Fact]
    public void Case_01_a_number_is_not_the_name_of_a_record_whose_name_comes_after_a_blank()
    {
        string folder = SharedData.Path("cases/01-fasta-blank-after-gt"), genome = Path.Combine(folder, "genome.fa");
        Assert.Equal(["scored"], Statuses(Rows(Path.Combine(folder, "named.vcf"), genome)));
        ToolRun numbered = ToolRun.Of("variants", Path.Combine(folder, "numbered.vcf"), "-g", genome);
        Assert.Equal(1, numbered.Code);
        Assert.Contains("no variant could be scored", numbered.Error, StringComparison.Ordinal);
        Assert.Contains("the genome has no '1'", numbered.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("64")]
    [InlineData("512")]
    public void Case_16_padded_and_shifted_alleles_have_the_score_of_the_minimal_ones(string window)
    {
        string folder = SharedData.Path("cases/16-variants-padded-alleles");
        string[][] rows = Rows(Path.Combine(folder, "forms.vcf"), Path.Combine(folder, "genome.fa"), "--window", window);
        foreach (string group in (string[])["snv_", "del_"])
        {
            string[] scores =
                [.. rows.Where(row => row[3].StartsWith(group, StringComparison.Ordinal)).Select(row => string.Join(' ', row[8..]))];
            Assert.Equal(3, scores.Length);
            Assert.Single(scores.Distinct());
        }

        Assert.Equal("CAAAAAAAA CAAAAAAA", $"{rows[4][4]} {rows[4][5]}");
    }

    [Fact]
    public void Case_18_a_reference_base_that_an_ambiguity_code_allows_is_scored()
    {
        string folder = SharedData.Path("cases/18-variants-iupac-reference");
        string[][] rows = Rows(Path.Combine(folder, "calls.vcf"), Path.Combine(folder, "genome.fa"));
        Assert.All(rows, row => Assert.Equal(row[3] == "wrong_base_at_R" ? "reference_mismatch" : "scored", row[6]));
        Assert.Equal(12, rows.Length);
    }

    [Fact]
    public void Case_19_what_cannot_be_scored_is_told_apart()
    {
        string folder = SharedData.Path("cases/19-variants-special-alleles");
        Dictionary<string, int> found = Statuses(Rows(Path.Combine(folder, "calls.vcf"), Path.Combine(folder, "genome.fa.gz")))
            .GroupBy(status => status).ToDictionary(g => g.Key, g => g.Count());
        Assert.Equal(
            new Dictionary<string, int>
            {
                ["scored"] = 5,
                ["symbolic"] = 4,
                ["spanning_deletion"] = 2,
                ["breakend"] = 2,
                ["no_alternative"] = 2,
                ["not_bases"] = 3,
                ["unknown_chromosome"] = 2,
                ["out_of_range"] = 2,
                ["reference_mismatch"] = 1,
            },
            found);
    }

    [Theory]
    [InlineData(512)]
    [InlineData(9)]
    public void Case_21_at_the_ends_of_a_sequence_the_windows_are_shorter_and_their_scores_those_of_their_bases(int width)
    {
        string folder = SharedData.Path("cases/21-variants-contig-edge");
        Assert.SkipUnless(File.Exists(Path.Combine(SharedData.BuiltInFolder, "config.json")),
            "the model that comes with the tool is not in this build");
        Dictionary<string, string> genome = SequenceReader.Read(Path.Combine(folder, "genome.fa"))
            .ToDictionary(r => r.Id, r => Encoding.ASCII.GetString(r.Sequence));
        using InterpretedModel model = InterpretedModel.Load(SharedData.BuiltInFolder);
        var plain = new PlainScorer(model.Model);
        string[][] rows = Rows(Path.Combine(folder, "edge.vcf"), Path.Combine(folder, "genome.fa"), "--window", $"{width}");
        Assert.Equal(13, rows.Length);
        foreach (string[] row in rows)
        {
            if (Math.Max(row[4].Length, row[5].Length) > width)
            {
                Assert.Equal("too_long", row[6]);
                continue;
            }

            // As the file has them, these variants are in their normal form: the window lies around REF as it is written.
            string whole = genome[row[1]];
            int at = int.Parse(row[2], CultureInfo.InvariantCulture) - 1, end = at + row[4].Length, room = width - row[4].Length;
            int start = Math.Max(0, at - (room / 2)), stop = Math.Min(whole.Length, end + room - (room / 2));
            double[] a = plain.Mean(whole[start..stop]), b = plain.Mean(whole[start..at] + row[5] + whole[end..stop]);
            Assert.Equal(Math.Sqrt(a.Zip(b, (x, y) => (x - y) * (x - y)).Sum()), double.Parse(row[10], CultureInfo.InvariantCulture), 1e-5);
            Assert.Equal(1 - (a.Zip(b, (x, y) => x * y).Sum() / Math.Sqrt(a.Sum(x => x * x) * b.Sum(x => x * x))),
                double.Parse(row[9], CultureInfo.InvariantCulture), 1e-5);
        }
    }

    [Fact]
    public void Case_57_a_sample_may_be_called_as_a_column_is()
    {
        string folder = SharedData.Path("cases/57-vcf-sample-named-ref");
        string[] row = Assert.Single(Rows(Path.Combine(folder, "strains.vcf"), Path.Combine(folder, "genome.fa")));
        Assert.Equal("c1 300 T A scored", $"{row[1]} {row[2]} {row[4]} {row[5]} {row[6]}");
    }

    private static string[][] Rows(string variants, string genome, params string[] options) =>
        [.. ToolRun.Of(["variants", variants, "-g", genome, .. options]).Succeeds().Lines.Skip(1).Select(line => line.Split('\t'))];

    private static IEnumerable<string> Statuses(string[][] rows) => rows.Select(row => row[6]);
}
