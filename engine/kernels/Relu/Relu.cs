using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The rectifier, <c>max(x, 0)</c>, element by element. NaN stays NaN.</summary>
/// <param name="x">Any shape.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct ReluForward(Tensor x, Tensor y) : IOperation
{
    static string IOperation.Name => "relu";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), x.Shape);
        operands.Expect(y, x.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, ReluFunction>(cpu, x, x, y);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(GpuKernels.Relu.For(x.DType), new() { X = x, Y = y, Count = x.Count }, Blocks(x.Count, FlatBlock));
}

/// <summary>The gradient of the rectifier, <c>dx (+)= dy</c> where the result is above 0, else 0.</summary>
/// <param name="y">The result of the forward pass.</param>
/// <param name="dy">The gradient of the result.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">The gradient of the operand; may be dy.</param>
public readonly unsafe struct ReluBackward(Tensor y, Tensor dy, bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "relu, gradient";

    OperationCost IOperation.Cost => new(dx.Shape, 0, 12.0 * dx.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(dy, operands.TypeOf(dy), y.Shape);
        operands.Expect(y, dy.DType, y.Shape);
        operands.Expect(dx, dy.DType, y.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, ReluGradient>(cpu, y, dy, dx, accumulate);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.ReluGradient.For(dy.DType),
            new() { Kept = y, Dy = dy, Dx = dx, Count = dx.Count, Accumulate = accumulate ? 1 : 0 }, Blocks(dx.Count, FlatBlock));
}
