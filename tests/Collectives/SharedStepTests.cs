using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Collectives;
using Tests.Training;

namespace Tests.Collectives;

/// <summary>Training by several ranks, which are threads here.</summary>
public sealed class SharedStepTests : IDisposable
{
    private static readonly PretrainOptions Recipe = Toy.Recipe with { Steps = 6, GlobalBatch = 12, MicroBatchTokens = 60, ClipNorm = 0.5 };
    private readonly Toy _toy = new();

    public void Dispose() => _toy.Dispose();

    [Fact]
    public void Weights_and_log_are_the_same_bits_on_any_number_of_ranks_and_resume_on_another_number()
    {
        _toy.Build().Dispose();
        PretrainOptions recipe = Recipe with { Shards = 8 };
        float[] alone = Run("alone", recipe, 1)[0];
        foreach (int size in (int[])[2, 3, 4, 8])
        {
            foreach (float[] weights in Run($"ranks-{size}", recipe, size)) Assert.Equal(alone, weights);
            foreach (string file in (string[])["evaluation.csv", "checkpoints/step-00000006/optimizer.safetensors", "pretrain.json"])
                Assert.Equal(File.ReadAllBytes(_toy["alone/" + file]), File.ReadAllBytes(_toy[$"ranks-{size}/{file}"]));
            Assert.Equal(Losses("alone"), Losses($"ranks-{size}"));
        }

        // Begun by three, gone on with by one, ended by two.
        Run("elastic", recipe, 3, until: 2);
        Run("elastic", recipe, 1, until: 4);
        foreach (float[] weights in Run("elastic", recipe, 2)) Assert.Equal(alone, weights);
        Assert.Equal(Losses("alone"), Losses("elastic"));
    }

    [Fact]
    public void Shards_are_added_in_an_order_of_their_own_to_nearly_the_same_weights()
    {
        _toy.Build().Dispose();
        // Other micro-batches would draw other dropout masks.
        Dnabert2Config config = Toy.Config with { HiddenDropoutProb = 0 };
        float[] one = Run("one", Recipe, 1, config: config)[0], eight = Run("eight", Recipe with { Shards = 8 }, 1, config: config)[0];
        Assert.NotEqual(one, eight);
        for (int i = 0; i < one.Length; i++) Assert.Equal(one[i], eight[i], 1e-4f);
    }

    [Theory]
    [InlineData("steps", "the option steps is 6 on rank 0 and 7 on rank 1")]
    [InlineData("seed", "the weights, by their checksum, is")]
    [InlineData("corpus", "the data, by their checksum, is")]
    [InlineData("simd", "what computes is CPU, ")]
    [InlineData("evaluate", "the option evaluate_every is 4 on rank 0 and 5 on rank 1")]
    public void Ranks_that_differ_are_refused_by_name(string what, string message)
    {
        _toy.Build().Dispose();
        _toy.Build(Toy.Cuts with { Seed = 2 }, "other").Dispose();
        var e = Assert.ThrowsAny<Exception>(() => ThreadRanks.Run(2, ranks =>
        {
            bool odd = ranks.Rank == 1;
            PretrainOptions recipe = Recipe with
            {
                Shards = 2,
                Steps = what == "steps" && odd ? 7 : 6,
                EvaluateEvery = what == "evaluate" && odd ? 5 : 4,
            };
            using Backend backend = what == "simd" && odd
                ? new CpuBackend<SimdScalar>("no SIMD", 1, Precision.F32, null) : CpuBackend.Create(threads: 1);
            using var corpus = Corpus.Open(_toy[what == "corpus" && odd ? "other" : "corpus"]);
            using var model = Dnabert2Model.Initialize(
                Toy.Config, Toy.Tokenizer, seed: what == "seed" && odd ? 8ul : 7, backend, trainable: true);
            using RunFolder folder = Claim("run", ranks);
            using var run = new Pretrainer(model, corpus, folder, recipe, null, ranks);
            return 0;
        }));
        Assert.IsType<InvalidDataException>(e);
        Assert.Contains("ranks differ: " + message, e.Message, StringComparison.Ordinal);
        Assert.Contains("start all ranks with the same program", e.Message, StringComparison.Ordinal);
        // Nothing of a run was made.
        Assert.False(File.Exists(_toy["run/train.csv"]) || File.Exists(_toy["run/pretrain.json"]));
    }

    [Fact]
    public void More_ranks_than_shards_are_refused()
    {
        _toy.Build().Dispose();
        var e = Assert.Throws<ArgumentException>(() => Run("run", Recipe with { Shards = 2 }, 3));
        Assert.Equal("Shards is 2: 3 ranks need as many; give more, or start fewer ranks", e.Message);
        e = Assert.Throws<ArgumentException>(() => Run("run", Recipe with { Shards = 13 }, 1));
        Assert.Equal("Shards is 13: it must be from 1 to 12", e.Message);
    }

    private float[][] Run(
        string name, PretrainOptions recipe, int size, int? until = null, Dnabert2Config? config = null) => ThreadRanks.Run(size, ranks =>
    {
        Communicator? all = size == 1 ? null : ranks;
        using Backend backend = CpuBackend.Create(threads: 1);
        using var corpus = Corpus.Open(_toy["corpus"]);
        using var model = Dnabert2Model.Initialize(config ?? Toy.Config, Toy.Tokenizer, seed: 7, backend, trainable: true);
        using RunFolder folder = Claim(name, ranks);
        using var run = new Pretrainer(model, corpus, folder, recipe, null, all);
        using var cancelled = new CancellationTokenSource();
        try
        {
            run.Run(new Until(until ?? int.MaxValue, ranks.Rank == size - 1 ? cancelled : null), cancelled.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Equal(until + 1, run.Step);
        }

        return Toy.Weights(model);
    });

    private RunFolder Claim(string name, Communicator ranks)
    {
        RunFolder? folder = ranks.IsRoot ? RunFolder.Claim(_toy[name], Pretrainer.Kind, resume: true) : null;
        ranks.Barrier();
        return folder ?? RunFolder.Follow(_toy[name], Pretrainer.Kind);
    }

    private string[] Losses(string run) =>
        [.. File.ReadAllLines(_toy[run + "/train.csv"]).Select(line => string.Join(',', line.Split(',')[..6]))];

    /// <summary>Cancels on one rank after a step, so that all end after the next one.</summary>
    private sealed class Until(int step, CancellationTokenSource? source) : IProgress<PretrainProgress>
    {
        public void Report(PretrainProgress value)
        {
            if (value.Step == step) source?.Cancel();
        }
    }
}
