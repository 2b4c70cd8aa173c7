using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary><c>y = factor · x</c>.</summary>
/// <param name="x">Any shape.</param>
/// <param name="factor">The factor.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct Scale(Tensor x, float factor, Tensor y) : IOperation
{
    static string IOperation.Name => "scale";

    OperationCost IOperation.Cost => new(x.Shape, 0, 8.0 * x.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), x.Shape);
        operands.Expect(y, x.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new ScaleJob<T>(x.Pointer<float>(), factor, y.Pointer<float>(), x.Count));

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(GpuKernels.Scale.For(x.DType), new() { X = x, Y = y, Count = x.Count, Factor = factor }, Blocks(x.Count, FlatBlock));
}
