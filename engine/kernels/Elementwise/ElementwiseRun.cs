using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The runs that operations on single elements share.</summary>
internal static unsafe class ElementwiseRun
{
    /// <summary><c>y (+)= f(a, b)</c>; for functions of one value b is a.</summary>
    public static void OnCpu<T, TFunction>(CpuLauncher cpu, Tensor a, Tensor b, Tensor y, bool accumulate = false)
        where T : unmanaged, ISimd<T>
        where TFunction : struct, IElementwise
        => cpu.Run(new ElementwiseJob<T, TFunction>(a.Pointer<float>(), b.Pointer<float>(), y.Pointer<float>(), y.Count, accumulate));

    /// <summary><c>y = f(x)</c>.</summary>
    public static void OnGpu(GpuLauncher gpu, KernelEntries entries, Tensor x, Tensor y)
    {
        KernelArguments a = gpu.Begin(entries, x.DType);
        a.View(x);
        a.View(y);
        a.I64(x.Count);
        gpu.Launch(Blocks(x.Count, FlatBlock));
    }

    /// <summary><c>dx (+)= f'(kept, dy)</c>.</summary>
    public static void GradientOnGpu(GpuLauncher gpu, KernelEntries entries, Tensor kept, Tensor dy, Tensor dx, bool accumulate)
    {
        KernelArguments a = gpu.Begin(entries, dy.DType);
        a.View(kept);
        a.View(dy);
        a.View(dx);
        a.I64(dx.Count);
        a.I32(accumulate ? 1 : 0);
        gpu.Launch(Blocks(dx.Count, FlatBlock));
    }
}
