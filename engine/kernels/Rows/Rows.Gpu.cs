using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>Selections of rows on the GPU: a warp 256 columns of a row. Width is a multiple of eight; grid: count · ⌈width / 256⌉ / 8.</summary>
internal static class RowsKernels
{
    public static void Register(KernelList list)
    {
        list.Add("gather_rows_f32", Gather<F32, float>, Flat.Threads);
        list.Add("gather_rows_bf16", Gather<BF16, ushort>, Flat.Threads);
        list.Add("scatter_rows_f32", Scatter<F32, float>, Flat.Threads);
        list.Add("scatter_rows_bf16", Scatter<BF16, ushort>, Flat.Threads);
    }

    /// <summary>y[i] = x[indices[i]]. x: [rows, width]; y: [count, width]. An index outside x ends the kernel with an error.</summary>
    public static void Gather<TE, T>(ArrayView<T> x, ArrayView<int> indices, ArrayView<T> y, int count, int rows, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int i = Row(width, out int chunk);
        if (i >= count) return;
        Copy<TE, T>(x, Checked(indices[i], rows), y, i, chunk, width);
    }

    /// <summary>y[indices[i]] = x[i], the indices being distinct. x: [count, width]; y: [rows, width].</summary>
    public static void Scatter<TE, T>(ArrayView<T> x, ArrayView<int> indices, ArrayView<T> y, int count, int rows, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int i = Row(width, out int chunk);
        if (i >= count) return;
        Copy<TE, T>(x, i, y, Checked(indices[i], rows), chunk, width);
    }

    private static int Row(int width, out int chunk)
    {
        int chunks = (width + Warp.Chunk - 1) / Warp.Chunk;
        int index = (Grid.IdxX * (Flat.Threads / Warp.Size)) + Warp.Index, row = index / chunks;
        chunk = index - (row * chunks);
        return row;
    }

    private static int Checked(int index, int rows)
    {
        if ((uint)index >= (uint)rows) Ptx.Trap();
        return index;
    }

    private static void Copy<TE, T>(ArrayView<T> x, int from, ArrayView<T> y, int to, int chunk, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
        => TE.Store(y.SubView((long)to * width, width), chunk, Warp.Lane, width,
            TE.Load(x.SubView((long)from * width, width), chunk, Warp.Lane, width, 0));
}
