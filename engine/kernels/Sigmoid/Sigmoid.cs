using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The logistic function, <c>σ(x) = 1 / (1 + exp(−x))</c>, element by element.</summary>
/// <param name="x">Any shape.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct SigmoidForward(Tensor x, Tensor y) : IOperation
{
    static string IOperation.Name => "sigmoid";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), x.Shape);
        operands.Expect(y, x.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, SigmoidFunction>(cpu, x, x, y);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(GpuKernels.Sigmoid.For(x.DType), new() { X = x, Y = y, Count = x.Count }, Blocks(x.Count, FlatBlock));
}

/// <summary>The gradient of the logistic function, <c>dx (+)= dy · y · (1 − y)</c>.</summary>
/// <param name="y">The result of the forward pass.</param>
/// <param name="dy">The gradient of the result.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">The gradient of the operand; may be dy.</param>
public readonly unsafe struct SigmoidBackward(Tensor y, Tensor dy, bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "sigmoid, gradient";

    OperationCost IOperation.Cost => new(dx.Shape, 0, 12.0 * dx.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(dy, operands.TypeOf(dy), y.Shape);
        operands.Expect(y, dy.DType, y.Shape);
        operands.Expect(dx, dy.DType, y.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, SigmoidGradient>(cpu, y, dy, dx, accumulate);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.SigmoidGradient.For(dy.DType),
            new() { Kept = y, Dy = dy, Dx = dx, Count = dx.Count, Accumulate = accumulate ? 1 : 0 }, Blocks(dx.Count, FlatBlock));
}
