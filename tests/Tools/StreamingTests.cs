using Dnabert2.FineTuning;
using Dnabert2.Tool;
using Tests.FineTuning;
using Tests.Weights;

namespace Tests.Tools;

[CollectionDefinition(nameof(Alone), DisableParallelization = true)]
public sealed class Alone;

/// <summary>Measures live memory, so no other test may run beside it.</summary>
[Collection(nameof(Alone))]
public class StreamingTests
{
    [Theory]
    [InlineData("embed", "x.npy")]
    [InlineData("embed", "x.tsv")]
    [InlineData("tokenize", "x.txt")]
    [InlineData("predict", "x.csv")]
    public void Memory_does_not_grow_with_the_number_of_records(string verb, string output)
    {
        using var toy = new ToyModel();
        using var folder = new TempFolder();
        ToyClassifier.Write(folder["run"], TaskKind.SingleLabel, 20, "0", "1");
        string[] args = verb switch
        {
            "embed" => [verb, "-", "--model", toy.Folder, "-o", folder[output]],
            "predict" => [verb, "-", "--model", folder["run"], "--batch-tokens", "512", "-o", folder[output]],
            _ => [verb, "-", "--tokenizer", toy.Folder, "-o", folder[output]],
        };
        Embed(args, 2_000);
        long few = Embed(args, 2_000), many = Embed(args, 20_000);
        // What is written of 18,000 more records is at least 0.5 MB; a list of them would be more.
        Assert.True(new FileInfo(folder[output]).Length > 500_000);
        Assert.True(many - few < 200_000, $"with 2,000 records {few} bytes are live at the end, with 20,000 {many}");
    }

    /// <summary>Runs the tool on records that are made as it reads them, and returns the bytes that are live when the last one is read.</summary>
    private static long Embed(string[] args, long records)
    {
        long live = 0;
        var input = new EndlessFasta(() => live = GC.GetTotalMemory(forceFullCollection: true), records - 1, records);
        Assert.Equal(0, CommandLineTool.Run(args, new Terminal { Input = input, Output = Stream.Null, Error = TextWriter.Null }));
        Assert.True(live > 0);
        return live;
    }
}
