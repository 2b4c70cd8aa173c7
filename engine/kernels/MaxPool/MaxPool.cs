using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// The maximum over stretches of time, <c>y[b, p, c] = max_j x[b, p · width + j, c]</c> for j below width. What is left over at the end of
/// a sequence is not looked at. NaN is larger than any number.
/// </summary>
/// <param name="x">[batch · length, channels]: sequences of one length, one after the other.</param>
/// <param name="length">The length of a sequence.</param>
/// <param name="width">Positions of a stretch, at least 1.</param>
/// <param name="y">[batch · ⌊length / width⌋, channels].</param>
public readonly unsafe struct MaxPoolForward(Tensor x, int length, int width, Tensor y) : IOperation
{
    static string IOperation.Name => "max pool";

    OperationCost IOperation.Cost => new(y.Shape, 0, 4.0 * (x.Count + y.Count));

    void IOperation.Check(OperandCheck operands) => Stretches.Check(operands, x, nameof(x), length, width, y, nameof(y));

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new MaxPoolJob(x.Pointer<float>(), y.Pointer<float>(), y.Shape[0], x.Shape[1], length, width));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.MaxPool,
        new() { X = x, Y = y, Count = y.Count, Channels = x.Shape[1], Length = length, Width = width }, Blocks(y.Count, Windows.Block));
}

/// <summary>
/// The gradient of <see cref="MaxPoolForward"/>: the first of the largest elements of a stretch gets that of its maximum.
/// </summary>
/// <param name="x">What was pooled.</param>
/// <param name="dy">[batch · ⌊length / width⌋, channels].</param>
/// <param name="length">The length of a sequence.</param>
/// <param name="width">Positions of a stretch, at least 1.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">The shape of x.</param>
public readonly unsafe struct MaxPoolBackward(Tensor x, Tensor dy, int length, int width, bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "max pool, gradient";

    OperationCost IOperation.Cost => new(dx.Shape, 0, 4.0 * (x.Count + dx.Count + dy.Count));

    void IOperation.Check(OperandCheck operands)
    {
        Stretches.Check(operands, x, nameof(x), length, width, dy, nameof(dy));
        operands.Expect(dx, DType.F32, x.Shape);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) => cpu.Run(new MaxPoolGradientJob(
        x.Pointer<float>(), dy.Pointer<float>(), dx.Pointer<float>(), x.Shape[0] / length, x.Shape[1], length, width, accumulate));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.MaxPoolGradient,
        new()
        {
            X = x,
            Dy = dy,
            Dx = dx,
            Count = dx.Count,
            Channels = x.Shape[1],
            Length = length,
            Width = width,
            Accumulate = accumulate ? 1 : 0,
        },
        Blocks(dx.Count, Windows.Block));
}

/// <summary>What the operations on stretches share.</summary>
internal static class Stretches
{
    public static void Check(OperandCheck operands, Tensor rows, string rowsName, int length, int width, Tensor pooled, string pooledName)
    {
        if (width < 1 || length < 1) throw new ArgumentException($"length is {length}, width {width}: both are at least 1");
        if (rows.IsAbsent || rows.Shape.Rank != 2 || rows.Shape[0] % length != 0)
            throw new ArgumentException($"{rowsName} is {rows}, expected F32 [batch · {length}, channels]");
        operands.Expect(rows, DType.F32, rows.Shape, rowsName);
        operands.Expect(pooled, DType.F32, new Shape(rows.Shape[0] / length * (length / width), rows.Shape[1]), pooledName);
    }
}
