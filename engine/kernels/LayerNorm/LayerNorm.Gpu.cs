using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// <see cref="LayerNormRow"/> on the GPU: a warp a row. Rows of up to 1024 elements stay in registers between the two passes, so every
/// tensor is read and written once; wider ones are read three times, from the cache after the first. Width is a multiple of eight.
/// </summary>
internal static class LayerNormKernels
{
    public const int Threads = 256, RowsPerBlock = Threads / Warp.Size, RegisterWidth = 4 * Warp.Chunk;

    public static void Register(KernelList list)
    {
        list.AddFamily("layer_norm", Threads, f32: Forward<F32, float>, anyF32: Wide<F32Any, float>, bf16: Forward<BF16, ushort>);
        list.AddFamily("layer_norm_wide", Threads, f32: Wide<F32, float>, bf16: Wide<BF16, ushort>);
    }

    /// <summary>
    /// x, y: [rows, width]; weight, bias: [width]; statistics: [rows, 2] or empty. Grid: rows / 8. y may be x.
    /// </summary>
    public static void Forward<TE, T>(
        ArrayView<T> x, ArrayView<T> weight, ArrayView<T> bias, ArrayView<float> statistics, ArrayView<T> y,
        int rows, int width, float eps)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int row = (Grid.IdxX * RowsPerBlock) + Warp.Index;
        if (row >= rows) return;
        ArrayView<T> xRow = x.SubView((long)row * width, width);
        Float8 a = TE.Load(xRow, 0, Warp.Lane, width, 0), b = TE.Load(xRow, 1, Warp.Lane, width, 0);
        Float8 c = TE.Load(xRow, 2, Warp.Lane, width, 0), d = TE.Load(xRow, 3, Warp.Lane, width, 0);
        Normalise<TE, T>(a, b, c, d, weight, bias, statistics, y, row, width, eps);
    }

    /// <summary>Normalises and writes a row that its warp holds in four chunks; what lies past the end of the row is 0.</summary>
    public static void Normalise<TE, T>(
        Float8 a, Float8 b, Float8 c, Float8 d, ArrayView<T> weight, ArrayView<T> bias, ArrayView<float> statistics, ArrayView<T> y,
        int row, int width, float eps)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        float mean = Warp.Sum(Float8.Sum(a + b + (c + d))) / width;
        a = Center<TE, T>(a, mean, 0, width);
        b = Center<TE, T>(b, mean, 1, width);
        c = Center<TE, T>(c, mean, 2, width);
        d = Center<TE, T>(d, mean, 3, width);
        float variance = Warp.Sum(Float8.Dot(a, a) + Float8.Dot(b, b) + (Float8.Dot(c, c) + Float8.Dot(d, d))) / width;
        float scale = GpuMath.ReciprocalSqrt(variance + eps);
        Keep(statistics, row, mean, scale);
        ArrayView<T> yRow = y.SubView((long)row * width, width);
        Store<TE, T>(a, scale, weight, bias, yRow, 0, width);
        Store<TE, T>(b, scale, weight, bias, yRow, 1, width);
        Store<TE, T>(c, scale, weight, bias, yRow, 2, width);
        Store<TE, T>(d, scale, weight, bias, yRow, 3, width);
    }

    /// <summary>As <see cref="Forward"/>, for rows of any width.</summary>
    public static void Wide<TE, T>(
        ArrayView<T> x, ArrayView<T> weight, ArrayView<T> bias, ArrayView<float> statistics, ArrayView<T> y,
        int rows, int width, float eps)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int row = (Grid.IdxX * RowsPerBlock) + Warp.Index;
        if (row >= rows) return;
        ArrayView<T> xRow = x.SubView((long)row * width, width), yRow = y.SubView((long)row * width, width);
        int chunks = (width + Warp.Chunk - 1) / Warp.Chunk;
        Float8 sum = Float8.Broadcast(0);
        for (int i = 0; i < chunks; i++) sum += TE.Load(xRow, i, Warp.Lane, width, 0);
        float mean = Warp.Sum(Float8.Sum(sum)) / width;
        sum = Float8.Broadcast(0);
        for (int i = 0; i < chunks; i++)
        {
            Float8 centered = Center<TE, T>(TE.Load(xRow, i, Warp.Lane, width, 0), mean, i, width);
            sum = Float8.Fma(centered, centered, sum);
        }

        float scale = GpuMath.ReciprocalSqrt((Warp.Sum(Float8.Sum(sum)) / width) + eps);
        Keep(statistics, row, mean, scale);
        for (int i = 0; i < chunks; i++)
        {
            Float8 centered = Center<TE, T>(TE.Load(xRow, i, Warp.Lane, width, 0), mean, i, width);
            Store<TE, T>(centered, scale, weight, bias, yRow, i, width);
        }
    }

    private static void Keep(ArrayView<float> statistics, int row, float mean, float scale)
    {
        if (statistics.Length == 0 || Warp.Lane > 0) return;
        statistics[2 * row] = mean;
        statistics[(2 * row) + 1] = scale;
    }

    private static Float8 Center<TE, T>(Float8 value, float mean, int chunk, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
        => value - TE.Inside(chunk, Warp.Lane, width, mean);

    private static void Store<TE, T>(
        Float8 centered, float scale, ArrayView<T> weight, ArrayView<T> bias, ArrayView<T> y, int chunk, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        Float8 w = TE.LoadConstant(weight, chunk, Warp.Lane, width), b = TE.LoadConstant(bias, chunk, Warp.Lane, width);
        TE.Store(y, chunk, Warp.Lane, width, Float8.Fma(centered * scale, w, b));
    }
}
