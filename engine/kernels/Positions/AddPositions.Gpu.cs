using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>Learned positions on the GPU: a warp 256 columns of a token, or of the gradient a block 256 columns of a position.</summary>
internal static class AddPositionsKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily(
            "add_positions", Flat.Threads, f32: Forward<F32, float>, anyF32: Forward<F32Any, float>, bf16: Forward<BF16, ushort>);
        list.AddFamily(
            "add_positions_gradient", Flat.Threads, f32: Gradient<F32, float>, anyF32: Gradient<F32Any, float>,
            bf16: Gradient<BF16, ushort>);
    }

    /// <summary>
    /// y[t] = x[t] + table[p]. x, y: [tokens, width], which may be one; table: [positions, width]; cuSeqlens: [sequences + 1]. Grid:
    /// (longest · ⌈width / 256⌉ / 8, sequences). A position outside the table ends the kernel with an error.
    /// </summary>
    public static void Forward<TE, T>(
        ArrayView<T> x, ArrayView<int> cuSeqlens, ArrayView<T> table, ArrayView<T> y, int positions, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int chunks = (width + Warp.Chunk - 1) / Warp.Chunk;
        int index = (Grid.IdxX * (Flat.Threads / Warp.Size)) + Warp.Index, position = index / chunks, chunk = index - (position * chunks);
        int start = cuSeqlens[Grid.IdxY];
        if (position >= cuSeqlens[Grid.IdxY + 1] - start) return;
        if (position >= positions) Ptx.Trap();
        long row = (long)(start + position) * width;
        Float8 sum = TE.Load(x.SubView(row, width), chunk, Warp.Lane, width, 0)
            + TE.LoadConstant(table.SubView((long)position * width, width), chunk, Warp.Lane, width);
        TE.Store(y.SubView(row, width), chunk, Warp.Lane, width, sum);
    }

    /// <summary>
    /// dtable[p] += Σ dy[t]. dy: [tokens, width]; dtable: [positions, width] in fp32. Each of a block's warps sums every eighth sequence,
    /// so that the order is always the same. Grid: (positions in use, ⌈width / 256⌉).
    /// </summary>
    public static void Gradient<TE, T>(ArrayView<T> dy, ArrayView<int> cuSeqlens, ArrayView<float> dtable, int sequences, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * Flat.Threads);
        int chunk = Grid.IdxY, position = Grid.IdxX;
        Float8 sum = Float8.Broadcast(0);
        for (int sequence = Warp.Index; sequence < sequences; sequence += Flat.Threads / Warp.Size)
        {
            int token = cuSeqlens[sequence] + position;
            if (token < cuSeqlens[sequence + 1]) sum += TE.Load(dy.SubView((long)token * width, width), chunk, Warp.Lane, width, 0);
        }

        SumRowsKernels.Combine<TE, T>(shared, sum, dtable.SubView((long)position * width, width), chunk, width, true);
    }
}
