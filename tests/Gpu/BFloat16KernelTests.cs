using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;
using Tests.Cases;
using Tests.Ptx;

namespace Tests.Gpu;

/// <summary>The kernels with operands in bf16, in the interpreter: fp32 arithmetic, so the error is that of rounding the result.</summary>
public sealed class BFloat16KernelTests : IDisposable
{
    // Half a unit in the last of the eight bits.
    private const double Rounding = 1.0 / 256;
    private readonly InterpretedDevice _device = new();

    public void Dispose() => _device.Dispose();

    [Theory]
    [InlineData("linear_bf16", 1, 2, 8, false, false)]
    [InlineData("linear_bf16", 129, 136, 40, true, true)]
    [InlineData("linear_bf16", 70, 200, 264, true, false)]
    [InlineData("linear_bf16", 5, 131, 24, true, true)]
    [InlineData("linear_gelu_bf16", 127, 128, 64, true, false)]
    [InlineData("linear_geglu_bf16", 130, 72, 96, false, true)]
    [InlineData("linear_geglu_bf16", 3, 65, 128, true, false)]
    public void Linear_layers_on_tensor_cores(string entry, int rows, int columns, int depth, bool bias, bool residual)
    {
        bool gated = entry.Contains("geglu");
        int outputs = gated ? 2 * columns : columns;
        double[] x = Normal(rows * depth, 1), w = Normal(outputs * depth, 1 / Math.Sqrt(depth)), b = Normal(outputs, 1), r = Normal(rows * columns, 1);
        nint y = _device.Allocate(2L * rows * columns);
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
        _device.Launch((columns + tile - 1) / tile, (rows + 127) / 128);
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

    [Fact]
    public void The_main_loop_of_the_tensor_core_product_meets_no_bank_conflicts()
    {
        Linear_layers_on_tensor_cores("linear_bf16", 128, 128, 256, false, false);
        AccessSite[] loop = [.. _device.Reports[^1].Report.Shared.Where(s => s.Opcode.StartsWith("ldmatrix") || s.Opcode.StartsWith("cp.async"))];
        Assert.True(loop.Length >= 16);
        Assert.All(loop, site => Assert.Equal(1, site.Degree));
    }

    [Theory]
    [InlineData(1, 8)]
    [InlineData(9, 768)]
    [InlineData(3, 1024)]
    [InlineData(3, 1048)]
    public void Layer_normalisation(int rows, int width)
    {
        double[] x = Normal(rows * width, 1), w = Normal(width, 1), b = Normal(width, 1);
        nint y = _device.Allocate(2L * rows * width);
        KernelArguments a = Begin(width > 1024 ? "layer_norm_wide_bf16" : "layer_norm_bf16");
        View(a, x);
        View(a, []);
        View(a, w);
        View(a, b);
        a.View(0, 0);
        a.View(y, (long)rows * width);
        a.I32(rows);
        a.I32(width);
        a.F32(1e-5f);
        _device.Launch((rows + 7) / 8);
        Near(Reference.LayerNorm(x, w, b, 1e-5f), y);
    }

    [Theory]
    [InlineData(new[] { 1 }, 2, 8)]
    [InlineData(new[] { 65, 0, 7 }, 2, 64)]
    [InlineData(new[] { 70 }, 1, 128)]
    public void Attention_with_ALiBi(int[] lengths, int heads, int headSize)
    {
        int tokens = lengths.Sum(), hidden = heads * headSize;
        double[] qkv = Normal(tokens * 3 * hidden, 1);
        int[] borders = [0, .. lengths.Select((_, i) => lengths[..(i + 1)].Sum())];
        Alibi[] mods = [.. Enumerable.Range(0, heads).Select(h => Alibi.ForHead(default, h, heads))];
        nint y = _device.Allocate(2L * tokens * hidden);
        KernelArguments a = Begin("attention_alibi_bf16");
        View(a, qkv);
        Raw<int>(a, borders);
        Raw<Alibi>(a, mods);
        a.View(0, 0);
        a.View(y, (long)tokens * hidden);
        a.I32(headSize);
        a.I32(tokens);
        a.F32((float)(1 / Math.Sqrt(headSize)));
        _device.Launch((lengths.Max() + 63) / 64, heads, lengths.Length, 4 * 64 * ((3 * (headSize + 4)) + 68));
        Near(Reference.Attention(qkv, lengths, heads, headSize, default(Alibi)).Result, y);
    }

    [Theory]
    [InlineData("gelu_bf16", 1)]
    [InlineData("gelu_bf16", 2055)]
    [InlineData("tanh_bf16", 263)]
    public void Activations(string entry, int count)
    {
        double[] x = Normal(count, 2);
        nint y = _device.Allocate(2L * count);
        KernelArguments a = Begin(entry);
        View(a, x);
        a.View(y, count);
        a.I64(count);
        _device.Launch((count + 2047) / 2048);
        Near([.. x.Select(v => entry.StartsWith("gelu") ? Reference.Gelu(v) : Math.Tanh(v))], y);
    }

    [Theory]
    [InlineData(2, 8)]
    [InlineData(5, 264)]
    public void The_gated_unit_and_its_gradient(int rows, int width)
    {
        double[] g = Normal(rows * 2 * width, 1), du = Normal(rows * width, 1);
        nint u = _device.Allocate(2L * rows * width), dg = _device.Allocate(4L * rows * width);
        KernelArguments a = Begin("geglu_bf16");
        View(a, g);
        a.View(u, (long)rows * width);
        a.I32(rows);
        a.I32(width);
        _device.Launch(((rows * ((width + 255) / 256)) + 7) / 8);
        double Gate(int i) => g[(i / width * 2 * width) + (i % width)];
        double Value(int i) => g[(i / width * 2 * width) + width + (i % width)];
        Near([.. Enumerable.Range(0, rows * width).Select(i => Reference.Gelu(Gate(i)) * Value(i))], u);

        a = Begin("geglu_gradient_bf16");
        View(a, g);
        View(a, du);
        a.View(dg, 2L * rows * width);
        a.I32(rows);
        a.I32(width);
        _device.Launch(((rows * ((width + 255) / 256)) + 7) / 8);
        Near([.. Enumerable.Range(0, 2 * rows * width).Select(i =>
        {
            int k = (i / (2 * width) * width) + (i % width);
            double slope = (Reference.Gelu(Gate(k) + 1e-5) - Reference.Gelu(Gate(k) - 1e-5)) / 2e-5;
            return du[k] * (i % (2 * width) < width ? Value(k) * slope : Reference.Gelu(Gate(k)));
        })], dg);
    }

    [Fact]
    public void Casts_round_to_nearest_even_as_on_the_CPU()
    {
        float[] x = [.. Normal(301, 1).Select((v, i) => (float)v + (i * 0.001f)), 1.00390625f, 1.01171875f, float.PositiveInfinity, -0f];
        nint y = _device.Allocate(2L * x.Length);
        KernelArguments a = Begin("cast_f32_bf16");
        Raw<float>(a, x);
        a.View(y, x.Length);
        a.I64(x.Length);
        _device.Launch(1);
        var bytes = new byte[2 * x.Length];
        _device.Download(y, bytes);
        Assert.Equal(x.Select(v => ((BFloat16)v).Bits), System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ushort>(bytes).ToArray());
    }

    [Fact]
    public void An_optimizer_step_writes_its_rounded_copy()
    {
        const int Count = 259;
        float[] w = Single(Normal(Count, 1)), g = Single(Normal(Count, 1)), zero = new float[Count];
        nint rounded = _device.Allocate(2 * Count), weights = Upload<float>(w);
        KernelArguments a = Begin("adamw_bf16");
        a.View(weights, Count);
        Raw<float>(a, g);
        Raw<float>(a, zero);
        Raw<float>(a, zero);
        a.View(rounded, Count);
        Raw<float>(a, [10f]);
        a.I64(Count);
        foreach (float f in (float[])[0.5f, 2f, 0.99f, 0.1f, 0.9f, 0.98f, 1.5f, 1e-6f]) a.F32(f);
        _device.Launch(1);
        double[] expected = [.. Enumerable.Range(0, Count).Select(i =>
        {
            double d = g[i] * 0.2, m = 0.1 * d, v = 0.02 * d * d;
            return (w[i] * 0.99) - (0.1 * m / ((Math.Sqrt(v) * 1.5) + 1e-6));
        })];
        Near(expected, rounded);
        var bytes = new byte[4 * Count];
        _device.Download(weights, bytes);
        float[] actual = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(bytes).ToArray();
        for (int i = 0; i < Count; i++) Assert.Equal(expected[i], actual[i], 1e-5);
    }

    private KernelArguments Begin(string entry) => _device.Begin(entry);

    private nint Upload<T>(T[] values)
        where T : unmanaged
    {
        ReadOnlySpan<byte> bytes = System.Runtime.InteropServices.MemoryMarshal.AsBytes(values.AsSpan());
        nint address = _device.Allocate(bytes.Length);
        _device.Upload(bytes, address);
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
        _device.Download(address, bytes);
        ReadOnlySpan<BFloat16> actual = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, BFloat16>(bytes);
        for (int i = 0; i < expected.Length; i++)
        {
            double tolerance = (Rounding * Math.Abs(expected[i])) + 1e-5;
            if (!(Math.Abs(expected[i] - (float)actual[i]) <= tolerance)) Assert.Fail($"element {i} is {(float)actual[i]:R}, expected {expected[i]:R}");
        }
    }
}
