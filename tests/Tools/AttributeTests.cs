using System.Globalization;
using System.Xml.Linq;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Tests.Interpretation;
using Tests.Weights;

namespace Tests.Tools;

[Trait("Category", "Slow")]
public class AttributeTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string Records = ">b second letter\nacgttgcaaaccnggguu\n>a\nGATTACAGATTACA\n";

    [Fact]
    public void The_table_holds_every_substitution_of_every_base_and_the_picture_is_one()
    {
        using var folder = new TempFolder();
        string input = folder.Write("in.fa", System.Text.Encoding.ASCII.GetBytes(Records));
        ToolRun run = ToolRun.Of("attribute", input, "--model", toy.Folder, "-o", folder["x.tsv"], "--picture", folder["x.svg"]).Succeeds();
        Assert.Equal("", run.Text);
        Assert.Contains("32 bases of 2 records", run.Error, StringComparison.Ordinal);
        using InterpretedModel model = InterpretedModel.Load(toy.Folder);
        var expected = new List<string> { "id\tpos\tref\talt\teffect" };
        foreach (SubstitutionEffects e in new Attribution(model)
            .Run(SequenceReader.Read(input, new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown })))
            for (int i = 0; i < 4 * e.Bases.Length; i++)
                if ((char)e.Bases.Span[i / 4] is not 'N' and var original)
                    expected.Add(
                        string.Create(
                            CultureInfo.InvariantCulture, $"{e.Id}\t{(i / 4) + 1}\t{original}\t{"ACGT"[i % 4]}\t{e.Effects.Span[i]}"));
        Assert.Equal(expected, File.ReadAllLines(folder["x.tsv"]));
        Assert.Equal(1 + (4 * 31), expected.Count);
        Assert.Contains("b\t1\tA\tA\t0", expected);
        Assert.Equal(2, XDocument.Load(folder["x.svg"]).Root!.Elements().Count(e => (string?)e.Attribute("class") == "panel"));
        Assert.Equal(["in.fa", "x.svg", "x.tsv", "x.tsv.provenance.json"], folder.Names);
    }

    [Fact]
    public void Of_a_fine_tuned_folder_the_effect_is_on_the_class_that_is_asked_for_or_predicted()
    {
        using var folder = new TempFolder();
        SmallModels.WriteFineTuned(folder["m"], maxTokens: 12);
        string dna = SmallModels.Dna(1, 200);
        ToolRun asked = ToolRun.Of($">a\n{dna}\n", ["attribute", "-", "--model", folder["m"], "--class", "weak"]).Succeeds();
        Assert.Equal("id\tpos\tref\talt\teffect\teffect_logit\tclass", asked.Lines[0]);
        Assert.All(asked.Lines.Skip(1), line => Assert.EndsWith("\tweak", line));
        Assert.Contains("beyond the 12 tokens that the model takes were not substituted", asked.Error, StringComparison.Ordinal);
        ToolRun predicted = ToolRun.Of($">a\n{dna}\n", ["attribute", "-", "--model", folder["m"], "--region", "3-3"]).Succeeds();
        Assert.Equal(5, predicted.Lines.Length);
        Assert.Matches("\t(none|weak|strong)$", predicted.Lines[1]);
        Fails("class 'huge': the model has none, weak, strong", "attribute", ToyModel.SamplePath, "--model", folder["m"],
            "--class", "huge");
        Fails("no head of a language model", "attribute", ToyModel.SamplePath, "--model", folder["m"], "--target", "likelihood");
        SmallModels.WriteFineTuned(folder["r"], "regression");
        Assert.Equal("id\tpos\tref\talt\teffect", ToolRun.Of($">a\n{dna}\n", ["attribute", "-", "--model", folder["r"], "--region", "3-3"])
            .Succeeds().Lines[0]);
        SmallModels.WriteFineTuned(folder["w"], "ranking");
        Fails("ranking", "attribute", ToyModel.SamplePath, "--model", folder["w"]);
    }

    [Fact]
    public void What_costs_much_is_said_beforehand_and_what_is_not_drawn_afterwards()
    {
        using var folder = new TempFolder();
        string fasta = $">big\n{SmallModels.Dna(1, 5000)}\n";
        ToolRun run = ToolRun.Of(
            fasta, ["attribute", "-", "--model", toy.Folder, "--window", "8", "-o", folder["x.tsv"], "--batch-tokens", "20000"]).Succeeds();
        Assert.Contains(
            "record 1 'big': 5,000 bases, 15,000 substitutions, about 0 million tokens to compute; --region big:START-END does a part",
            run.Error, StringComparison.Ordinal);
        Assert.Equal(20_001, File.ReadLines(folder["x.tsv"]).Count());
        Assert.DoesNotContain("million", ToolRun.Of(fasta, ["attribute", "-", "--model", toy.Folder, "--region", "big:9-10"])
            .Succeeds().Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_strands_are_said_in_the_table_and_in_the_picture()
    {
        using var folder = new TempFolder();
        ToolRun run = ToolRun.Of(
            Records,
            ["attribute", "-", "--model", toy.Folder, "--region", "a:3-5", "--rc-average", "-o", folder["x.tsv"], "--picture",
                folder["x.SVG"]]).Succeeds();
        string[] lines = File.ReadAllLines(folder["x.tsv"]);
        Assert.Equal("id\tpos\tref\talt\teffect\tstrands", lines[0]);
        Assert.Equal(12, lines[1..].Count(line => line.EndsWith("\tboth", StringComparison.Ordinal)));
        Assert.Contains("nats, average of both strands", File.ReadAllText(folder["x.SVG"]), StringComparison.Ordinal);
    }

    [Fact]
    public void Progress_is_the_share_of_the_region_and_not_of_the_file()
    {
        using var folder = new TempFolder();
        string input = folder.Write(
            "in.fa", System.Text.Encoding.ASCII.GetBytes($">a\n{SmallModels.Dna(1, 200)}\n>z\n{SmallModels.Dna(2, 200_000)}\n"));
        var error = new StringWriter();
        var terminal = new Dnabert2.Tool.Terminal { Input = Stream.Null, Output = Stream.Null, Error = error, Time = new LeapingClock() };
        Assert.Equal(
            0, Dnabert2.Tool.CommandLineTool.Run(
                ["attribute", input, "--model", toy.Folder, "--region", "a:1-40", "--batch-tokens", "600"], terminal));
        int[] shares = [.. System.Text.RegularExpressions.Regex.Matches(error.ToString(), @" of 40 bases.*?, (\d+) %")
            .Select(m => int.Parse(m.Groups[1].Value, CultureInfo.InvariantCulture))];
        Assert.True(shares.Length > 3, error.ToString());
        Assert.Equal(shares.Order(), shares);
        Assert.True(shares[0] < 50, error.ToString());
        Assert.Equal(100, shares[^1]);
    }

    [Fact]
    public void Bad_input_is_named_and_nothing_is_written()
    {
        using var folder = new TempFolder();
        Fails("no.fa: there is no such file", "attribute", folder["no.fa"], "-o", folder["x.tsv"]);
        Fails("no: no such folder", "attribute", ToyModel.SamplePath, "--model", folder["no"], "-o", folder["x.tsv"]);
        Fails("the model is not fine-tuned", "attribute", ToyModel.SamplePath, "--model", toy.Folder, "--target", "class", "-o",
            folder["x.tsv"]);
        Fails("there is no record 'none'", "attribute", ToyModel.SamplePath, "--model", toy.Folder, "--region", "none:1-2", "-o",
            folder["x.tsv"], "--picture", folder["x.svg"]);
        Fails("record 1 'promoter', line 1: it has 240 bases, and the region ends at 241", "attribute", ToyModel.SamplePath, "--model",
            toy.Folder, "--region", "promoter:9-241", "-o", folder["x.tsv"]);
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void An_interruption_leaves_no_file()
    {
        using var folder = new TempFolder();
        using var source = new CancellationTokenSource();
        var input = new EndlessFasta(source.Cancel, afterRecords: 100);
        ToolRun run = ToolRun.Of(
            input, ["attribute", "-", "--model", toy.Folder, "-o", folder["x.tsv"], "--picture", folder["x.svg"]], source.Token);
        Assert.Equal((130, "dnabert2: interrupted"), (run.Code, run.Error.Trim()));
        Assert.Empty(folder.Names);
    }

    [Theory]
    [InlineData("attribute a --region 5", "--region 5: expected START-END or ID:START-END")]
    [InlineData("attribute a --region 0-5", "bases are counted from 1")]
    [InlineData("attribute a --region 7-5", "--region 7-5")]
    [InlineData("attribute a --region :1-5", "--region :1-5")]
    [InlineData("attribute a --region x:1-5-6", "--region x:1-5-6")]
    [InlineData("attribute a --window 7", "--window 7: expected a whole number of at least 8")]
    [InlineData("attribute a --target probability", "--target probability: expected auto, class or likelihood")]
    [InlineData("attribute a --picture -", "a picture needs a file")]
    [InlineData("attribute x.tsv -o x.tsv", "-o x.tsv: this is the input")]
    [InlineData("attribute a --picture x.png", "--picture x.png: pictures are SVG; name it x.svg")]
    [InlineData("attribute a --picture x.svg.gz", "--picture x.svg.gz: pictures are SVG")]
    [InlineData("attribute a --picture picture", "pictures are SVG; name it picture.svg")]
    [InlineData("variants a", "--genome")]
    [InlineData("variants - -g -", "only one of them can be standard input")]
    [InlineData("variants a -g b.tsv -o b.tsv", "-o b.tsv: this is the input")]
    [InlineData("variants a -g b --on-mismatch stop", "--on-mismatch stop: expected skip or error")]
    [InlineData("variants a -g b --window 3", "--window 3: expected a whole number of at least 8")]
    public void Misuse_is_told_from_failure_and_named(string line, string message)
    {
        ToolRun run = ToolRun.Of(line.Split(' '));
        Assert.Equal(2, run.Code);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
        Assert.Empty(run.Output);
    }

    /// <summary>A clock on which a minute passes whenever it is looked at.</summary>
    private sealed class LeapingClock : TimeProvider
    {
        private long _seconds;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _seconds += 60;
    }

    private static void Fails(string message, params string[] args)
    {
        ToolRun run = ToolRun.Of(args);
        Assert.True(run.Code == 1, $"exit code {run.Code}: {run.Error}");
        Assert.StartsWith("dnabert2: error: ", run.Error);
        Assert.Contains(message, run.Error, StringComparison.Ordinal);
    }
}
