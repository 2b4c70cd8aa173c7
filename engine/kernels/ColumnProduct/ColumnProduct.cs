using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>A range of columns of a matrix.</summary>
/// <param name="Matrix">F32 [rows, columns].</param>
/// <param name="First">The first column.</param>
public readonly record struct Columns(Tensor Matrix, int First)
{
    internal void Check(OperandCheck operands, int rows, int width, string name)
    {
        if (Matrix.IsAbsent || Matrix.Shape.Rank != 2 || First < 0 || First + (long)width > Matrix.Shape[1])
            throw new ArgumentException($"{name} is {Matrix} from column {First}: it has no {width} columns there");
        operands.Expect(Matrix, DType.F32, new Shape(rows, Matrix.Shape[1]), name);
    }
}

/// <summary>The product, element by element, of ranges of columns: <c>y[r, i] (+)= x[r, i] · z[r, i]</c>. Gates are made of it.</summary>
/// <param name="x">A range.</param>
/// <param name="z">A range of a matrix with as many rows; may be of the same one.</param>
/// <param name="width">Columns of each range.</param>
/// <param name="accumulate">Whether to add to y.</param>
/// <param name="y">A range of a matrix with as many rows; of another one, or one that is none of the ranges that are read.</param>
public readonly unsafe struct MultiplyColumns(Columns x, Columns z, int width, bool accumulate, Columns y) : IOperation
{
    static string IOperation.Name => "multiply columns";

    OperationCost IOperation.Cost => new(new Shape(y.Matrix.Shape[0], width), 0, 12.0 * y.Matrix.Shape[0] * width);

    void IOperation.Check(OperandCheck operands)
    {
        int rows = y.Matrix.Shape[0];
        x.Check(operands, rows, width, nameof(x));
        z.Check(operands, rows, width, nameof(z));
        y.Check(operands, rows, width, nameof(y));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new MultiplyColumnsJob<T>(
        x.Matrix.Pointer<float>() + x.First, x.Matrix.Shape[1], z.Matrix.Pointer<float>() + z.First, z.Matrix.Shape[1],
        y.Matrix.Pointer<float>() + y.First, y.Matrix.Shape[1], y.Matrix.Shape[0], width, accumulate));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        long count = (long)y.Matrix.Shape[0] * width;
        gpu.Launch(
            GpuKernels.MultiplyColumns,
            new()
            {
                X = x.Matrix,
                Z = z.Matrix,
                Y = y.Matrix,
                Count = count,
                Width = width,
                XFirst = x.First,
                XColumns = x.Matrix.Shape[1],
                ZFirst = z.First,
                ZColumns = z.Matrix.Shape[1],
                YFirst = y.First,
                YColumns = y.Matrix.Shape[1],
                Accumulate = accumulate ? 1 : 0,
            },
            Blocks(count, Windows.Block));
    }
}
