using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary><c>y = x + z</c>.</summary>
/// <param name="x">Any shape.</param>
/// <param name="z">The shape of x.</param>
/// <param name="y">The shape of x; may be either.</param>
public readonly unsafe struct Add(Tensor x, Tensor z, Tensor y) : IOperation
{
    static string IOperation.Name => "add";

    OperationCost IOperation.Cost => new(y.Shape, 0, 12.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(z, operands.TypeOf(z), x.Shape);
        operands.Expect(x, z.DType, x.Shape);
        operands.Expect(y, z.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        ElementwiseRun.OnCpu<T, AddFunction>(cpu, x, z, y);

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(GpuKernels.Add.For(x.DType), new() { X = x, Z = z, Y = y, Count = x.Count }, Blocks(x.Count, FlatBlock));
}
