using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>Picks rows: <c>y[i] = x[rows[i]]</c>.</summary>
/// <param name="x">[n, width].</param>
/// <param name="rows">I32 [count], below n.</param>
/// <param name="y">[count, width].</param>
public readonly unsafe struct GatherRowsForward(Tensor x, Tensor rows, Tensor y) : IOperation
{
    static string IOperation.Name => "gather rows";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), new Shape(x.Shape[0], y.Shape[1]));
        operands.Expect(rows, DType.I32, new Shape(y.Shape[0]));
        operands.Expect(y, x.DType, new Shape(y.Shape[0], y.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        CpuLauncher.CheckRange(rows, x.Shape[0], "row");
        cpu.Run(new GatherRowsJob(x.Pointer<float>(), rows.Pointer<int>(), y.Pointer<float>(), y.Shape[0], y.Shape[1]));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int count = y.Shape[0], width = y.Shape[1];
        gpu.Launch(
            GpuKernels.GatherRows.For(x.DType, width),
            new() { X = x, Indices = rows, Y = y, Count = count, Rows = x.Shape[0], Width = width },
            Blocks((long)count * Chunks(width), WarpsPerBlock));
    }
}

/// <summary>Adds rows to those they were gathered from: <c>dx[rows[i]] += dy[i]</c>.</summary>
/// <param name="dy">[count, width].</param>
/// <param name="rows">I32 [count], distinct.</param>
/// <param name="dx">[n, width].</param>
public readonly unsafe struct GatherRowsBackward(Tensor dy, Tensor rows, Tensor dx) : IOperation
{
    static string IOperation.Name => "scatter rows";

    OperationCost IOperation.Cost => new(dy.Shape, 0, 12.0 * dy.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(dy, operands.TypeOf(dy), new Shape(rows.Shape[0], dx.Shape[1]));
        operands.Expect(rows, DType.I32, new Shape(rows.Shape[0]));
        operands.Expect(dx, dy.DType, new Shape(dx.Shape[0], dx.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new ScatterRowsJob<T>(dy.Pointer<float>(), rows.Pointer<int>(), dx.Pointer<float>(), dy.Shape[0], dy.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int count = dy.Shape[0], width = dy.Shape[1];
        gpu.Launch(
            GpuKernels.ScatterRows.For(dy.DType, width),
            new() { X = dy, Indices = rows, Y = dx, Count = count, Rows = dx.Shape[0], Width = width },
            Blocks((long)count * Chunks(width), WarpsPerBlock));
    }
}

/// <summary>The last row of each sequence, of which none is empty: what a causal model knows most at.</summary>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="rows">I32 [sequences].</param>
public readonly unsafe struct LastRows(CuSeqlens cuSeqlens, Tensor rows) : IOperation
{
    static string IOperation.Name => "last rows";

    OperationCost IOperation.Cost => new(rows.Shape, 0, 8.0 * rows.Count);

    void IOperation.Check(OperandCheck operands) => operands.Expect(rows, DType.I32, new Shape(cuSeqlens.Sequences));

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        int* borders = cuSeqlens.Borders.Pointer<int>(), result = rows.Pointer<int>();
        for (int s = 0; s < cuSeqlens.Sequences; s++)
            result[s] = borders[s + 1] > borders[s] ? borders[s + 1] - 1 : throw new ArgumentException($"sequence {s} is empty");
    }

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.LastRows,
        new() { CuSeqlens = cuSeqlens.Borders, Rows = rows, Sequences = cuSeqlens.Sequences }, Blocks(cuSeqlens.Sequences, Windows.Block));
}
