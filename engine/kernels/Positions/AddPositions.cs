using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// Learned positions, <c>y[t] = x[t] + table[p]</c> for a token at position p of its sequence, from 0 (BERT; Devlin et al., arXiv
/// 1810.04805).
/// </summary>
/// <param name="x">[tokens, width].</param>
/// <param name="cuSeqlens">The borders of the sequences, none of which is longer than the table.</param>
/// <param name="table">[positions, width].</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct AddPositions(Tensor x, CuSeqlens cuSeqlens, Tensor table, Tensor y) : IOperation
{
    static string IOperation.Name => "positions";

    OperationCost IOperation.Cost => new(y.Shape, 0, 12.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), new Shape(cuSeqlens.Tokens, y.Shape[1]));
        operands.Expect(y, x.DType, x.Shape);
        operands.Expect(table, x.DType, new Shape(table.Shape[0], y.Shape[1]));
        PositionTable.Check(cuSeqlens, table.Shape[0]);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new AddPositionsJob<T>(
        x.Pointer<float>(), cuSeqlens.Borders.Pointer<int>(), table.Pointer<float>(), y.Pointer<float>(), cuSeqlens.Tokens, y.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int width = y.Shape[1], longest = cuSeqlens.Longest;
        gpu.Launch(
            GpuKernels.AddPositions.For(x.DType, width),
            new() { X = x, CuSeqlens = cuSeqlens.Borders, Table = table, Y = y, Positions = table.Shape[0], Width = width },
            Blocks((long)longest * Chunks(width), WarpsPerBlock), cuSeqlens.Sequences);
    }
}

/// <summary>Adds to the gradient of learned positions: <c>dtable[p] += Σ dy[t]</c> over the tokens at position p.</summary>
/// <param name="dy">[tokens, width].</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="dtable">F32 [positions, width].</param>
public readonly unsafe struct AddPositionsBackward(Tensor dy, CuSeqlens cuSeqlens, Tensor dtable) : IOperation
{
    static string IOperation.Name => "positions, gradient";

    OperationCost IOperation.Cost => new(dy.Shape, 0, 12.0 * dy.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(dy, operands.TypeOf(dy), new Shape(cuSeqlens.Tokens, dtable.Shape[1]));
        operands.Expect(dtable, DType.F32, new Shape(dtable.Shape[0], dy.Shape[1]));
        PositionTable.Check(cuSeqlens, dtable.Shape[0]);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new AddPositionsGradientJob<T>(
        dy.Pointer<float>(), cuSeqlens.Borders.Pointer<int>(), dtable.Pointer<float>(), cuSeqlens.Sequences, dy.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int width = dy.Shape[1];
        gpu.Launch(
            GpuKernels.AddPositionsGradient.For(dy.DType, width),
            new() { Dy = dy, CuSeqlens = cuSeqlens.Borders, Dtable = dtable, Sequences = cuSeqlens.Sequences, Width = width },
            Math.Min(cuSeqlens.Longest, dtable.Shape[0]), Chunks(width));
    }
}

/// <summary>What positions and their gradient expect alike.</summary>
internal static class PositionTable
{
    public static void Check(in CuSeqlens cuSeqlens, int positions)
    {
        if (cuSeqlens.LongestSequence > positions)
            throw new ArgumentException(
                $"the longest sequence has {cuSeqlens.LongestSequence} tokens, there are positions for {positions}; give shorter ones");
    }
}
