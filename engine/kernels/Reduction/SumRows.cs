using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>Adds the sum over the rows: <c>y += Σ x[r]</c>, the gradient of a bias.</summary>
/// <param name="x">[rows, width].</param>
/// <param name="y">[width].</param>
public readonly unsafe struct SumRows(Tensor x, Tensor y) : IOperation
{
    static string IOperation.Name => "sum of rows";

    OperationCost IOperation.Cost => new(x.Shape, 0, 4.0 * x.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), new Shape(x.Shape[0], y.Shape[0]));
        operands.Expect(y, DType.F32, new Shape(y.Shape[0]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new SumRowsJob<T>(x.Pointer<float>(), y.Pointer<float>(), x.Shape[0], x.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int parts = RowParts.Of(x.Shape[0]);
        if (parts == 1)
        {
            RowParts.Sum(gpu, x, y, x.Shape[0], x.Shape[1], 1, accumulate: true);
            return;
        }

        Tensor partial = gpu.Rent(new Shape(parts, x.Shape[1]), DType.F32);
        RowParts.Sum(gpu, x, partial, x.Shape[0], x.Shape[1], parts, accumulate: false);
        RowParts.Sum(gpu, partial, y, parts, x.Shape[1], 1, accumulate: true);
    }
}

/// <summary>Sums over rows on a GPU: parts of the rows, each summed on its own.</summary>
internal static class RowParts
{
    private const int RowsPerPart = 256, MaxParts = 64, RowsPerTile = 128;

    /// <summary>How many parts.</summary>
    public static int Of(int rows) => (int)Math.Clamp(Blocks(rows, RowsPerPart), 1, MaxParts);

    /// <summary>The rows of a part, such that rows of 0 that fill the last tile change no sum.</summary>
    public static int Rows(int rows, int parts) => (int)Blocks(Blocks(rows, RowsPerTile) * RowsPerTile, parts);

    /// <summary>Sums each part. x: [rows, width]; y: [parts, width].</summary>
    public static void Sum(GpuLauncher gpu, Tensor x, Tensor y, int rows, int width, int parts, bool accumulate) =>
        gpu.Launch(
            GpuKernels.SumRows.For(x.DType),
            new() { X = x, Y = y, Rows = rows, Width = width, RowsPerPart = Rows(rows, parts), Accumulate = accumulate ? 1 : 0 },
            Chunks(width), parts);
}
