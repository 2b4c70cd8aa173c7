using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// Sums over rows on the GPU, of any width: a block sums 256 columns over a part of the rows, its warps every eighth row. Many rows are
/// summed in two passes, first in parts, then over the parts, always in the same order.
/// </summary>
internal static class SumRowsKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("sum_rows", Flat.Threads, f32: Sum<F32, float>, bf16: Sum<BF16, ushort>);
    }

    /// <summary>
    /// y[p] (+)= Σ x[r] over the rows of part p. x: [rows, width]; y: [parts, width]. Grid: (⌈width / 256⌉, parts).
    /// </summary>
    public static void Sum<TE, T>(ArrayView<T> x, ArrayView<float> y, int rows, int width, int rowsPerPart, int accumulate)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * Flat.Threads);
        int chunk = Grid.IdxX, part = Grid.IdxY, end = (part + 1) * rowsPerPart;
        end = end < rows ? end : rows;
        Float8 sum = Float8.Broadcast(0);
        for (int row = (part * rowsPerPart) + Warp.Index; row < end; row += Flat.Threads / Warp.Size)
            sum += Load<TE, T>(x.SubView((long)row * width, width), chunk, width);
        Combine<TE, T>(shared, sum, y.SubView((long)part * width, width), chunk, width, accumulate != 0);
    }

    /// <summary>Sums what the eight warps hold, in their order, and writes it. <paramref name="shared"/>: 512 quads.</summary>
    public static void Combine<TE, T>(ArrayView<Float4> shared, Float8 value, ArrayView<float> y, int chunk, int width, bool accumulate)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        shared[Group.IdxX] = value.Low;
        shared[Flat.Threads + Group.IdxX] = value.High;
        Group.Barrier();
        if (Warp.Index > 0) return;
        for (int w = 1; w < Flat.Threads / Warp.Size; w++)
        {
            int other = (w * Warp.Size) + Warp.Lane;
            value += new Float8(shared[other], shared[Flat.Threads + other]);
        }

        Write(y, TE.Low(chunk, Warp.Lane), width, value.Low, accumulate);
        Write(y, TE.High(chunk, Warp.Lane), width, value.High, accumulate);
    }

    private static Float8 Load<TE, T>(ArrayView<T> row, int chunk, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        if ((width & 7) == 0) return TE.Load(row, chunk, Warp.Lane, width, 0);
        return new(Quad<TE, T>(row, TE.Low(chunk, Warp.Lane), width), Quad<TE, T>(row, TE.High(chunk, Warp.Lane), width));
    }

    private static Float4 Quad<TE, T>(ArrayView<T> row, int start, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        Float4 value = Float4.Broadcast(0);
        if (start < width) value.X = TE.Get(row, start);
        if (start + 1 < width) value.Y = TE.Get(row, start + 1);
        if (start + 2 < width) value.Z = TE.Get(row, start + 2);
        if (start + 3 < width) value.W = TE.Get(row, start + 3);
        return value;
    }

    private static void Write(ArrayView<float> y, int start, int width, Float4 value, bool accumulate)
    {
        Write(y, start, width, value.X, accumulate);
        Write(y, start + 1, width, value.Y, accumulate);
        Write(y, start + 2, width, value.Z, accumulate);
        Write(y, start + 3, width, value.W, accumulate);
    }

    private static void Write(ArrayView<float> y, int column, int width, float value, bool accumulate)
    {
        if (column >= width) return;
        if (accumulate) value += y[column];
        y[column] = value;
    }
}
