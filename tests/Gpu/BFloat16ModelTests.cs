using Dnabert2;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Model;
using Tests.Training;

namespace Tests.Gpu;

/// <summary>
/// The model in bf16 on the GPU's backend, its kernels interpreted. What error bf16 makes is seen where fp32 kernels run and every result
/// is rounded (<see cref="RoundingDevice"/>); the kernels on tensor cores may make at most twice as much.
/// </summary>
public sealed class BFloat16ModelTests
{
    private const double Allowed = 2;

    [SkippableFact]
    public void The_forward_pass_errs_at_most_twice_as_much_as_rounding_alone()
    {
        using var exact = new ForwardRun("tiny3h", () => CpuBackend.Create(1));
        using var rounded = new ForwardRun("tiny3h", () => new CudaBackend(new RoundingDevice(new InterpretedDevice())));
        using var actual = new ForwardRun("tiny3h", () => new CudaBackend(new InterpretedDevice(), DType.BF16));
        Near("embedding", r => r.Embedding);
        for (int i = 0; i < exact.Layers.Count; i++) Near($"layer {i}", r => r.Layers[i]);
        Near("pooled", r => r.Pooled);
        Near("classifier logits", r => r.ClassLogits);
        Near("MLM logits", r => r.MlmLogits);
        double error = Near("mean pool", r => r.Pool(Pooling.Mean));

        // Vectors whose distance is e of their length have a cosine of at least 1 − e² / 2.
        Assert.InRange(Cosine(exact.Pool(Pooling.Mean), actual.Pool(Pooling.Mean)), 1 - (Allowed * Allowed * error * error / 2), 1);

        double Near(string what, Func<ForwardRun, float[]> values)
        {
            double allowed = Distance(values(exact), values(rounded)), found = Distance(values(exact), values(actual));
            Assert.True(allowed > 1e-4, $"{what}: rounding makes an error of {allowed:G3}: the test shows nothing");
            Assert.True(found <= Allowed * allowed, $"{what}: an error of {found:G3}, that of rounding alone is {allowed:G3}");
            return allowed;
        }
    }

    [SkippableTheory]
    [InlineData("mlm")]
    [InlineData("cls")]
    public void Gradients_err_at_most_twice_as_much_as_rounding_alone(string loss)
    {
        float[] exact = Gradients(CpuBackend.Create(1), out double exactLoss);
        float[] rounded = Gradients(new CudaBackend(new RoundingDevice(new InterpretedDevice())), out double roundedLoss);
        float[] actual = Gradients(new CudaBackend(new InterpretedDevice(), DType.BF16), out double actualLoss);
        double allowed = Distance(exact, rounded), found = Distance(exact, actual);
        Assert.InRange(allowed, 1e-3, 0.2);
        Assert.True(found <= Allowed * allowed, $"an error of {found:G3}, that of rounding alone is {allowed:G3}");
        // A loss may come near by chance: a unit in the last of bf16's eight bits is allowed in any case.
        Assert.InRange(Math.Abs(actualLoss - exactLoss), 0, (Allowed * Math.Abs(roundedLoss - exactLoss)) + (exactLoss / 256));

        float[] Gradients(Backend backend, out double value)
        {
            using var run = new TrainingRun(new Golden("tiny3h"), loss, recompute: false, backend);
            value = run.Backward(run.Golden.Root);
            return run.Read(run.Model.Parameters.Gradients);
        }
    }

    [Fact]
    public void Training_follows_the_losses_of_fp32_and_its_masters_are_not_rounded()
    {
        using var toy = new Toy();
        using Corpus corpus = toy.Build(Toy.Cuts with { MaxBases = 60 });
        PretrainOptions recipe = Toy.Recipe with { GlobalBatch = 6, MicroBatchTokens = 100_000 };
        Dnabert2Config config = Toy.Config with { HiddenSize = 16, NumHiddenLayers = 1, NumAttentionHeads = 2, IntermediateSize = 16, InitializerRange = 0.1f };
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
        Assert.Contains("--dtype f32", message, StringComparison.Ordinal);
    }

    private static double Distance(float[] exact, float[] values) =>
        Math.Sqrt(exact.Zip(values).Sum(p => Math.Pow((double)p.First - p.Second, 2)) / exact.Sum(v => (double)v * v));

    private static double Cosine(float[] a, float[] b) => a.Zip(b).Sum(p => (double)p.First * p.Second) / Math.Sqrt(a.Sum(v => (double)v * v) * b.Sum(v => (double)v * v));
}
