using Dnabert2.Embeddings;
using Dnabert2.Tool;
using Tests.Files;
using Tests.Weights;

namespace Tests.Tools;

/// <summary>Several inputs of a command, what is left out of them, and records of one name.</summary>
public sealed class InputFilesTests(ToyModel toy) : IClassFixture<ToyModel>, IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Several_inputs_are_one_result_that_says_of_which_file_each_row_is()
    {
        string first = Write("a.fa", ">x\nACGTACGTA\n>y\nGGTA\n"), second = Write("b.csv", "sequence\nACGTTTTA\n");
        ToolRun both = Embed(first, second);
        Assert.Equal([("1", "x", first), ("2", "y", first), ("1", "1", second)], Rows(both).Select(r => (r[0], r[1], r[6])));
        Assert.Equal("source", both.Lines[0].Split('\t')[6]);
        string[][] alone = [.. Rows(Embed(first)), .. Rows(Embed(second))];
        Assert.Equal(alone.Select(r => string.Join('\t', r)), Rows(both).Select(r => string.Join('\t', r.Where((_, i) => i != 6))));
        ToolRun tokens = Embed(first, second, "--pooling", "none");
        Assert.Equal("source", tokens.Lines[0].Split('\t')[7]);
        Assert.Equal([first, second], Rows(tokens).Select(r => r[7]).Distinct());
        ToolRun.Of("tokenize", first, second, "-o", _folder["t.tsv"]).Succeeds();
        Assert.Equal(["source", first, second], File.ReadLines(_folder["t.tsv"]).Select(line => line.Split('\t')[7]).Distinct());
    }

    [Fact]
    public void Standard_input_may_be_one_of_them_once()
    {
        string file = Write("a.fa", ">x\nACGT\n");
        ToolRun run = ToolRun.Of(">p\nGGTT\n", ["tokenize", "-", file]).Succeeds();
        Assert.Equal(ToolRun.Of(">p\nGGTT\n>x\nACGT\n", ["tokenize", "-"]).Succeeds().Text, run.Text);
        ToolRun twice = ToolRun.Of("", ["tokenize", "-", file, "-"]);
        Assert.Equal(2, twice.Code);
        Assert.Contains("'-' is given twice", twice.Error);
    }

    [Fact]
    public void A_later_input_that_cannot_be_read_is_told_before_anything_is_written()
    {
        string good = Write("a.fa", ">x\nACGT\n");
        foreach ((string bad, string expected) in new[] { (_folder["missing.fa"], "there is no such file"),
            (Write("p.faa", "protein\n"), "the layout is unknown"), (_folder.ToString()!, "") })
        {
            if (expected.Length == 0) continue;
            ToolRun run = ToolRun.Of("tokenize", good, bad);
            Assert.Equal(1, run.Code);
            Assert.Contains(bad, run.Error);
            Assert.Contains(expected, run.Error);
            Assert.Empty(run.Output);
        }
    }

    [Fact]
    public void Records_of_one_name_are_said_and_numbers_of_several_files_are_not()
    {
        string twice = Write("a.fa", ">x 1\nACGT\n>y\nAC\n>x 2\nGGTT\n>x 3\nGGTT\n");
        Assert.Contains($"{twice}: 2 records with a name that occurred before, such as 'x': their rows cannot be told apart by the name",
            Embed(twice).Error);
        Assert.Contains("2 records with a name", ToolRun.Of("attribute", twice, "--model", toy.Folder, "--device", "cpu", "--region", "1-2")
            .Succeeds().Error);
        string once = Write("b.fa", ">x\nACGT\n>2\nAC\n>z\nACGT\n");
        Assert.DoesNotContain("a name that occurred before", Embed(once).Error);
        Assert.Contains(
            "2 files: 1 record with a name that occurred before, such as 'x'", Embed(once, Write("c.fa", ">w\nACGT\n>x\nACGT\n")).Error);
        Assert.DoesNotContain("a name that occurred before", Embed(Write("d.txt", "ACGT\nAC\n"), Write("e.txt", "ACGT\nAC\n")).Error);
        Assert.Contains("1 record with a name that occurred before, such as '2'", Embed(Write("f.fa", ">\nACGT\n>\nAC\n>2\nAC\n")).Error);
    }

    [Fact]
    public void A_region_of_a_name_that_two_records_have_is_an_error()
    {
        string twice = Write("a.fa", ">x 1\nACGT\n>x 2\nGGTT\n");
        ToolRun run = ToolRun.Of("attribute", twice, "--model", toy.Folder, "--device", "cpu", "--region", "x:1-2");
        Assert.Equal(1, run.Code);
        Assert.Contains("record 1 has this name too", run.Error);
    }

    [Fact]
    public void Names_are_compared_among_very_many_in_bounded_memory()
    {
        var names = new RepeatedNames();
        const int Most = 3 << 20;
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < Most + 10; i++) names.Add(i % 1000 == 0 ? $"read:{i}" : "read");
        // A table of 32 MB and what came before it; the names themselves are not kept.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 5_000_000);
        Assert.Contains("such as 'read'", names.Notes("x").Single());

        names = new RepeatedNames();
        for (int i = 0; i < 300_000; i++) names.Add($"read:{i}");
        Assert.Empty(names.Notes("x"));
        names.Add("read:77");
        Assert.Equal("x: 1 record with a name that occurred before, such as 'read:77': their rows cannot be told apart by the name",
            names.Notes("x").Single());
    }

    [Fact]
    public void What_is_left_out_is_named_and_may_be_an_error()
    {
        string file = Write("a.fa", ">x\nACGTACGTA\n>gone\n>n\nNNNN\n>y\nGGTA\n");
        ToolRun run = Embed(file);
        Assert.Equal(["1", "4"], Rows(run).Select(r => r[0]));
        Assert.Contains(
            $"{file}: 2 records of 4 left out for having no sequence: record 2 'gone', line 3; record 3 'n', line 4", run.Error);
        ToolRun refused = ToolRun.Of("embed", file, "--model", toy.Folder, "--on-empty", "error");
        Assert.Equal(1, refused.Code);
        Assert.Contains("record 2 'gone', line 3: the record has no sequence", refused.Error);
        Assert.Equal(
            2, ToolRun.Of("tokenize", Write("b.csv", "s,label\nACGT,1\n,1\nGG,0\n"), "--sequence-column", "s").Succeeds().Lines.Length);
    }

    [Theory]
    [InlineData("mean"), InlineData("none")]
    public void Truncated_records_give_what_they_give_where_all_is_kept(string pooling)
    {
        var random = new Random(3);
        string Bases(int n) => string.Concat(Enumerable.Range(0, n).Select(_ => "ACGT"[random.Next(4)]));
        string file = Write("a.fa", $">a\n{Bases(300_000)}\n>b\n{Bases(70)}N{Bases(200_000)}N{Bases(90)}\n>c\n{Bases(30)}\n");
        string[] options = ["--pooling", pooling, "--max-tokens", "32", "--on-too-long", "truncate"];
        ToolRun run = Embed([file, .. options]);
        var expected = new EmbedOptions { MaxTokens = 32, Overlap = 4, OnTooLong = TooLong.Truncate };
        using var model = Dnabert2.Dnabert2Model.Load(toy.Folder);
        var embedder = new Embedder(model, expected);
        var records = Dnabert2.Sequences.SequenceReader.Read(file);
        string[] rows = pooling == "mean"
            ? [.. embedder.Embed(records).Select(e => $"{e.Id} {e.Bases} {e.Tokens} {e.Truncated} {e.Vector.Span[0]:R}")]
            : [.. embedder.EmbedTokens(records).SelectMany(e => Enumerable.Range(0, e.Ids.Length).Select(i => $"{e.Id} {e.Starts.Span[i]} "
            + $"{e.Ids.Span[i]} {e.Vectors.Span[i, 0]:R}"))];
        string[] found = pooling == "mean"
            ? [.. Rows(run)
                .Select(r =>
                    $"{r[1]} {r[2]} {r[3]} {r[5] == "yes"} {float.Parse(r[6], System.Globalization.CultureInfo.InvariantCulture):R}")]
            : [.. Rows(run).Select(r => $"{r[1]} {r[5]} {r[4]} {float.Parse(r[7], System.Globalization.CultureInfo.InvariantCulture):R}")];
        Assert.Equal(rows, found);
        Assert.Equal(pooling == "mean" ? 3 : 30 + 30 + rows.Count(r => r[0] == 'c') + rows.Count(r => r[0] == 'b') - 30, rows.Length);
    }

    [Fact]
    public async Task A_named_pipe_is_read_and_waiting_for_one_ends_when_the_run_is_cancelled()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there are no named pipes in folders");
        Shell.Run(_folder["."], "mkfifo pipe never");
        Task writer = Task.Run(() => File.WriteAllText(_folder["pipe"], ">x\nACGT\n"));
        ToolRun read = ToolRun.Of("tokenize", _folder["pipe"], Write("a.fa", ">y\nGGTT\n")).Succeeds();
        await writer;
        Assert.Equal(2, read.Lines.Length);

        using var opening = new CancellationTokenSource(200);
        Assert.Equal(130, ToolRun.Of("", ["tokenize", _folder["never"]], opening.Token).Code);
        using FileStream silent = new(_folder["never"], FileMode.Open, FileAccess.ReadWrite);
        using var reading = new CancellationTokenSource(200);
        Assert.Equal(130, ToolRun.Of("", ["tokenize", _folder["never"]], reading.Token).Code);
    }

    private ToolRun Embed(params string[] args) =>
        ToolRun.Of([.. new[] { "embed" }, .. args, "--model", toy.Folder, "--device", "cpu"]).Succeeds();

    private static IEnumerable<string[]> Rows(ToolRun run) => run.Lines[1..].Select(line => line.Split('\t'));

    private string Write(string name, string text)
    {
        File.WriteAllText(_folder[name], text);
        return _folder[name];
    }
}
