using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// The transposed matrices of a batch, <c>y[b, c, r] (+)= x[b, r, c]</c>. Its gradient is the same with rows and columns exchanged.
/// </summary>
/// <param name="x">Matrices of so many rows and columns, one after the other; of any shape.</param>
/// <param name="rows">Rows of a matrix of x.</param>
/// <param name="columns">Columns of a matrix of x.</param>
/// <param name="accumulate">Whether to add to y.</param>
/// <param name="y">As many elements as x, of any shape; not x.</param>
public readonly unsafe struct TransposeMatrices(Tensor x, int rows, int columns, bool accumulate, Tensor y) : IOperation
{
    static string IOperation.Name => "transpose";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        if (rows < 1 || columns < 1 || x.Count % ((long)rows * columns) != 0 || x.Count != y.Count)
            throw new ArgumentException($"x is {x}, y {y}: expected as many whole matrices of {rows} × {columns}");
        operands.Expect(x, DType.F32, x.Shape);
        operands.Expect(y, DType.F32, y.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new TransposeJob(x.Pointer<float>(), y.Pointer<float>(), x.Count, rows, columns, accumulate));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.TransposeMatrices,
        new() { X = x, Y = y, Count = x.Count, Rows = rows, Columns = columns, Accumulate = accumulate ? 1 : 0 },
        Blocks(x.Count, Windows.Block));
}
