using InPrograms;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Samples;

/// <summary>Each sample runs to its end and prints what it says it does.</summary>
[Trait("Category", "Slow")]
public sealed class SampleTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly StringWriter _output = new();

    private string[] Lines => _output.ToString().TrimEnd().Split(_output.NewLine);

    public void Dispose()
    {
        _folder.Dispose();
        _output.Dispose();
    }

    [Fact]
    public async Task Embedding_prints_a_line_a_record()
    {
        await Embedding.RunAsync(ToyModel.SamplePath, _output, CancellationToken.None);
        Assert.StartsWith("two sequences, 256 numbers each, cosine similarity 0.", Lines[0], StringComparison.Ordinal);
        Assert.Equal(1 + File.ReadLines(ToyModel.SamplePath).Count(line => line.StartsWith('>')), Lines.Length);
    }

    [Fact]
    public async Task Services_give_vectors_and_the_cache_the_same_again()
    {
        await Services.RunAsync(_output, CancellationToken.None);
        Assert.StartsWith("2 vectors of 256 numbers, ", Lines[0], StringComparison.Ordinal);
        Assert.Equal("from the cache the same: True", Lines[1]);
    }

    [Fact]
    public void A_search_finds_the_window_that_the_query_was_taken_from()
    {
        // Xorshift: any bases, the same each time.
        uint state = 2463534242;
        string genome = string.Create(5000, 0, (bases, _) =>
        {
            for (int i = 0; i < bases.Length; i++)
            {
                state ^= state << 13;
                state ^= state >> 17;
                state ^= state << 5;
                bases[i] = "ACGT"[(int)(state & 3)];
            }
        });
        File.WriteAllText(_folder["genome.fa"], $">chromosome\n{genome}\n");
        SimilaritySearch.Run(_folder["genome.fa"], genome.Substring(1250, 500), _output, CancellationToken.None);
        Assert.Equal("chromosome:1251-1750\t1.0000", Lines[0]);
        Assert.Equal(5, Lines.Length);
    }

    [Fact]
    public void Fine_tuning_gives_a_classifier_that_predicts()
    {
        string task = Path.Combine(Path.GetDirectoryName(ToyModel.SamplePath)!, "task");
        InPrograms.FineTuning.Run(task, _folder["run"], _output, CancellationToken.None);
        Assert.StartsWith("4 steps, dev loss ", Lines[0], StringComparison.Ordinal);
        Assert.All(Lines[1..], line => Assert.Matches(@"^\d+: (tata|other), probabilities 0\.\d+ 0\.\d+$", line));
        Assert.Equal(4, Lines.Length);
    }
}
