using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary><c>y = factor · x</c>.</summary>
/// <param name="x">Any shape.</param>
/// <param name="factor">The factor.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct Scale(Tensor x, float factor, Tensor y) : IOperation
{
    private static readonly KernelEntries Entries = new("scale");

    static string IOperation.Name => "scale";

    OperationCost IOperation.Cost => new(x.Shape, 0, 8.0 * x.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), x.Shape);
        operands.Expect(y, x.DType, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new ScaleJob<T>(x.Pointer<float>(), factor, y.Pointer<float>(), x.Count));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        KernelArguments a = gpu.Begin(Entries, x.DType);
        a.View(x);
        a.View(y);
        a.I64(x.Count);
        a.F32(factor);
        gpu.Launch(Blocks(x.Count, FlatBlock));
    }
}
