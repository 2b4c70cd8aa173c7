using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>How the vectors of a sequence's tokens become one.</summary>
public enum Pooling
{
    /// <summary>The mean over all tokens, special ones included.</summary>
    Mean,

    /// <summary>The first token, [CLS].</summary>
    Cls,

    /// <summary>The largest value of each component.</summary>
    Max,
}

/// <summary>Pools each sequence to one vector.</summary>
/// <param name="x">[tokens, width].</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="pooling">How; an empty sequence gives zeros.</param>
/// <param name="y">[sequences, width].</param>
public readonly unsafe struct PoolingForward(Tensor x, CuSeqlens cuSeqlens, Pooling pooling, Tensor y) : IOperation
{
    static string IOperation.Name => "pool";

    OperationCost IOperation.Cost => new(y.Shape, 0, 4.0 * x.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, operands.TypeOf(x), new Shape(cuSeqlens.Tokens, y.Shape[1]));
        operands.Expect(y, x.DType, new Shape(cuSeqlens.Sequences, y.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new PoolingJob<T>(
            x.Pointer<float>(), cuSeqlens.Borders.Pointer<int>(), cuSeqlens.Sequences, y.Shape[1], pooling, y.Pointer<float>()));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int width = y.Shape[1];
        gpu.Launch(
            (pooling == Pooling.Mean ? GpuKernels.PoolMean : GpuKernels.PoolMax).For(x.DType, width),
            new() { X = x, CuSeqlens = cuSeqlens.Borders, Y = y, Width = width, Limit = pooling == Pooling.Cls ? 1 : int.MaxValue },
            Chunks(width), cuSeqlens.Sequences);
    }
}

/// <summary>The gradient of mean or CLS pooling.</summary>
/// <param name="dy">[sequences, width].</param>
/// <param name="cuSeqlens">The borders of the sequences.</param>
/// <param name="pooling">Not the maximum, which has none.</param>
/// <param name="accumulate">Whether to add to dx.</param>
/// <param name="dx">[tokens, width].</param>
public readonly unsafe struct PoolingBackward(Tensor dy, CuSeqlens cuSeqlens, Pooling pooling, bool accumulate, Tensor dx) : IOperation
{
    static string IOperation.Name => "pool, gradient";

    OperationCost IOperation.Cost => new(dx.Shape, 0, 4.0 * dx.Count);

    void IOperation.Check(OperandCheck operands)
    {
        if (pooling == Pooling.Max) throw new ArgumentException("the pooling of the maximum has no gradient");
        operands.Expect(dy, operands.TypeOf(dy), new Shape(cuSeqlens.Sequences, dx.Shape[1]));
        operands.Expect(dx, dy.DType, new Shape(cuSeqlens.Tokens, dx.Shape[1]));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new PoolingGradientJob<T>(
            dy.Pointer<float>(), cuSeqlens.Borders.Pointer<int>(), cuSeqlens.Sequences, dy.Shape[1], pooling, dx.Pointer<float>(),
            accumulate));

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        int width = dy.Shape[1];
        gpu.Launch(
            GpuKernels.PoolGradient.For(dy.DType, width),
            new()
            {
                Dy = dy,
                CuSeqlens = cuSeqlens.Borders,
                Dx = dx,
                Width = width,
                Limit = pooling == Pooling.Cls ? 1 : int.MaxValue,
                Accumulate = accumulate ? 1 : 0,
            },
            Blocks((long)cuSeqlens.Longest * Chunks(width), WarpsPerBlock), cuSeqlens.Sequences);
    }
}
