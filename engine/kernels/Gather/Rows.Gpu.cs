using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// Selections of rows on the GPU: a warp 256 columns of a row. Width is a multiple of eight; grid: count · ⌈width / 256⌉ / 8.
/// </summary>
internal static class RowsKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("gather_rows", Flat.Threads, f32: Gather<F32, float>, anyF32: Gather<F32Any, float>, bf16: Gather<BF16, ushort>);
        list.AddFamily("scatter_rows", Flat.Threads, f32: Scatter<F32, float>, anyF32: Scatter<F32Any, float>, bf16: Scatter<BF16, ushort>);
        list.Add("last_rows", Last, Flat.Threads);
        list.AddFamily("pad", Flat.Threads, f32: Pad<F32, float>, anyF32: Pad<F32Any, float>, bf16: Pad<BF16, ushort>);
    }

    /// <summary>y[i] = x[indices[i]]. x: [rows, width]; y: [count, width]. An index outside x ends the kernel with an error.</summary>
    public static void Gather<TE, T>(ArrayView<T> x, ArrayView<int> indices, ArrayView<T> y, int count, int rows, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int i = Row(width, out int chunk);
        if (i >= count) return;
        ArrayView<T> source = x.SubView((long)Checked(indices[i], rows) * width, width);
        TE.Store(y.SubView((long)i * width, width), chunk, Warp.Lane, width, TE.Load(source, chunk, Warp.Lane, width, 0));
    }

    /// <summary>y[indices[i]] += x[i], the indices being distinct. x: [count, width]; y: [rows, width].</summary>
    public static void Scatter<TE, T>(ArrayView<T> x, ArrayView<int> indices, ArrayView<T> y, int count, int rows, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int i = Row(width, out int chunk);
        if (i >= count) return;
        ArrayView<T> target = y.SubView((long)Checked(indices[i], rows) * width, width);
        Float8 sum = TE.Load(target, chunk, Warp.Lane, width, 0) + TE.Load(x.SubView((long)i * width, width), chunk, Warp.Lane, width, 0);
        TE.Store(target, chunk, Warp.Lane, width, sum);
    }

    /// <summary>
    /// The padded view of packed sequences, 0 where a sequence has ended. x: [tokens, width]; cuSeqlens: [sequences + 1]; y: [sequences,
    /// longest, width]. Grid: (longest · ⌈width / 256⌉ / 8, sequences).
    /// </summary>
    public static void Pad<TE, T>(ArrayView<T> x, ArrayView<int> cuSeqlens, ArrayView<T> y, int longest, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int i = Row(width, out int chunk), start = cuSeqlens[Grid.IdxY], length = cuSeqlens[Grid.IdxY + 1] - start;
        if (i >= longest) return;
        Float8 value = TE.Load(x.SubView((long)(start + i) * width, width), chunk, Warp.Lane, i < length ? width : 0, 0);
        TE.Store(y.SubView((((long)Grid.IdxY * longest) + i) * width, width), chunk, Warp.Lane, width, value);
    }

    /// <summary>rows[s]: the last row of sequence s; an empty one ends the kernel with an error. Grid: sequences / 256.</summary>
    public static void Last(ArrayView<int> cuSeqlens, ArrayView<int> rows, int sequences)
    {
        int s = (Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (s >= sequences) return;
        if (cuSeqlens[s + 1] == cuSeqlens[s]) Ptx.Trap();
        rows[s] = cuSeqlens[s + 1] - 1;
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
}
