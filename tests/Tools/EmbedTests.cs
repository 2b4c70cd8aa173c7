using System.Globalization;
using System.Text;
using Dnabert2;
using Dnabert2.Embeddings;
using Dnabert2.Sequences;
using Dnabert2.Weights;
using Engine.Kernels;
using Tests.Weights;

namespace Tests.Tools;

public class EmbedTests(ToyModel toy) : IClassFixture<ToyModel>
{
    private const string Records = ">b second letter\nACGTTGCAAACCCGGGTTTACGT\n>a\nacgtnnacgtacgtagc\n>c\nGATTACAGATTACAGATTACAGATTACA\n";

    public static TheoryData<string, EmbedOptions> Cases => new()
    {
        { "", new EmbedOptions() },
        { "--pooling cls --batch-tokens 20", new EmbedOptions { Pooling = Pooling.Cls, BatchTokens = 20 } },
        { "--pooling max --on-n unk", new EmbedOptions { Pooling = Pooling.Max, OnAmbiguous = AmbiguousBases.Unknown } },
        { "--max-tokens 16", new EmbedOptions { MaxTokens = 16, Overlap = 2 } },
        { "--max-tokens 16 --overlap 7 --rc-average", new EmbedOptions { MaxTokens = 16, Overlap = 7, AverageReverseComplement = true } },
        { "--max-tokens 16 --on-too-long truncate", new EmbedOptions { MaxTokens = 16, Overlap = 2, OnTooLong = TooLong.Truncate } },
    };

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_matrix_holds_the_vectors_of_the_library_in_the_order_of_the_input(string options, EmbedOptions same)
    {
        using var folder = new TempFolder();
        EmbedFile(ToyModel.SamplePath, folder["out.npy"], options.Split(' ', StringSplitOptions.RemoveEmptyEntries)).Succeeds();
        SequenceEmbedding[] expected = Library(same, (embedder, records) => embedder.Embed(records));
        var actual = new Npy(folder["out.npy"]);
        Assert.Equal((expected.Length, 24), (actual.Rows, actual.Columns));
        Assert.Equal(expected.SelectMany(e => e.Vector.ToArray()), actual.Values);
        Assert.Equal(["out.ids.tsv", "out.npy", "out.npy.provenance.json"], folder.Names);
        bool both = same.AverageReverseComplement;
        string[] rows = [
            .. expected.Select(
                e => $"{e.Number}\t{e.Id}\t{e.Bases}\t{e.Tokens}\t{e.Chunks}\t{(e.Truncated ? "yes" : "no")}{(both ? "\tboth" : "")}")];
        Assert.Equal([$"record\tid\tbases\ttokens\tchunks\ttruncated{(both ? "\tstrands" : "")}", .. rows],
            File.ReadAllLines(folder["out.ids.tsv"]));
    }

    [Fact]
    public void Each_token_has_a_vector_and_its_place_in_the_record()
    {
        using var folder = new TempFolder();
        EmbedFile(ToyModel.SamplePath, folder["out.npy"], "--pooling", "none", "--max-tokens", "64").Succeeds();
        TokenEmbeddings[] expected = Library(
            new EmbedOptions { MaxTokens = 64, Overlap = 8 }, (embedder, records) => embedder.EmbedTokens(records));
        var actual = new Npy(folder["out.npy"]);
        Assert.Equal(expected.Sum(e => e.Ids.Length), actual.Rows);
        Assert.Equal(expected.SelectMany(e => e.Vectors.ToArray().Cast<float>()), actual.Values);

        Dictionary<string, string> bases = SequenceReader.Read(ToyModel.SamplePath)
            .ToDictionary(r => r.Id, r => Encoding.ASCII.GetString(r.Sequence));
        string[] lines = File.ReadAllLines(folder["out.ids.tsv"]);
        Assert.Equal("record\tid\tindex\ttoken\ttoken_id\tstart\tend", lines[0]);
        Assert.Equal(actual.Rows, lines.Length - 1);
        foreach (string[] field in lines.Skip(1).Select(line => line.Split('\t')))
            Assert.Equal(
                field[3],
                bases[field[1]][int.Parse(field[5], CultureInfo.InvariantCulture)..int.Parse(field[6], CultureInfo.InvariantCulture)]);
        foreach (IGrouping<string, string[]> record in lines.Skip(1).Select(line => line.Split('\t')).GroupBy(field => field[1]))
            Assert.Equal(Enumerable.Range(0, record.Count()).Select(i => $"{i}"), record.Select(field => field[2]));
        // Every known base of every record is in exactly one token.
        Assert.Equal(bases.Values.Sum(b => b.Count(c => c != 'N')), lines.Skip(1).Sum(line => line.Split('\t')[3].Length));
    }

    [Theory]
    [InlineData("mean")]
    [InlineData("none")]
    public void Every_format_holds_the_same_numbers(string pooling)
    {
        using var folder = new TempFolder();
        foreach (string name in (string[])["a.npy", "b.safetensors", "c.tsv"])
            EmbedFile(ToyModel.SamplePath, folder[name], "--pooling", pooling).Succeeds();
        ToolRun printed = ToolRun.Of("embed", ToyModel.SamplePath, "--model", toy.Folder, "--pooling", pooling).Succeeds();
        var npy = new Npy(folder["a.npy"]);
        using (WeightFile file = WeightFile.Open(folder["b.safetensors"]))
        {
            WeightEntry entry = Assert.Single(file.Entries);
            Assert.Equal($"embeddings F32 [{npy.Rows}, 24]", entry.ToString());
            Assert.Equal(npy.Values, file.Values("embeddings"));
        }

        Assert.Equal(File.ReadAllBytes(folder["a.ids.tsv"]), File.ReadAllBytes(folder["b.ids.tsv"]));
        string[] ids = File.ReadAllLines(folder["a.ids.tsv"]), table = File.ReadAllLines(folder["c.tsv"]);
        Assert.Equal(table, printed.Lines);
        Assert.Equal(ids.Length, table.Length);
        Assert.Equal(ids[0] + "\t" + string.Join('\t', Enumerable.Range(0, 24).Select(i => $"d{i}")), table[0]);
        for (int row = 1; row < table.Length; row++)
        {
            Assert.StartsWith(ids[row] + "\t", table[row]);
            Assert.Equal(npy.Values.Skip((row - 1) * 24).Take(24),
                table[row].Split('\t')[^24..].Select(n => float.Parse(n, CultureInfo.InvariantCulture)));
        }
    }

    [Fact]
    public void Names_that_would_break_the_table_are_quoted()
    {
        ToolRun run = Embed("id,sequence\n\"a\tb\",ACGT\n\"say \"\"x\"\"\",ACGT\nplain,ACGT\n").Succeeds();
        Assert.Equal(["\"a\tb\"", "\"say \"\"x\"\"\"", "plain"],
            run.Lines.Skip(1).Select(line => line[2..line.IndexOf("\t4\t", StringComparison.Ordinal)]));
    }

    [Fact]
    public void What_was_left_out_or_cut_is_said()
    {
        Assert.Contains("1 record of 3 left out for bases that are not known", Embed(Records, "--on-n", "drop").Succeeds().Error,
            StringComparison.Ordinal);
        Assert.Contains("2 records longer than 6 tokens were truncated",
            Embed(Records, "--max-tokens", "6", "--on-too-long", "truncate", "--on-n", "drop").Succeeds().Error, StringComparison.Ordinal);
        Assert.Contains("1 record embedded in several pieces", Embed(Records).Succeeds().Error, StringComparison.Ordinal);
        Assert.DoesNotContain("several pieces", Embed(Records, "--on-n", "unk", "--rc-average").Succeeds().Error, StringComparison.Ordinal);
        Assert.Contains("3 records, ", Embed(Records).Error, StringComparison.Ordinal);
    }

    [Fact]
    public void Quiet_leaves_only_warnings()
    {
        Assert.Equal("", Embed(Records, "--quiet").Succeeds().Error);
        Assert.Contains("left out", Embed(Records, "--quiet", "--on-n", "drop").Succeeds().Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_result_of_no_rows_is_a_matrix_of_no_rows()
    {
        using var folder = new TempFolder();
        ToolRun.Of(">a\nNNN\n", ["embed", "-", "--model", toy.Folder, "--on-n", "drop", "-o", folder["x.npy"]]).Succeeds();
        Assert.Equal((0, 24), (new Npy(folder["x.npy"]).Rows, new Npy(folder["x.npy"]).Columns));
    }

    [Fact]
    public void An_older_result_is_replaced_by_success_and_kept_by_failure()
    {
        using var folder = new TempFolder();
        folder.Write("x.npy", "old"u8);
        folder.Write("x.ids.tsv", "old"u8);
        // The fault comes after more records than any batch or buffer holds.
        string broken = string.Concat(Enumerable.Range(0, 20_000).Select(i => $">r{i}\nACGTACGT\n")) + ">bad\nAC?GT\n";
        ToolRun failed = ToolRun.Of(broken, ["embed", "-", "--model", toy.Folder, "-o", folder["x.npy"]]);
        Assert.Equal(1, failed.Code);
        Assert.Contains("record 20001 'bad'", failed.Error, StringComparison.Ordinal);
        Assert.Equal(["x.ids.tsv", "x.npy"], folder.Names);
        Assert.Equal("old", File.ReadAllText(folder["x.npy"]));

        ToolRun.Of(Records, ["embed", "-", "--model", toy.Folder, "-o", folder["x.npy"]]).Succeeds();
        Assert.Equal(["x.ids.tsv", "x.npy", "x.npy.provenance.json"], folder.Names);
        Assert.Equal(3, new Npy(folder["x.npy"]).Rows);
        Assert.Equal(4, File.ReadAllLines(folder["x.ids.tsv"]).Length);
    }

    [Fact]
    public void An_interruption_leaves_no_file()
    {
        using var folder = new TempFolder();
        using var source = new CancellationTokenSource();
        var input = new EndlessFasta(() => source.Cancel(), afterRecords: 5000);
        ToolRun run = ToolRun.Of(input, ["embed", "-", "--model", toy.Folder, "-o", folder["x.npy"]], source.Token);
        Assert.Equal(130, run.Code);
        Assert.Equal("dnabert2: interrupted", run.Error.Trim());
        Assert.Empty(folder.Names);
    }

    private static T[] Library<T>(EmbedOptions options, Func<Embedder, IEnumerable<SequenceRecord>, IEnumerable<T>> embed, string folder)
    {
        using Dnabert2Model model = Dnabert2Model.Load(folder, parts: ModelParts.Encoder);
        return [.. embed(new Embedder(model, options),
            SequenceReader.Read(ToyModel.SamplePath, new SequenceOptions { OnAmbiguous = options.OnAmbiguous }))];
    }

    private T[] Library<T>(EmbedOptions options, Func<Embedder, IEnumerable<SequenceRecord>, IEnumerable<T>> embed) =>
        Library(options, embed, toy.Folder);

    private ToolRun EmbedFile(string path, string output, params string[] options) =>
        ToolRun.Of(["embed", path, "-o", output, "--model", toy.Folder, .. options]);

    private ToolRun Embed(string records, params string[] options) =>
        ToolRun.Of(records, ["embed", "-", "--model", toy.Folder, .. options]);
}
