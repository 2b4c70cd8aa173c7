using AttentionVariant;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Benchmarking;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Model;

public sealed class AttentionVariantTests
{
    [Fact]
    public void The_sample_and_the_built_in_modifications_equal_their_definition_and_its_differences()
    {
        using Backend backend = CpuBackend.Create(2);
        Good(AttentionCheck.Run(backend, new DistanceDecay(20)));
        Good(AttentionCheck.Run(backend, default(Alibi), heads: 3));
        Good(AttentionCheck.Run(backend, new SlidingWindow(4)));
        Good(AttentionCheck.Run(backend, default(Causal)));

        static void Good(AttentionErrors e) => Assert.True(e is { Forward: < 1e-5, Backward: < 1e-4 }, e.ToString());
    }

    [Fact]
    public void The_check_notices_a_derivative_and_a_range_of_keys_that_are_wrong()
    {
        using Backend backend = CpuBackend.Create(1);
        AttentionErrors derivative = AttentionCheck.Run(backend, default(Twice)), keys = AttentionCheck.Run(backend, default(Near));
        Assert.True(derivative is { Forward: < 1e-5, Backward: > 1e-2 }, derivative.ToString());
        Assert.True(keys.Forward > 1e-2, keys.ToString());
    }

    [Fact]
    public void The_work_that_is_counted_is_that_of_pairs_that_see_each_other()
    {
        using Backend backend = CpuBackend.Create(1);
        using var benchmark = new AttentionBenchmark(backend, heads: 2, headSize: 8);
        Assert.Equal(4.0 * 8 * 2 * 3 * 10 * 10, benchmark.Measure(default(Alibi), 3, 10, rounds: 1).ForwardFlops);
        Assert.Equal(4.0 * 8 * 2 * 3 * 55, benchmark.Measure(default(Causal), 3, 10, rounds: 1).ForwardFlops);
        Assert.Equal(4.0 * 8 * 2 * (10 + 18), benchmark.Measure(new SlidingWindow(1), 1, 10, rounds: 1).ForwardFlops);
        AttentionSample relative = benchmark.Measure(benchmark.RelativeBias(3), 1, 10, rounds: 2);
        Assert.True(relative.Forward > 0 && relative.Backward > 0 && relative.BackwardFlops == 10.0 * 8 * 2 * 100);
        Assert.Contains("serves no attention with 2",
            Assert.Throws<ArgumentException>(() => benchmark.Measure(default(RelativeBias), 1, 3)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Attention_dropout_of_the_configuration_is_applied_in_training_alone()
    {
        float[] plain = Hidden(0, training: true), dropped = Hidden(0.5f, training: true);
        Assert.NotEqual(plain, dropped);
        Assert.Equal(dropped, Hidden(0.5f, training: true));
        Assert.Equal(Hidden(0, training: false), Hidden(0.5f, training: false));

        static float[] Hidden(float dropout, bool training)
        {
            var config = new Dnabert2Config
            {
                VocabSize = 16,
                HiddenSize = 16,
                NumHiddenLayers = 1,
                NumAttentionHeads = 2,
                IntermediateSize = 24,
                HiddenDropoutProb = 0,
                AttentionProbsDropoutProb = dropout,
            };
            using Backend backend = CpuBackend.Create(1);
            using Dnabert2Model model = Dnabert2Model.Initialize(config, Golden.TinyTokenizer(), 3, backend, ModelParts.Encoder, training);
            using Arena activations = new(backend), gradients = new(backend);
            Tape tape = training ? Tape.ForTraining(activations, gradients) : Tape.ForInference(activations);
            tape.Reset(seed: 4, step: 2);
            Tensor hidden = model.Encoder.Forward(tape, new Batch(activations, [1, 5, 6, 7, 8, 2], [6])).Data;
            var values = new float[hidden.Count];
            backend.Download<float>(hidden, values);
            return values;
        }
    }

    /// <summary>Scores doubled, without the derivative to match.</summary>
    private readonly struct Twice : IScoreModification<Twice>
    {
        public static T Score<T>(in Twice mod, T score, T query, T key)
            where T : unmanaged, IReal<T>
            => score + score;
    }

    /// <summary>Plain scores, with keys left out that they do not hide.</summary>
    private readonly struct Near : IScoreModification<Near>
    {
        public static T Score<T>(in Near mod, T score, T query, T key)
            where T : unmanaged, IReal<T>
            => score;

        public static (T First, T End) Keys<T>(in Near mod, T from, T firstQuery, T endQuery, T length)
            where T : unmanaged, IReal<T>
            => (from, T.Min(length, 150f));
    }
}
