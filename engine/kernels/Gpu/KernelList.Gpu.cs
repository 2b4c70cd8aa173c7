using System.Reflection;

namespace Engine.Kernels.Gpu;

/// <summary>A kernel to compile: one method, closed over its type parameters.</summary>
/// <param name="Entry">The name under which it is launched.</param>
/// <param name="Method">The static method.</param>
/// <param name="Threads">The threads of a block.</param>
/// <param name="DynamicShared">Bytes of shared memory that the launch provides, beside those the kernel declares.</param>
/// <param name="BlocksPerMultiprocessor">Blocks that are to fit a multiprocessor at a time; it bounds the registers.</param>
/// <param name="Target">What GPUs it is for.</param>
internal sealed record KernelSource(string Entry, MethodInfo Method, int Threads, int DynamicShared, int BlocksPerMultiprocessor, KernelTarget Target);

/// <summary>Kernels to compile.</summary>
internal sealed class KernelList
{
    private readonly List<KernelSource> _kernels = [];

    public IReadOnlyList<KernelSource> Kernels => _kernels;

    public void Add(string entry, Delegate kernel, int threads, int dynamicShared = 0, int blocksPerMultiprocessor = 1) =>
        _kernels.Add(new(entry, kernel.Method, threads, dynamicShared, blocksPerMultiprocessor, KernelTarget.Any));

    /// <summary>Adds a kernel for GPUs of compute capability 9.0 alone.</summary>
    public void AddHopper(string entry, Delegate kernel, int threads, int dynamicShared, int blocksPerMultiprocessor) =>
        _kernels.Add(new(entry, kernel.Method, threads, dynamicShared, blocksPerMultiprocessor, KernelTarget.Hopper));

    /// <summary>
    /// All that are compiled ahead: every kernel in every element type, and attention with the score modifications of the models that the
    /// engine knows. Others are compiled by the program that uses them.
    /// </summary>
    public static KernelList All()
    {
        var list = new KernelList();
        AdamWKernels.Register(list);
        AttentionGradientKernels.Register(list);
        ScoreModificationKernels.Add<Alibi>(list);
        CrossEntropyKernels.Register(list);
        DropoutKernels.Register(list);
        ElementLossKernels.Register(list);
        ElementwiseKernels.Register(list);
        ElementwiseGradientKernels.Register(list);
        EmbeddingKernels.Register(list);
        EmbeddingGradientKernels.Register(list);
        LayerNormKernels.Register(list);
        LayerNormGradientKernels.Register(list);
        MatMulHopperKernels.Register(list);
        MatMulKernels.Register(list);
        MatMulTensorCoreKernels.Register(list);
        PoolingKernels.Register(list);
        PoolingGradientKernels.Register(list);
        RowsKernels.Register(list);
        SumRowsKernels.Register(list);
        return list;
    }
}
