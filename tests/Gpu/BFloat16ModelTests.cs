using Conformance.Gpu;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Embeddings;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Training;

namespace Tests.Gpu;

/// <summary>The model in bf16 on the GPU's backend, its kernels interpreted; see <see cref="BFloat16ModelChecks"/>.</summary>
[Trait("Category", "Slow")]
public sealed class BFloat16ModelTests
{
    [Fact]
    public void The_forward_pass_errs_at_most_twice_as_much_as_rounding_alone() =>
        BFloat16ModelChecks.Forward(SharedData.Golden("tiny3h"), () => new InterpretedDevice());

    [Theory]
    [InlineData("mlm")]
    [InlineData("cls")]
    public void Gradients_err_at_most_twice_as_much_as_rounding_alone(string loss) =>
        BFloat16ModelChecks.Gradients(SharedData.Golden("tiny3h"), loss, () => new InterpretedDevice());

    [Fact]
    public void Training_follows_the_losses_of_fp32_and_its_masters_are_not_rounded()
    {
        using var toy = new Toy();
        using Corpus corpus = toy.Build(Toy.Cuts with { MaxBases = 60 });
        PretrainOptions recipe = Toy.Recipe with { GlobalBatch = 6, MicroBatchTokens = 100_000 };
        Dnabert2Config config = Toy.Config with
        {
            HiddenSize = 16,
            NumHiddenLayers = 1,
            NumAttentionHeads = 2,
            IntermediateSize = 16,
            InitializerRange = 0.1f,
        };
        double[] exact = Train(CpuBackend.Create(1), false), actual = Train(new CudaBackend(new InterpretedDevice(), DType.BF16), true);
        for (int i = 0; i < exact.Length; i++) Assert.InRange(Math.Abs(exact[i] - actual[i]), 0, exact[i] / 256);

        double[] Train(Backend backend, bool bf16)
        {
            using (backend)
            using (Dnabert2Model model = Toy.Model(backend, config))
            using (var step = new TrainingStep(model, corpus, recipe))
            {
                double[] losses = [.. Enumerable.Range(0, 5).Select(s => step.Run(s, 2e-3).Loss)];
                if (!bf16) return losses;
                float[] masters = Toy.Weights(model), operands = new float[masters.Length];
                backend.DownloadNumbers(model.Parameters.Rounded, operands);
                Assert.Equal(Array.ConvertAll(masters, m => (float)(BFloat16)m), operands);
                Assert.InRange(masters.Zip(operands).Count(p => p.First != p.Second), masters.Length / 2, masters.Length);
                return losses;
            }
        }
    }

    [Fact]
    public void Widths_that_tensor_cores_cannot_read_are_refused_in_a_sentence()
    {
        using Backend backend = new CudaBackend(new InterpretedDevice(), DType.BF16);
        using Dnabert2Model model = Toy.Model(backend, Toy.Config with { HiddenSize = 24, NumAttentionHeads = 2, IntermediateSize = 20 });
        using var batch = new ChunkBatch(model, Pooling.Mean);
        batch.Add([5, 6, 7]);
        float[] vectors = [];
        string message = Assert.Throws<NotSupportedException>(() => batch.Run(ref vectors)).Message;
        Assert.Contains("rows of 12 elements: in bf16 the GPU wants a multiple of eight", message, StringComparison.Ordinal);
        Assert.Contains("use DType.F32", message, StringComparison.Ordinal);
    }
}
