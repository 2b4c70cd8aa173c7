using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>What the launches of attention's kernels share.</summary>
internal static class AttentionLaunch
{
    /// <summary>Queries or keys of a block.</summary>
    public const int Tile = 64;

    private const int LargestHead = 128;

    /// <summary>Bytes of shared memory for so many tiles of a head, and one of scores.</summary>
    public static int Shared(int tiles, int headSize) => sizeof(float) * Tile * ((tiles * ((headSize + 7) & ~3)) + Tile + 4);

    public static int HeadSize(Tensor y, AttentionHeads heads)
    {
        int headSize = y.Shape[1] / heads.Queries;
        return headSize <= LargestHead ? headSize : throw new NotSupportedException(
            $"attention heads of {headSize}: on the GPU their size is at most {LargestHead}; use more heads, or the CPU");
    }
}

/// <summary>The kernels of attention with a score modification for a type, a head size, and with dropout or without.</summary>
internal static class AttentionChoice<TMod>
    where TMod : unmanaged, IScoreModification<TMod>
{
    public static GpuKernel<AttentionKernelArguments> Forward(DType dtype, int headSize, bool dropout) => dropout
        ? For(
            dtype, headSize, GpuKernels<TMod>.AttentionDropout, GpuKernels<TMod>.AttentionDropout32,
            GpuKernels<TMod>.AttentionDropout64, GpuKernels<TMod>.AttentionDropout128)
        : For(
            dtype, headSize, GpuKernels<TMod>.Attention, GpuKernels<TMod>.Attention32, GpuKernels<TMod>.Attention64,
            GpuKernels<TMod>.Attention128);

    /// <summary>The gradients of keys and values.</summary>
    public static GpuKernel<AttentionKeysValuesGradientKernelArguments> KeysValues(DType dtype, int headSize, bool dropout) => dropout
        ? For(
            dtype, headSize, GpuKernels<TMod>.AttentionKeysValuesGradientDropout, GpuKernels<TMod>.AttentionKeysValuesGradientDropout32,
            GpuKernels<TMod>.AttentionKeysValuesGradientDropout64, GpuKernels<TMod>.AttentionKeysValuesGradientDropout128)
        : For(
            dtype, headSize, GpuKernels<TMod>.AttentionKeysValuesGradient, GpuKernels<TMod>.AttentionKeysValuesGradient32,
            GpuKernels<TMod>.AttentionKeysValuesGradient64, GpuKernels<TMod>.AttentionKeysValuesGradient128);

    /// <summary>The gradients of queries.</summary>
    public static GpuKernel<AttentionQueriesGradientKernelArguments> Queries(DType dtype, int headSize, bool dropout) => dropout
        ? For(
            dtype, headSize, GpuKernels<TMod>.AttentionQueriesGradientDropout, GpuKernels<TMod>.AttentionQueriesGradientDropout32,
            GpuKernels<TMod>.AttentionQueriesGradientDropout64, GpuKernels<TMod>.AttentionQueriesGradientDropout128)
        : For(
            dtype, headSize, GpuKernels<TMod>.AttentionQueriesGradient, GpuKernels<TMod>.AttentionQueriesGradient32,
            GpuKernels<TMod>.AttentionQueriesGradient64, GpuKernels<TMod>.AttentionQueriesGradient128);

    /// <summary>In fp32 one kernel for heads of any size, on tensor cores one for heads up to 32, 64 and 128.</summary>
    private static GpuKernel<TArguments> For<TArguments>(
        DType dtype, int headSize, GpuKernelFamily<TArguments> any, GpuKernelFamily<TArguments> to32, GpuKernelFamily<TArguments> to64,
        GpuKernelFamily<TArguments> to128)
        where TArguments : struct, IKernelArguments
        => (dtype == DType.F32 ? any : headSize <= 32 ? to32 : headSize <= 64 ? to64 : to128).For(dtype, 2 * headSize);
}
