using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The exact (erf) GELU, element by element.</summary>
/// <param name="x">Any shape.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct GeluForward(Tensor x, Tensor y) : IOperation
{
    static string IOperation.Name => "gelu";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), x.Shape);
        operands.Expect(y, x.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, GeluFunction>(cpu, x, x, y);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(GpuKernels.Gelu.For(x.DType), new() { X = x, Y = y, Count = x.Count }, Blocks(x.Count, FlatBlock));
}

/// <summary>The gradient of GELU.</summary>
/// <param name="x">What was activated.</param>
/// <param name="dy">The gradient of the result.</param>
/// <param name="dx">May be dy or x.</param>
public readonly unsafe struct GeluBackward(Tensor x, Tensor dy, Tensor dx) : IOperation
{
    static string IOperation.Name => "gelu, gradient";

    OperationCost IOperation.Cost => new(dx.Shape, 0, 12.0 * dx.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(dy, operands.TypeOf(dy), x.Shape);
        operands.Expect(x, dy.DType, x.Shape);
        operands.Expect(dx, dy.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, GeluGradient>(cpu, x, dy, dx);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.GeluGradient.For(dy.DType), new() { Kept = x, Dy = dy, Dx = dx, Count = dx.Count, Accumulate = 0 },
            Blocks(dx.Count, FlatBlock));
}
