using Conformance.Cases;
using Dnabert2.FineTuning;
using Dnabert2.Tool;
using Tests.FineTuning;
using Tests.Weights;

namespace Tests.Tools;

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>Measures live memory, so no other test may run beside it.</summary>
[Collection(nameof(Alone))]
[Trait("Category", "Slow")]
public class StreamingTests
{
    [Theory]
    [InlineData(20_000, "embed", "x.npy")]
    [InlineData(20_000, "embed", "x.tsv")]
    [InlineData(20_000, "embed", "x.npy", "--pooling", "none")]
    [InlineData(20_000, "tokenize", "x.txt")]
    // A record takes many passes of the model.
    [InlineData(10_000, "attribute", "x.tsv", "--region", "2-2", "--picture", "PICTURE")]
    [InlineData(20_000, "predict", "x.csv", "--batch-tokens", "512")]
    public void Memory_does_not_grow_with_the_number_of_records(int records, string verb, string output, params string[] more)
    {
        using var toy = new ToyModel();
        using var folder = new TempFolder();
        ToyClassifier.Write(folder["run"], TaskKind.SingleLabel, 20, "0", "1");
        string model = verb == "predict" ? folder["run"] : toy.Folder;
        string[] args = [verb, "-", verb == "tokenize" ? "--tokenizer" : "--model", model, "-o", folder[output],
            .. more.Select(word => word == "PICTURE" ? folder["x.svg"] : word)];
        Check(args, folder[output], records, text: null);
    }

    [Fact]
    public void Memory_does_not_grow_with_the_number_of_variants()
    {
        using var toy = new ToyModel();
        using var folder = new TempFolder();
        string genome =
            folder.Write("g.fa", System.Text.Encoding.ASCII.GetBytes($">one\n{string.Concat(Enumerable.Repeat("GATTACACCGGTT", 20))}\n"));
        // Four of seven lines are of the genome, and the others are left out for three reasons: more contradictions are of another
        // genome.
        const string Of = "one\t14\tG\tC\n";
        string[] lines = [Of, Of, "one\t14\tG\t<DEL>\n", Of, Of, "one\t14\tC\tG\n", "two\t14\tG\tC\n"];
        Check(["variants", "-", "-g", genome, "--model", toy.Folder, "--window", "16", "-o", folder["x.tsv"]], folder["x.tsv"], 20_000,
            n => n == 1 ? "chrom\tpos\tref\talt\n" : lines[n % 7]);
    }

    private static void Check(string[] args, string output, int records, Func<long, string>? text)
    {
        Embed(args, records / 10, text);
        long few = Embed(args, records / 10, text), many = Embed(args, records, text);
        // What is written of a record is at least 25 bytes; a list of them would be more.
        Assert.True(new FileInfo(output).Length > 25 * records);
        Assert.True(many - few < 10 * records, $"with {records / 10} records {few} bytes are live at the end, with {records} {many}");
    }

    /// <summary>
    /// Runs the tool on records that are made as it reads them, and returns the bytes that are live when the last one is read.
    /// </summary>
    private static long Embed(string[] args, long records, Func<long, string>? text)
    {
        long live = 0;
        var input = new EndlessFasta(() => live = GC.GetTotalMemory(forceFullCollection: true), records - 1, records, text);
        Assert.Equal(0, CommandLineTool.Run(args, new Terminal { Input = input, Output = Stream.Null, Error = TextWriter.Null }));
        Assert.True(live > 0);
        return live;
    }
}
