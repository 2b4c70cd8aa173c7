using Conformance.Cases;
using Conformance.Model;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>
/// Golden models in bf16 on a GPU. What error bf16 makes is seen where fp32 kernels run and every result is rounded
/// (<see cref="RoundingDevice"/>); the kernels on tensor cores may make at most twice as much. Both are held against the CPU's fp32.
/// </summary>
internal static class BFloat16ModelChecks
{
    private const double Allowed = 2;

    /// <summary>Every layer of the forward pass, the heads and the mean of the tokens.</summary>
    public static void Forward(string path, Func<GpuDevice> open)
    {
        using var exact = new ForwardRun(path, () => CpuBackend.Create());
        using var rounded = new ForwardRun(path, () => new CudaBackend(new RoundingDevice(open())));
        using var actual = new ForwardRun(path, () => new CudaBackend(open(), DType.BF16));
        Near("embedding", r => r.Embedding);
        for (int i = 0; i < exact.Layers.Count; i++)
        {
            int layer = i;
            Near($"layer {i}", r => r.Layers[layer]);
        }

        Near("pooled", r => r.Pooled);
        Near("classifier logits", r => r.ClassLogits);
        Near("MLM logits", r => r.MlmLogits);
        double error = Near("mean pool", r => r.Pool(Pooling.Mean)), cosine = Cosine(exact.Pool(Pooling.Mean), actual.Pool(Pooling.Mean));

        // Vectors whose distance is e of their length have a cosine of at least 1 − e² / 2.
        Check.That(cosine >= 1 - (Allowed * Allowed * error * error / 2),
            $"mean pool: a cosine of {cosine}, rounding alone makes an error of {error:G3}");

        double Near(string what, Func<ForwardRun, float[]> values) =>
            BFloat16ModelChecks.Near(what, values(exact), values(rounded), values(actual));
    }

    /// <summary>All gradients together, and the loss.</summary>
    public static void Gradients(string path, string loss, Func<GpuDevice> open)
    {
        float[] exact = Run(CpuBackend.Create(), out double exactLoss),
            rounded = Run(new CudaBackend(new RoundingDevice(open())), out double roundedLoss);
        float[] actual = Run(new CudaBackend(open(), DType.BF16), out double actualLoss);
        Near("gradients", exact, rounded, actual);

        // A loss may come near by chance: a unit in the last of bf16's eight bits is allowed in any case.
        Check.Near(exactLoss, actualLoss, (Allowed * Math.Abs(roundedLoss - exactLoss)) + (exactLoss / 256), "the loss");

        float[] Run(Backend backend, out double value)
        {
            using var run = new GoldenTraining(new Golden(path), loss, recompute: false, backend);
            value = run.Backward(run.Golden.Root);
            return run.Read(run.Model.Parameters.Gradients);
        }
    }

    private static double Near(string what, float[] exact, float[] rounded, float[] actual)
    {
        double allowed = Distance(exact, rounded), found = Distance(exact, actual);
        Check.That(allowed > 1e-4, $"{what}: rounding makes an error of {allowed:G3}: this shows nothing");
        Check.That(found <= Allowed * allowed, $"{what}: an error of {found:G3}, that of rounding alone is {allowed:G3}");
        return allowed;
    }

    private static double Distance(float[] exact, float[] values) =>
        Math.Sqrt(exact.Zip(values).Sum(p => Math.Pow((double)p.First - p.Second, 2)) / exact.Sum(v => (double)v * v));

    private static double Cosine(float[] a, float[] b) =>
        a.Zip(b).Sum(p => (double)p.First * p.Second) / Math.Sqrt(a.Sum(v => (double)v * v) * b.Sum(v => (double)v * v));
}
