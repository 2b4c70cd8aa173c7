using Engine.Kernels.Gpu;

namespace Engine.Kernels;

/// <summary>
/// The cross-entropy of each row, <c>weight · (logsumexp(logits) − logits[label])</c>; 0 where the label is negative (ignored).
/// </summary>
/// <param name="logits">[rows, classes].</param>
/// <param name="labels">I32 [rows], below classes.</param>
/// <param name="weights">[rows], or absent: all 1.</param>
/// <param name="losses">[rows].</param>
public readonly unsafe struct CrossEntropyForward(Tensor logits, Tensor labels, Tensor weights, Tensor losses) : IOperation
{
    static string IOperation.Name => "cross-entropy";

    OperationCost IOperation.Cost => new(logits.Shape, 0, 4.0 * logits.Count);

    void IOperation.Check(OperandCheck operands)
    {
        var rows = new Shape(logits.Shape[0]);
        operands.Expect(logits, operands.TypeOf(logits), new Shape(logits.Shape[0], logits.Shape[1]));
        operands.Expect(labels, DType.I32, rows);
        operands.ExpectIfPresent(weights, DType.F32, rows);
        operands.Expect(losses, DType.F32, rows);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        CpuLauncher.CheckRange(labels, logits.Shape[1], "label", lowest: int.MinValue);
        cpu.Run(new CrossEntropyJob<T>(
            logits.Pointer<float>(), labels.Pointer<int>(), weights.Pointer<float>(), losses.Pointer<float>(), logits.Shape[0],
            logits.Shape[1]));
    }

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.CrossEntropy.For(logits.DType),
        new() { Logits = logits, Labels = labels, Weights = weights, Losses = losses, Classes = logits.Shape[1] },
        logits.Shape[0]);
}

/// <summary>The gradient of the weighted cross-entropies, each times <paramref name="scale"/>; 0 where the label is negative.</summary>
/// <param name="logits">[rows, classes].</param>
/// <param name="labels">I32 [rows].</param>
/// <param name="weights">[rows], or absent: all 1.</param>
/// <param name="scale">[1]: one over the number of labels, for the gradient of their mean.</param>
/// <param name="dlogits">The shape of logits; may be logits.</param>
public readonly unsafe struct CrossEntropyBackward(Tensor logits, Tensor labels, Tensor weights, Tensor scale, Tensor dlogits) : IOperation
{
    static string IOperation.Name => "cross-entropy, gradient";

    OperationCost IOperation.Cost => new(logits.Shape, 0, 8.0 * logits.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(labels, DType.I32, new Shape(logits.Shape[0]));
        operands.Expect(dlogits, operands.TypeOf(dlogits), logits.Shape);
        operands.Expect(logits, dlogits.DType, logits.Shape);
        operands.ExpectIfPresent(weights, DType.F32, labels.Shape);
        operands.Expect(scale, DType.F32, new Shape(1));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new CrossEntropyGradientJob<T>(
            logits.Pointer<float>(), labels.Pointer<int>(), weights.Pointer<float>(), *scale.Pointer<float>(), dlogits.Pointer<float>(),
            logits.Shape[0], logits.Shape[1]));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.CrossEntropyGradient.For(logits.DType),
        new() { Logits = logits, Labels = labels, Weights = weights, Scale = scale, Dlogits = dlogits, Classes = logits.Shape[1] },
        logits.Shape[0]);
}
