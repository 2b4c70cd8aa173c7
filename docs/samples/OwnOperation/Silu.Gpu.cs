using Engine.Kernels;
using Engine.Kernels.Gpu;
using ILGPU;

namespace OwnOperation;

/// <summary>SiLU on a GPU, or with dy its gradient: a thread an element.</summary>
internal static class SiluKernel
{
    private const int Threads = 256;

    private static readonly GpuKernel<SiluArguments> Kernel = new(Run, Threads);

    public static void Launch(GpuLauncher gpu, Tensor x, Tensor dy, Tensor result) =>
        gpu.Launch(Kernel, new() { X = x, Dy = dy, Result = result, Count = x.Count }, (x.Count + Threads - 1) / Threads);

    private static void Run(ArrayView<float> x, ArrayView<float> dy, ArrayView<float> result, long count)
    {
        long i = ((long)Grid.IdxX * Threads) + Group.IdxX;
        if (i >= count) return;
        result[i] = dy.Length > 0 ? SiluFormula.Gradient<GpuFloat>(x[i], dy[i]).Value : SiluFormula.Value<GpuFloat>(x[i]).Value;
    }
}

/// <summary>The arguments of <see cref="SiluKernel"/>, in the order of its parameters.</summary>
internal readonly struct SiluArguments : IKernelArguments
{
    public required Tensor X { get; init; }

    public required Tensor Dy { get; init; }

    public required Tensor Result { get; init; }

    public required long Count { get; init; }

    public void Write(KernelArguments arguments)
    {
        arguments.Add(X);
        arguments.Add(Dy);
        arguments.Add(Result);
        arguments.Add(Count);
    }
}
