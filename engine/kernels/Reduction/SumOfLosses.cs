using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>Writes the sum of losses to a place among those of other passes.</summary>
/// <param name="losses">Of any shape.</param>
/// <param name="place">I32 [1]: where; inside of sums.</param>
/// <param name="sums">F64 [passes].</param>
public readonly unsafe struct SumOfLosses(Tensor losses, Tensor place, Tensor sums) : IOperation
{
    static string IOperation.Name => "sum of losses";

    OperationCost IOperation.Cost => new(losses.Shape, 0, 4.0 * losses.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(losses, DType.F32, losses.Shape);
        operands.Expect(place, DType.I32, new Shape(1));
        operands.Expect(sums, DType.F64, new Shape(sums.Shape[0]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        double sum = 0;
        foreach (float loss in losses.Span<float>()) sum += loss;
        sums.Span<double>()[*place.Pointer<int>()] = sum;
    }

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.SumOfLosses, new() { Losses = losses, Place = place, Sums = sums, Count = checked((int)losses.Count) }, 1);
}
