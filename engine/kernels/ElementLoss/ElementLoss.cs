using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>The binary cross-entropy of each logit, <c>weight · (max(x, 0) − x t + log(1 + exp(−|x|)))</c>.</summary>
/// <param name="logits">x, of any shape.</param>
/// <param name="targets">t, of the same shape; from 0 to 1.</param>
/// <param name="weights">The same shape, or absent: all 1.</param>
/// <param name="losses">The same shape.</param>
public readonly unsafe struct BinaryCrossEntropyForward(Tensor logits, Tensor targets, Tensor weights, Tensor losses) : IOperation
{
    static string IOperation.Name => "binary cross-entropy";

    OperationCost IOperation.Cost => new(logits.Shape, 0, 12.0 * logits.Count);

    void IOperation.Check(OperandCheck operands)
    {
        ElementLossRun.Check(operands, logits, targets, weights, losses);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new ElementLossJob<BinaryCrossEntropyLoss>(
            logits.Pointer<float>(), targets.Pointer<float>(), weights.Pointer<float>(), losses.Pointer<float>(), logits.Count));

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.BinaryCrossEntropy.For(logits.DType),
            new() { X = logits, Targets = targets, Weights = weights, Losses = losses, Count = checked((int)logits.Count) },
            Blocks(logits.Count, ElementLossRun.Block));
}

/// <summary>The gradient of <see cref="BinaryCrossEntropyForward"/>, <c>scale · weight · (σ(x) − t)</c>.</summary>
/// <param name="logits">x, of any shape.</param>
/// <param name="targets">t, of the same shape.</param>
/// <param name="weights">The same shape, or absent: all 1.</param>
/// <param name="scale">[1], the factor of all.</param>
/// <param name="dlogits">The same shape; may be logits.</param>
public readonly unsafe struct BinaryCrossEntropyBackward(
    Tensor logits, Tensor targets, Tensor weights, Tensor scale, Tensor dlogits) : IOperation
{
    static string IOperation.Name => "binary cross-entropy, gradient";

    OperationCost IOperation.Cost => new(logits.Shape, 0, 12.0 * logits.Count);

    void IOperation.Check(OperandCheck operands)
    {
        ElementLossRun.Check(operands, logits, targets, weights, dlogits);
        operands.Expect(scale, DType.F32, new Shape(1));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new ElementLossGradientJob<BinaryCrossEntropyLoss>(
            logits.Pointer<float>(), targets.Pointer<float>(), weights.Pointer<float>(), *scale.Pointer<float>(), dlogits.Pointer<float>(),
            logits.Count));

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.BinaryCrossEntropyGradient.For(logits.DType),
            new() { X = logits, Targets = targets, Weights = weights, Scale = scale, Dx = dlogits, Count = checked((int)logits.Count) },
            Blocks(logits.Count, ElementLossRun.Block));
}

/// <summary>The squared error of each prediction, <c>weight · (x − t)²</c>.</summary>
/// <param name="x">Of any shape.</param>
/// <param name="targets">t, of the same shape.</param>
/// <param name="weights">The same shape, or absent: all 1.</param>
/// <param name="losses">The same shape.</param>
public readonly unsafe struct SquaredErrorForward(Tensor x, Tensor targets, Tensor weights, Tensor losses) : IOperation
{
    static string IOperation.Name => "squared error";

    OperationCost IOperation.Cost => new(x.Shape, 0, 12.0 * x.Count);

    void IOperation.Check(OperandCheck operands)
    {
        ElementLossRun.Check(operands, x, targets, weights, losses);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new ElementLossJob<SquaredErrorLoss>(
            x.Pointer<float>(), targets.Pointer<float>(), weights.Pointer<float>(), losses.Pointer<float>(), x.Count));

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.SquaredError.For(x.DType),
            new() { X = x, Targets = targets, Weights = weights, Losses = losses, Count = checked((int)x.Count) },
            Blocks(x.Count, ElementLossRun.Block));
}

/// <summary>The gradient of <see cref="SquaredErrorForward"/>, <c>scale · weight · 2 (x − t)</c>.</summary>
/// <param name="x">Of any shape.</param>
/// <param name="targets">t, of the same shape.</param>
/// <param name="weights">The same shape, or absent: all 1.</param>
/// <param name="scale">[1], the factor of all.</param>
/// <param name="dx">The same shape; may be x.</param>
public readonly unsafe struct SquaredErrorBackward(Tensor x, Tensor targets, Tensor weights, Tensor scale, Tensor dx) : IOperation
{
    static string IOperation.Name => "squared error, gradient";

    OperationCost IOperation.Cost => new(x.Shape, 0, 12.0 * x.Count);

    void IOperation.Check(OperandCheck operands)
    {
        ElementLossRun.Check(operands, x, targets, weights, dx);
        operands.Expect(scale, DType.F32, new Shape(1));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new ElementLossGradientJob<SquaredErrorLoss>(
            x.Pointer<float>(), targets.Pointer<float>(), weights.Pointer<float>(), *scale.Pointer<float>(), dx.Pointer<float>(), x.Count));

    void IOperation.RunOnGpu(GpuLauncher gpu) =>
        gpu.Launch(
            GpuKernels.SquaredErrorGradient.For(x.DType),
            new() { X = x, Targets = targets, Weights = weights, Scale = scale, Dx = dx, Count = checked((int)x.Count) },
            Blocks(x.Count, ElementLossRun.Block));
}

/// <summary>What the losses of single elements share.</summary>
internal static class ElementLossRun
{
    /// <summary>Elements of a block on a GPU.</summary>
    public const int Block = 256;

    public static void Check(OperandCheck operands, Tensor x, Tensor targets, Tensor weights, Tensor result)
    {
        operands.Expect(x, DType.F32, x.Shape);
        operands.Expect(targets, DType.F32, x.Shape);
        operands.ExpectIfPresent(weights, DType.F32, x.Shape);
        operands.Expect(result, DType.F32, x.Shape, "the result");
    }
}
