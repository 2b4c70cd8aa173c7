using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// Numbers in another type: from F32 to that of activations, rounded to nearest even, or back. The CPU backend has one type of numbers,
/// which are copied.
/// </summary>
/// <param name="x">Any shape.</param>
/// <param name="y">The shape of x, of the other type.</param>
public readonly unsafe struct Cast(Tensor x, Tensor y) : IOperation
{
    static string IOperation.Name => "cast";

    OperationCost IOperation.Cost => new(y.Shape, 0, x.Bytes + y.Bytes);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), x.Shape);
        operands.Expect(y, operands.TypeOf(y), x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new CopyJob((byte*)x.Pointer<float>(), (byte*)y.Pointer<float>(), x.Bytes));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        if (x.DType == y.DType)
        {
            gpu.Copy(x, y);
            return;
        }

        gpu.Launch(
            x.DType == DType.F32 ? GpuKernels.CastF32Bf16 : GpuKernels.CastBf16F32, new() { X = x, Y = y, Count = x.Count },
            Blocks(x.Count, FlatBlock));
    }
}
