using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>What the launches of attention's kernels share.</summary>
internal static class AttentionLaunch
{
    /// <summary>Queries or keys of a block.</summary>
    public const int Tile = 64;

    private const int LargestHead = 128;

    /// <summary>Starts the arguments of a launch.</summary>
    public static KernelArguments Begin<TMod>(GpuLauncher gpu, HeadEntries entries, DType dtype, int headSize)
        where TMod : unmanaged, IScoreModification<TMod>
        => gpu.Begin<TMod>(entries.For(dtype, headSize), dtype, 2 * headSize);

    /// <summary>Bytes of shared memory for so many tiles of a head, and one of scores.</summary>
    public static int Shared(int tiles, int headSize) => sizeof(float) * Tile * ((tiles * ((headSize + 7) & ~3)) + Tile + 4);

    public static int HeadSize(Tensor y, int heads)
    {
        int headSize = y.Shape[1] / heads;
        return headSize <= LargestHead ? headSize : throw new NotSupportedException(
            $"attention heads of {headSize}: on the GPU their size is at most {LargestHead}; use more heads, or the CPU");
    }
}

/// <summary>The names of the kernels of a score modification.</summary>
internal static class AttentionEntries<TMod>
    where TMod : unmanaged, IScoreModification<TMod>
{
    private static readonly string Name = ScoreModificationName<TMod>.Value;

    private static readonly HeadEntries Forwards = new("attention_" + Name), KeysValuesGradient = new("attention_keys_values_gradient_" + Name),
        QueriesGradient = new("attention_queries_gradient_" + Name), DropoutForwards = new($"attention_{Name}_dropout"),
        DropoutKeysValues = new(
            $"attention_keys_values_gradient_{Name}_dropout"), DropoutQueries = new($"attention_queries_gradient_{Name}_dropout");

    public static HeadEntries Forward(in AttentionDropout dropout) => dropout.IsActive ? DropoutForwards : Forwards;

    public static HeadEntries KeysValues(in AttentionDropout dropout) => dropout.IsActive ? DropoutKeysValues : KeysValuesGradient;

    public static HeadEntries Queries(in AttentionDropout dropout) => dropout.IsActive ? DropoutQueries : QueriesGradient;
}

/// <summary>A kernel of attention: in fp32 for heads of any size, on tensor cores for heads up to a size.</summary>
internal sealed class HeadEntries(string name)
{
    private readonly KernelEntries _any = new(name), _32 = new(name + "_32"), _64 = new(name + "_64"), _128 = new(name + "_128");

    public KernelEntries For(DType dtype, int headSize) => dtype == DType.F32 ? _any : headSize <= 32 ? _32 : headSize <= 64 ? _64 : _128;
}
