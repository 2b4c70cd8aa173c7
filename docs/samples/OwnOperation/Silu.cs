using Engine.Kernels;

namespace OwnOperation;

/// <summary>SiLU, <c>y = x · σ(x)</c> with <c>σ(x) = 1 / (1 + exp(−x))</c> (arXiv 1702.03118), element by element.</summary>
/// <param name="x">Any shape.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct SiluForward(Tensor x, Tensor y) : IOperation
{
    static string IOperation.Name => "silu";

    OperationCost IOperation.Cost => new(y.Shape, 4.0 * y.Count, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, DType.F32, x.Shape);
        operands.Expect(y, DType.F32, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new SiluJob<T>(x.Pointer<float>(), null, y.Pointer<float>(), x.Count));

    void IOperation.RunOnGpu(GpuLauncher gpu) => SiluKernel.Launch(gpu, x, default, y);
}

/// <summary>The gradient of SiLU, <c>dx = dy · σ(x) · (1 + x · (1 − σ(x)))</c>.</summary>
/// <param name="x">What was activated.</param>
/// <param name="dy">The gradient of the result.</param>
/// <param name="dx">The shape of x; may be dy.</param>
public readonly unsafe struct SiluBackward(Tensor x, Tensor dy, Tensor dx) : IOperation
{
    static string IOperation.Name => "silu, gradient";

    OperationCost IOperation.Cost => new(dx.Shape, 8.0 * dx.Count, 12.0 * dx.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, DType.F32, x.Shape);
        operands.Expect(dy, DType.F32, x.Shape);
        operands.Expect(dx, DType.F32, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new SiluJob<T>(x.Pointer<float>(), dy.Pointer<float>(), dx.Pointer<float>(), x.Count));

    void IOperation.RunOnGpu(GpuLauncher gpu) => SiluKernel.Launch(gpu, x, dy, dx);
}

/// <summary>The formulas, one source for the CPU and the GPU.</summary>
internal static class SiluFormula
{
    public static T Value<T>(T x)
        where T : unmanaged, IReal<T>
        => x / (1f + T.Exp(-x));

    public static T Gradient<T>(T x, T dy)
        where T : unmanaged, IReal<T>
    {
        T sigmoid = 1f / (1f + T.Exp(-x));
        return dy * sigmoid * (1f + (x * (1f - sigmoid)));
    }
}
