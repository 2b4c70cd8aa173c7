using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>How pooling on the GPU joins rows.</summary>
internal interface IGpuPooling
{
    /// <summary>What joins with any value to that value.</summary>
    static abstract float Neutral { get; }

    static abstract Float8 Join(Float8 a, Float8 b);

    /// <summary>The factor of the result for so many rows.</summary>
    static abstract float Factor(int rows);
}

internal readonly struct MeanPooling : IGpuPooling
{
    public static float Neutral => 0;

    public static Float8 Join(Float8 a, Float8 b) => a + b;

    public static float Factor(int rows) => 1f / rows;
}

internal readonly struct MaxPooling : IGpuPooling
{
    public static float Neutral => -float.MaxValue;

    public static Float8 Join(Float8 a, Float8 b) => Float8.Max(a, b);

    public static float Factor(int rows) => 1;
}

/// <summary>
/// Pooling on the GPU: a block works on 256 columns of a sequence, its eight warps on every eighth row. [CLS] pooling is a
/// <see cref="RowsKernels.Gather"/> of first rows, but for empty sequences; it is the first row here. Width is a multiple of eight.
/// </summary>
internal static class PoolingKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily(
            "pool_mean", Flat.Threads, f32: Forward<F32, float, MeanPooling>, anyF32: Forward<F32Any, float, MeanPooling>,
            bf16: Forward<BF16, ushort, MeanPooling>);
        list.AddFamily(
            "pool_max", Flat.Threads, f32: Forward<F32, float, MaxPooling>, anyF32: Forward<F32Any, float, MaxPooling>,
            bf16: Forward<BF16, ushort, MaxPooling>);
    }

    /// <summary>
    /// x: [tokens, width]; cuSeqlens: [sequences + 1]; y: [sequences, width]. Grid: (⌈width / 256⌉, sequences). Of each sequence at most
    /// <paramref name="limit"/> rows are used: 1 gives [CLS] pooling.
    /// </summary>
    public static void Forward<TE, T, TPooling>(ArrayView<T> x, ArrayView<int> cuSeqlens, ArrayView<T> y, int width, int limit)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TPooling : struct, IGpuPooling
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * Flat.Threads);
        int chunk = Grid.IdxX, sequence = Grid.IdxY, start = cuSeqlens[sequence], rows = cuSeqlens[sequence + 1] - start;
        rows = rows < limit ? rows : limit;
        Float8 value = Float8.Broadcast(TPooling.Neutral);
        for (int r = Warp.Index; r < rows; r += Flat.Threads / Warp.Size)
            value = TPooling.Join(value, TE.Load(x.SubView((long)(start + r) * width, width), chunk, Warp.Lane, width, 0));
        shared[Group.IdxX] = value.Low;
        shared[Flat.Threads + Group.IdxX] = value.High;
        Group.Barrier();
        if (Warp.Index > 0) return;
        for (int w = 1; w < Flat.Threads / Warp.Size; w++)
        {
            int other = (w * Warp.Size) + Warp.Lane;
            value = TPooling.Join(value, new(shared[other], shared[Flat.Threads + other]));
        }

        value = rows > 0 ? value * TPooling.Factor(rows) : Float8.Broadcast(0);
        TE.Store(y.SubView((long)sequence * width, width), chunk, Warp.Lane, width, value);
    }
}
