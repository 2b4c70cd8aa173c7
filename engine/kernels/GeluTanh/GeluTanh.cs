using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>GELU in its tanh form, <c>0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³)))</c> (Hendrycks and Gimpel, arXiv 1606.08415), element by
/// element: what HyenaDNA is trained with. The exact form is <see cref="GeluForward"/>.</summary>
/// <param name="x">Any shape.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct GeluTanhForward(Tensor x, Tensor y) : IOperation
{
    static string IOperation.Name => "gelu, tanh form";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), x.Shape);
        operands.Expect(y, x.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, GeluTanhFunction>(cpu, x, x, y);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(GpuKernels.GeluTanh.For(x.DType), new() { X = x, Y = y, Count = x.Count }, Blocks(x.Count, FlatBlock));
}

/// <summary>The gradient of <see cref="GeluTanhForward"/>.</summary>
/// <param name="x">What was activated.</param>
/// <param name="dy">The gradient of the result.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">The gradient of the operand; may be dy.</param>
public readonly unsafe struct GeluTanhBackward(Tensor x, Tensor dy, bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "gelu, tanh form, gradient";

    OperationCost IOperation.Cost => new(dx.Shape, 0, 12.0 * dx.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(dy, operands.TypeOf(dy), x.Shape);
        operands.Expect(x, dy.DType, x.Shape);
        operands.Expect(dx, dy.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, GeluTanhGradient>(cpu, x, dy, dx, accumulate);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.GeluTanhGradient.For(dy.DType),
            new() { Kept = x, Dy = dy, Dx = dx, Count = dx.Count, Accumulate = accumulate ? 1 : 0 }, Blocks(dx.Count, FlatBlock));
}
