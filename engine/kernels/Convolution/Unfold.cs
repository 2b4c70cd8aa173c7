using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// The windows of a convolution over time, one a row: <c>y[b, t, c · width + j] = x[b, t + j, c]</c> for the positions t at which a window
/// lies within its sequence («im2col»). A convolution is then a matrix product with its weight, [out, channels · width].
/// </summary>
/// <param name="x">[batch · length, channels]: sequences of one length, one after the other.</param>
/// <param name="length">The length of a sequence, at least width.</param>
/// <param name="width">Positions of a window.</param>
/// <param name="y">[batch · (length − width + 1), channels · width].</param>
public readonly unsafe struct Unfold(Tensor x, int length, int width, Tensor y) : IOperation
{
    static string IOperation.Name => "unfold";

    OperationCost IOperation.Cost => new(y.Shape, 0, 4.0 * (x.Count + y.Count));

    void IOperation.Check(OperandCheck operands) => Windows.Check(operands, x, nameof(x), length, width, y, nameof(y));

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new UnfoldJob(x.Pointer<float>(), y.Pointer<float>(), y.Shape[0], x.Shape[1], length, width));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.Unfold,
        new() { X = x, Y = y, Count = y.Count, Channels = x.Shape[1], Length = length, Width = width }, Blocks(y.Count, Windows.Block));
}

/// <summary>
/// The gradient of <see cref="Unfold"/>: <c>dx[b, t, c] (+)= Σ_j dy[b, t − j, c · width + j]</c> over the windows that t lies in.
/// </summary>
/// <param name="dy">[batch · (length − width + 1), channels · width].</param>
/// <param name="length">The length of a sequence, at least width.</param>
/// <param name="width">Positions of a window.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">[batch · length, channels].</param>
public readonly unsafe struct Fold(Tensor dy, int length, int width, bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "fold";

    OperationCost IOperation.Cost => new(dx.Shape, dy.Count, 4.0 * (dx.Count + dy.Count));

    void IOperation.Check(OperandCheck operands) => Windows.Check(operands, dx, nameof(dx), length, width, dy, nameof(dy));

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new FoldJob(dy.Pointer<float>(), dx.Pointer<float>(), dx.Shape[0], dx.Shape[1], length, width, accumulate));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.Fold,
        new()
        {
            Dy = dy,
            Dx = dx,
            Count = dx.Count,
            Channels = dx.Shape[1],
            Length = length,
            Width = width,
            Accumulate = accumulate ? 1 : 0,
        },
        Blocks(dx.Count, Windows.Block));
}

/// <summary>What the operations on windows share.</summary>
internal static class Windows
{
    /// <summary>Elements of a block on a GPU.</summary>
    public const int Block = 256;

    /// <summary>Holds the rows of sequences and those of their windows against each other.</summary>
    public static void Check(OperandCheck operands, Tensor rows, string rowsName, int length, int width, Tensor windows, string windowsName)
    {
        if (width < 1 || length < width) throw new ArgumentException($"length is {length}, width {width}: a window has to fit a sequence");
        if (rows.IsAbsent || rows.Shape.Rank != 2 || rows.Shape[0] % length != 0)
            throw new ArgumentException($"{rowsName} is {rows}, expected F32 [batch · {length}, channels]");
        operands.Expect(rows, DType.F32, rows.Shape, rowsName);
        operands.Expect(
            windows, DType.F32, new Shape(rows.Shape[0] / length * (length - width + 1), rows.Shape[1] * width), windowsName);
    }
}
