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
    private readonly List<nint> _memory = [];

    /// <summary>Returns the memory of the GPU.</summary>
    public void Dispose()
    {
        foreach (nint address in _memory) device.Free(address);
    }

    /// <summary>A linear layer on tensor cores.</summary>
    public void Linear(string entry, int rows, int columns, int depth, bool bias, bool residual)
    {
        bool gated = entry.Contains("geglu");
        int outputs = gated ? 2 * columns : columns;
        double[] x = Normal(rows * depth, 1), w = Normal(outputs * depth, 1 / Math.Sqrt(depth)), b = Normal(outputs, 1), r = Normal(rows * columns, 1);
        nint y = Allocate(2L * rows * columns);
        KernelArguments a = Begin(entry);
        View(a, x);
        View(a, w);
        View(a, bias ? b : []);
        View(a, residual ? r : []);
        a.View(y, (long)rows * columns);
        a.I32(rows);
        a.I32(columns);
        a.I32(depth);
        int tile = gated ? 64 : 128;
        device.Launch((columns + tile - 1) / tile, (rows + 127) / 128);
        double[] product = Reference.MatMul(x, w, rows, outputs, depth);
        for (int i = 0; i < product.Length && bias; i++) product[i] += b[i % outputs];
        double[] expected = [.. Enumerable.Range(0, rows * columns).Select(i =>
        {
            double v = product[(i / columns * outputs) + (i % columns)];
            if (gated) v = Reference.Gelu(v) * product[(i / columns * outputs) + columns + (i % columns)];
            else if (entry.Contains("gelu")) v = Reference.Gelu(v);
            return v + (residual ? r[i] : 0);
        })];
        Near(expected, y);
    }

    /// <summary>Layer normalisation.</summary>
    public void LayerNorm(int rows, int width)
    {
        double[] x = Normal(rows * width, 1), w = Normal(width, 1), b = Normal(width, 1);
        nint y = Allocate(2L * rows * width);
        KernelArguments a = Begin($"layer_norm{(width > 1024 ? "_wide" : "")}_bf16");
        View(a, x);
        View(a, w);
        View(a, b);
        a.View(0, 0);
        a.View(y, (long)rows * width);
        a.I32(rows);
        a.I32(width);
        a.F32(1e-5f);
        device.Launch((rows + 7) / 8);
        Near(Reference.LayerNorm(x, w, b, 1e-5f), y);
    }

    /// <summary>An activation, element by element.</summary>
    public void Activations(string entry, int count)
    {
        double[] x = Normal(count, 2);
        nint y = Allocate(2L * count);
        KernelArguments a = Begin(entry);
        View(a, x);
        a.View(y, count);
        a.I64(count);
        device.Launch((count + 2047) / 2048);
        Near([.. x.Select(v => entry.StartsWith("gelu") ? Reference.Gelu(v) : Math.Tanh(v))], y);
    }

    /// <summary>The gated unit and its gradient.</summary>
    public void Geglu(int rows, int width)
    {
        double[] g = Normal(rows * 2 * width, 1), du = Normal(rows * width, 1);
        nint u = Allocate(2L * rows * width), dg = Allocate(4L * rows * width);
        KernelArguments a = Begin("geglu_bf16");
        View(a, g);
        a.View(u, (long)rows * width);
        a.I32(rows);
        a.I32(width);
        device.Launch(((rows * ((width + 255) / 256)) + 7) / 8);
        double Gate(int i) => g[(i / width * 2 * width) + (i % width)];
        double Value(int i) => g[(i / width * 2 * width) + width + (i % width)];
        Near([.. Enumerable.Range(0, rows * width).Select(i => Reference.Gelu(Gate(i)) * Value(i))], u);

        a = Begin("geglu_gradient_bf16");
        View(a, g);
        View(a, du);
        a.View(dg, 2L * rows * width);
        a.I32(rows);
        a.I32(width);
        device.Launch(((rows * ((width + 255) / 256)) + 7) / 8);
        Near([.. Enumerable.Range(0, 2 * rows * width).Select(i =>
        {
            int k = (i / (2 * width) * width) + (i % width);
            double slope = (Reference.Gelu(Gate(k) + 1e-5) - Reference.Gelu(Gate(k) - 1e-5)) / 2e-5;
            return du[k] * (i % (2 * width) < width ? Value(k) * slope : Reference.Gelu(Gate(k)));
        })], dg);
    }

    /// <summary>Casts round to nearest even, as on the CPU.</summary>
    public void Cast()
    {
        float[] x = [.. Normal(301, 1).Select((v, i) => (float)v + (i * 0.001f)), 1.00390625f, 1.01171875f, float.PositiveInfinity, -0f];
        nint y = Allocate(2L * x.Length);
        KernelArguments a = Begin("cast_f32_bf16");
        Raw<float>(a, x);
        a.View(y, x.Length);
        a.I64(x.Length);
        device.Launch(1);
        var bytes = new byte[2 * x.Length];
        device.Download(y, bytes);
        ReadOnlySpan<ushort> bits = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(bytes);
        for (int i = 0; i < x.Length; i++) Check.That(((BFloat16)x[i]).Bits == bits[i], $"{x[i]:R} became 0x{bits[i]:x4}");
    }

    /// <summary>Casts from bf16 are exact.</summary>
    public void CastBack()
    {
        double[] x = Normal(301, 1);
        nint y = Allocate(4L * x.Length);
        KernelArguments a = Begin("cast_bf16_f32");
        View(a, x);
        a.View(y, x.Length);
        a.I64(x.Length);
        device.Launch(1);
        Check.Near(x, Read(y, x.Length), 0, "the cast");
    }

    /// <summary>The norm of the gradients, from the sums of squares of 1024 blocks, and what becomes of a step.</summary>
    public void GradientNorm()
    {
        double[] x = Normal(5003, 1);
        nint partial = Allocate(4096), report = Allocate(16), status = Allocate(8);
        KernelArguments a = Begin("sum_of_squares");
        Raw(a, Single(x));
        a.View(partial, 1024);
        a.I64(x.Length);
        device.Launch(1024);
        double norm = Math.Sqrt(x.Sum(v => v * v));
        foreach ((double loss, float limit, double expected, double scale) in ((double, float, double, double)[])
            [(1, 10, norm, 10 / norm), (1, 1000, norm, 1), (1, float.PositiveInfinity, norm, 1), (double.NaN, 10, double.NaN, 0), (double.PositiveInfinity, 10, double.NaN, 0)])
        {
            var losses = new double[300];
            losses[287] = loss;
            a = Begin("gradient_norm");
            a.View(partial, 1024);
            Raw(a, losses);
            Raw<float>(a, [0, 0, 0, 0, 0, 0, limit]);
            a.View(report, 2);
            a.View(status, 2);
            device.Launch(1);
            var told = new double[2];
            device.Download(report, System.Runtime.InteropServices.MemoryMarshal.AsBytes(told.AsSpan()));
            float[] what = Read(status, 2);
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
        nint rounded = Allocate(2 * Count), weights = Upload<float>(w);
        KernelArguments a = Begin("adamw_bf16");
        a.View(weights, Count);
        Raw<float>(a, g);
        Raw<float>(a, zero);
        Raw<float>(a, zero);
        a.View(rounded, Count);
        Raw<uint>(a, [0xAAAAAAAA, 0x2]);
        Raw<float>(a, [0.1f, 0.99f, 1.5f, 0.9f, 0.98f, 1e-6f, 2]);
        Raw<float>(a, [0.2f, 1]);
        a.I64(Count);
        device.Launch(1);
        double[] expected = [.. Enumerable.Range(0, Count).Select(i =>
        {
            double d = g[i] * 0.2, m = 0.1 * d, v = 0.02 * d * d;
            return (w[i] * 0.99) - (0.1 * m / ((Math.Sqrt(v) * 1.5) + 1e-6));
        })];
        Near(expected, rounded);
        var bytes = new byte[4 * Count];
        device.Download(weights, bytes);
        float[] actual = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        for (int i = 0; i < Count; i++) Check.Near(expected[i], actual[i], 1e-5, $"weight {i}");
    }

    private KernelArguments Begin(string entry)
    {
        device.Enter();
        return device.Begin(entry);
    }

    private nint Allocate(long bytes)
    {
        device.Enter();
        _memory.Add(device.Allocate(bytes));
        return _memory[^1];
    }

    private nint Upload<T>(T[] values)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan());
        nint address = Allocate(bytes.Length);
        device.Upload(bytes, address);
        return address;
    }

    private void Raw<T>(KernelArguments a, T[] values)
        where T : unmanaged
        => a.View(Upload(values), values.Length);

    private void View(KernelArguments a, double[] values)
    {
        if (values.Length == 0) a.View(0, 0);
        else Raw(a, Array.ConvertAll(values, v => (BFloat16)(float)v));
    }

    private float[] Read(nint address, int count)
    {
        var values = new float[count];
        device.Download(address, System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan()));
        return values;
    }

    private static float[] Single(double[] values) => Array.ConvertAll(values, v => (float)v);

    // Normal deviates that are exact in bf16.
    private static double[] Normal(int count, double deviation)
    {
        var values = new float[count];
        new Philox(9, 0, (uint)count).FillNormal(values, (float)deviation);
        return Array.ConvertAll(values, v => (double)(float)(BFloat16)v);
    }

    private void Near(double[] expected, nint address)
    {
        var bytes = new byte[2 * expected.Length];
        device.Download(address, bytes);
        ReadOnlySpan<BFloat16> actual = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, BFloat16>(bytes);
        for (int i = 0; i < expected.Length; i++)
        {
            double tolerance = (Rounding * Math.Abs(expected[i])) + 1e-5;
            Check.Near(expected[i], (float)actual[i], tolerance, $"element {i}");
        }
    }
}
