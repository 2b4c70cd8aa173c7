using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The gradients of <see cref="LayerNormRow"/> on the GPU. Those of the rows: a warp a row. Those of the parameters: a block sums 256
/// columns over a part of the rows, and <see cref="SumRowsKernels"/> sums the parts, so that the order is always the same. Width is a
/// multiple of eight.
/// </summary>
internal static class LayerNormGradientKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily(
            "layer_norm_gradient", LayerNormKernels.Threads, f32: Rows<F32, float>, anyF32: WideRows<F32Any, float>,
            bf16: Rows<BF16, ushort>);
        list.AddFamily("layer_norm_gradient_wide", LayerNormKernels.Threads, f32: WideRows<F32, float>, bf16: WideRows<BF16, ushort>);
        list.AddFamily(
            "layer_norm_parameters", Flat.Threads, f32: Parameters<F32, float>, anyF32: Parameters<F32Any, float>,
            bf16: Parameters<BF16, ushort>);
    }

    /// <summary>
    /// dx (+)= scale · (d − mean(d) − n · mean(d · n)) with n = (x − mean) · scale, d = dy · weight. x, dy, dx: [rows, width], width at
    /// most 1024; weight: [width]; statistics: [rows, 2]. Grid: rows / 8. dx may be dy.
    /// </summary>
    public static void Rows<TE, T>(
        ArrayView<T> x, ArrayView<T> dy, ArrayView<T> weight, ArrayView<float> statistics, ArrayView<T> dx, int rows, int width,
        int accumulate)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int row = (Grid.IdxX * LayerNormKernels.RowsPerBlock) + Warp.Index;
        if (row >= rows) return;
        float mean = statistics[2 * row], scale = statistics[(2 * row) + 1];
        ArrayView<T> xRow = x.SubView((long)row * width, width), dyRow = dy.SubView((long)row * width, width),
            dxRow = dx.SubView((long)row * width, width);
        Float8 d0 = Gradient<TE, T>(dyRow, weight, 0, width), n0 = Normal<TE, T>(xRow, mean, scale, 0, width);
        Float8 d1 = Gradient<TE, T>(dyRow, weight, 1, width), n1 = Normal<TE, T>(xRow, mean, scale, 1, width);
        Float8 d2 = Gradient<TE, T>(dyRow, weight, 2, width), n2 = Normal<TE, T>(xRow, mean, scale, 2, width);
        Float8 d3 = Gradient<TE, T>(dyRow, weight, 3, width), n3 = Normal<TE, T>(xRow, mean, scale, 3, width);
        float meanD = Warp.Sum(Float8.Sum(d0 + d1 + (d2 + d3))) / width;
        float meanDn = Warp.Sum(Float8.Dot(d0, n0) + Float8.Dot(d1, n1) + (Float8.Dot(d2, n2) + Float8.Dot(d3, n3))) / width;
        Store<TE, T>(dxRow, d0, n0, meanD, meanDn, scale, 0, width, accumulate);
        Store<TE, T>(dxRow, d1, n1, meanD, meanDn, scale, 1, width, accumulate);
        Store<TE, T>(dxRow, d2, n2, meanD, meanDn, scale, 2, width, accumulate);
        Store<TE, T>(dxRow, d3, n3, meanD, meanDn, scale, 3, width, accumulate);
    }

    /// <summary>As <see cref="Rows"/>, for any width.</summary>
    public static void WideRows<TE, T>(
        ArrayView<T> x, ArrayView<T> dy, ArrayView<T> weight, ArrayView<float> statistics, ArrayView<T> dx, int rows, int width,
        int accumulate)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int row = (Grid.IdxX * LayerNormKernels.RowsPerBlock) + Warp.Index;
        if (row >= rows) return;
        float mean = statistics[2 * row], scale = statistics[(2 * row) + 1];
        ArrayView<T> xRow = x.SubView((long)row * width, width), dyRow = dy.SubView((long)row * width, width),
            dxRow = dx.SubView((long)row * width, width);
        int chunks = (width + Warp.Chunk - 1) / Warp.Chunk;
        Float8 sumD = Float8.Broadcast(0), sumDn = Float8.Broadcast(0);
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            Float8 d = Gradient<TE, T>(dyRow, weight, chunk, width);
            sumD += d;
            sumDn = Float8.Fma(d, Normal<TE, T>(xRow, mean, scale, chunk, width), sumDn);
        }

        float meanD = Warp.Sum(Float8.Sum(sumD)) / width, meanDn = Warp.Sum(Float8.Sum(sumDn)) / width;
        for (int chunk = 0; chunk < chunks; chunk++)
        {
            Float8 d = Gradient<TE, T>(dyRow, weight, chunk, width), n = Normal<TE, T>(xRow, mean, scale, chunk, width);
            Store<TE, T>(dxRow, d, n, meanD, meanDn, scale, chunk, width, accumulate);
        }
    }

    /// <summary>
    /// dweight[p] = Σ dy · n, dbias[p] = Σ dy over the rows of part p. x, dy: [rows, width]; dweight, dbias: [parts, width]. Grid:
    /// (⌈width / 256⌉, parts).
    /// </summary>
    public static void Parameters<TE, T>(
        ArrayView<T> x, ArrayView<T> dy, ArrayView<float> statistics, ArrayView<float> dweight, ArrayView<float> dbias, int rows, int width,
        int rowsPerPart)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * Flat.Threads);
        int chunk = Grid.IdxX, part = Grid.IdxY, lane = Warp.Lane, end = (part + 1) * rowsPerPart;
        end = end < rows ? end : rows;
        Float8 weights = Float8.Broadcast(0), biases = Float8.Broadcast(0);
        for (int row = (part * rowsPerPart) + Warp.Index; row < end; row += Flat.Threads / Warp.Size)
        {
            Float8 gradient = TE.Load(dy.SubView((long)row * width, width), chunk, lane, width, 0);
            Float8 n = Normal<TE, T>(x.SubView((long)row * width, width), statistics[2 * row], statistics[(2 * row) + 1], chunk, width);
            weights = Float8.Fma(gradient, n, weights);
            biases += gradient;
        }

        SumRowsKernels.Combine<TE, T>(shared, weights, dweight.SubView((long)part * width, width), chunk, width, false);
        Group.Barrier();
        SumRowsKernels.Combine<TE, T>(shared, biases, dbias.SubView((long)part * width, width), chunk, width, false);
    }

    private static Float8 Gradient<TE, T>(ArrayView<T> dy, ArrayView<T> weight, int chunk, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
        => TE.Load(dy, chunk, Warp.Lane, width, 0) * TE.LoadConstant(weight, chunk, Warp.Lane, width);

    private static Float8 Normal<TE, T>(ArrayView<T> x, float mean, float scale, int chunk, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
        => (TE.Load(x, chunk, Warp.Lane, width, 0) - Float8.Broadcast(mean)) * scale;

    private static void Store<TE, T>(
        ArrayView<T> dx, Float8 d, Float8 n, float meanD, float meanDn, float scale, int chunk, int width, int accumulate)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        Float8 value = Float8.Fma(n, Float8.Broadcast(-meanDn), d - Float8.Broadcast(meanD)) * scale;
        if (accumulate != 0) value += TE.Load(dx, chunk, Warp.Lane, width, 0);
        TE.Store(dx, chunk, Warp.Lane, width, value);
    }
}
