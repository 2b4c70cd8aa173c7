namespace Engine.Kernels;

/// <summary>The runs that operations on single elements share.</summary>
internal static unsafe class ElementwiseRun
{
    /// <summary><c>y (+)= f(a, b)</c>; for functions of one value b is a.</summary>
    public static void OnCpu<T, TFunction>(CpuLauncher cpu, Tensor a, Tensor b, Tensor y, bool accumulate = false)
        where T : unmanaged, ISimd<T>
        where TFunction : struct, IElementwise
        => cpu.Run(new ElementwiseJob<T, TFunction>(a.Pointer<float>(), b.Pointer<float>(), y.Pointer<float>(), y.Count, accumulate));
}
