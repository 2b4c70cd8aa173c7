using Conformance.Cases;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace Conformance.Gpu;

/// <summary>
/// The kernels with operands in bf16 on a GPU: fp32 arithmetic, so the error is that of rounding the result.
/// </summary>
internal sealed partial class BFloat16Checks(GpuDevice device) : IDisposable
{
    // Half a unit in the last of the eight bits.
    private const double Rounding = 1.0 / 256;
    private readonly DeviceMemory _memory = new(device);

    /// <summary>Returns the memory of the GPU.</summary>
    public void Dispose() => _memory.Dispose();

    /// <summary>Layer normalisation.</summary>
    public void LayerNorm(int rows, int width)
    {
        double[] x = Normal(rows * width, 1), w = Normal(width, 1), b = Normal(width, 1);
        Tensor y = _memory.Rent(DType.BF16, rows, width);
        device.Launch(
            (width > 1024 ? GpuKernels.LayerNormWide : GpuKernels.LayerNorm).For(DType.BF16, width),
            new()
            {
                X = Narrow(x),
                Weight = Narrow(w),
                Bias = Narrow(b),
                Statistics = default,
                Y = y,
                Rows = rows,
                Width = width,
                Eps = 1e-5f,
            },
            (rows + 7) / 8);
        Near(Reference.LayerNorm(x, w, b, 1e-5f), y);
    }

    /// <summary>GELU, or tanh, element by element.</summary>
    public void Activation(bool gelu, int count)
    {
        double[] x = Normal(count, 2);
        Tensor y = _memory.Rent(DType.BF16, count);
        device.Launch(
            (gelu ? GpuKernels.Gelu : GpuKernels.Tanh).For(DType.BF16), new() { X = Narrow(x), Y = y, Count = count },
            (count + 2047) / 2048);
        Near([.. x.Select(v => gelu ? Reference.Gelu(v) : Math.Tanh(v))], y);
    }

    /// <summary>The gated unit and its gradient.</summary>
    public void GatedUnit(Engine.Kernels.Activation activation, int rows, int width)
    {
        double[] g = Normal(rows * 2 * width, 1), du = Normal(rows * width, 1);
        Tensor gate = Narrow(g), u = _memory.Rent(DType.BF16, rows, width), dg = _memory.Rent(DType.BF16, rows, 2 * width);
        int blocks = ((rows * ((width + 255) / 256)) + 7) / 8;
        device.Launch(
            (activation == Engine.Kernels.Activation.Geglu ? GpuKernels.Geglu : GpuKernels.Swiglu).For(DType.BF16, width),
            new() { G = gate, Y = u, Rows = rows, Width = width }, blocks);
        double Gate(int i) => g[(i / width * 2 * width) + (i % width)];
        double Value(int i) => g[(i / width * 2 * width) + width + (i % width)];
        Near(Reference.Activate(activation, g, rows, width), u);

        device.Launch(
            (activation == Engine.Kernels.Activation.Geglu ? GpuKernels.GegluGradient : GpuKernels.SwigluGradient).For(DType.BF16, width),
            new() { G = gate, Du = Narrow(du), Dg = dg, Rows = rows, Width = width }, blocks);
        Near([.. Enumerable.Range(0, 2 * rows * width).Select(i =>
        {
            int k = (i / (2 * width) * width) + (i % width);
            double F(double x) => Reference.Activate(activation, x);
            double slope = (F(Gate(k) + 1e-5) - F(Gate(k) - 1e-5)) / 2e-5;
            return du[k] * (i % (2 * width) < width ? Value(k) * slope : F(Gate(k)));
        })], dg);
    }

    /// <summary>Casts round to nearest even, as on the CPU.</summary>
    public void Cast()
    {
        float[] x = [.. Normal(301, 1).Select((v, i) => (float)v + (i * 0.001f)), 1.00390625f, 1.01171875f, float.PositiveInfinity, -0f];
        Tensor y = _memory.Rent(DType.BF16, x.Length);
        device.Launch(GpuKernels.CastF32Bf16, new() { X = Wide(x), Y = y, Count = x.Length }, 1);
        BFloat16[] rounded = _memory.Read<BFloat16>(y);
        for (int i = 0; i < x.Length; i++)
            Check.That(((BFloat16)x[i]).Bits == rounded[i].Bits, $"{x[i]:R} became 0x{rounded[i].Bits:x4}");
    }

    /// <summary>Casts from bf16 are exact.</summary>
    public void CastBack()
    {
        double[] x = Normal(301, 1);
        Tensor y = _memory.Rent(DType.F32, x.Length);
        device.Launch(GpuKernels.CastBf16F32, new() { X = Narrow(x), Y = y, Count = x.Length }, 1);
        Check.Near(x, _memory.Read<float>(y), 0, "the cast");
    }

    /// <summary>The norm of the gradients, from the sums of squares of 1024 blocks, and what becomes of a step.</summary>
    public void GradientNorm()
    {
        double[] x = Normal(5003, 1);
        Tensor partial = _memory.Rent(DType.F32, 1024), report = _memory.Rent(DType.F64, 2), status = _memory.Rent(DType.F32, 2);
        device.Launch(GpuKernels.SumOfSquares, new() { X = Wide(Single(x)), Partial = partial, Count = x.Length }, 1024);
        double norm = Math.Sqrt(x.Sum(v => v * v));
        foreach ((double loss, float limit, double expected, double scale) in ((double, float, double, double)[])
            [(1, 10, norm, 10 / norm), (1, 1000, norm, 1), (1, float.PositiveInfinity, norm, 1), (double.NaN, 10, double.NaN, 0),
                (double.PositiveInfinity, 10, double.NaN, 0)])
        {
            var losses = new double[300];
            losses[287] = loss;
            device.Launch(
                GpuKernels.GradientNorm,
                new()
                {
                    Partial = partial,
                    Losses = _memory.Upload(losses, DType.F64),
                    Numbers = Wide([0, 0, 0, 0, 0, 0, limit]),
                    Report = report,
                    Status = status,
                },
                1);
            double[] told = _memory.Read<double>(report);
            float[] what = _memory.Read<float>(status);
            bool taken = double.IsFinite(loss);
            Check.That(told[1] == (taken ? 1 : 0) && what[1] == told[1], $"a loss of {loss}: taken is {told[1]}, {what[1]}");
            if (!taken) Check.That(double.IsNaN(told[0]), $"a loss of {loss}: the norm is {told[0]}");
            else Check.Near([expected, scale], [(float)told[0], what[0]], 1e-5 * expected, "the norm and the factor");
        }
    }

    /// <summary>An optimizer step writes its rounded copy.</summary>
    public void AdamW()
    {
        const int Count = 259;
        float[] w = Single(Normal(Count, 1)), g = Single(Normal(Count, 1)), zero = new float[Count];
        Tensor rounded = _memory.Rent(DType.BF16, Count), weights = Wide(w);
        device.Launch(
            GpuKernels.Adamw.For(DType.BF16),
            new()
            {
                W = weights,
                Gradient = Wide(g),
                M = Wide(zero),
                V = Wide(zero),
                Rounded = rounded,
                Kinds = _memory.Upload<uint>([0xAAAAAAAA, 0x2], DType.I32),
                Numbers = Wide([0.1f, 0.99f, 1.5f, 0.9f, 0.98f, 1e-6f, 2]),
                Status = Wide([0.2f, 1]),
                Count = Count,
            },
            1);
        double[] expected = [.. Enumerable.Range(0, Count).Select(i =>
        {
            double d = g[i] * 0.2, m = 0.1 * d, v = 0.02 * d * d;
            return (w[i] * 0.99) - (0.1 * m / ((Math.Sqrt(v) * 1.5) + 1e-6));
        })];
        Near(expected, rounded);
        float[] actual = _memory.Read<float>(weights);
        for (int i = 0; i < Count; i++) Check.Near(expected[i], actual[i], 1e-5, $"weight {i}");
    }

    private Tensor Wide(float[] values) => _memory.Upload(values, DType.F32);

    private Tensor Narrow(double[] values) => _memory.Upload(Array.ConvertAll(values, v => (BFloat16)(float)v), DType.BF16);

    private float[] ReadNarrow(Tensor tensor) => Array.ConvertAll(_memory.Read<BFloat16>(tensor), v => (float)v);

    private static float[] Single(double[] values) => Array.ConvertAll(values, v => (float)v);

    // Normal deviates that are exact in bf16.
    private static double[] Normal(int count, double deviation)
    {
        var values = new float[count];
        new Philox(9, 0, (uint)count).FillNormal(values, (float)deviation);
        return Array.ConvertAll(values, v => (double)(float)(BFloat16)v);
    }

    private void Near(double[] expected, Tensor actual)
    {
        float[] values = ReadNarrow(actual);
        for (int i = 0; i < expected.Length; i++)
        {
            double tolerance = (Rounding * Math.Abs(expected[i])) + 1e-5;
            Check.Near(expected[i], values[i], tolerance, $"element {i}");
        }
    }
}
