using System.Runtime.InteropServices;
using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// A step of AdamW over flat tensors: the norm of the gradients, clipping, the update, unless the norm or a loss is not finite, and
/// in any case gradients of 0. Its numbers are read from memory, where its report is written too: nothing is waited for.
/// </summary>
/// <param name="numbers">F32 [<see cref="AdamWStep.Count"/>]; see <see cref="AdamWStep"/>.</param>
/// <param name="runs">What is updated.</param>
/// <param name="words">I32: <see cref="AdamWRuns.Words"/> in the memory of the backend.</param>
/// <param name="w">Parameters; at least as long as the runs say.</param>
/// <param name="g">Gradients, [length].</param>
/// <param name="m">First moments, [length]; updated.</param>
/// <param name="v">Second moments, [length]; updated.</param>
/// <param name="losses">F64 [passes]: sums of losses, or absent.</param>
/// <param name="rounded">BF16, as long as w: receives what is updated, rounded; or absent.</param>
/// <param name="report">F64 [2]: the norm before clipping, NaN where a loss is not finite; 1 if the step was taken, or else 0.</param>
public readonly unsafe struct AdamWUpdate(
    Tensor numbers, AdamWRuns runs, Tensor words, Tensor w, Tensor g, Tensor m, Tensor v, Tensor losses, Tensor rounded, Tensor report)
    : IOperation
{
    private const int NormBlocks = 1024;

    static string IOperation.Name => "AdamW";

    OperationCost IOperation.Cost => new(g.Shape, 0, 36.0 * g.Count);

    void IOperation.Check(OperandCheck operands)
    {
        ArgumentNullException.ThrowIfNull(runs);
        var flat = new Shape(checked((int)runs.Length));
        operands.Expect(numbers, DType.F32, new Shape(AdamWStep.Count));
        operands.Expect(words, DType.I32, new Shape(runs.Words.Length));
        if (w.IsAbsent || w.DType != DType.F32 || w.Count < runs.Length)
            throw new ArgumentException($"w is {w}, expected F32 of at least {runs.Length} elements");
        operands.Expect(g, DType.F32, flat);
        operands.Expect(m, DType.F32, flat);
        operands.Expect(v, DType.F32, flat);
        if (!losses.IsAbsent) operands.Expect(losses, DType.F64, new Shape(losses.Shape[0]));
        operands.ExpectIfPresent(rounded, DType.BF16, w.Shape);
        operands.Expect(report, DType.F64, new Shape(2));
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu)
    {
        AdamWStep step = *(AdamWStep*)numbers.Pointer<float>();
        float* value = w.Pointer<float>(), gradient = g.Pointer<float>(), first = m.Pointer<float>(), second = v.Pointer<float>();
        double norm = losses.IsAbsent || Finite(losses.Span<double>()) ? Norm<T>(cpu) : double.NaN;
        bool taken = double.IsFinite(norm);
        // As torch.nn.utils.clip_grad_norm_ does it.
        float scale = (float)Math.Min(1, step.ClipNorm / (norm + 1e-6));
        foreach (AdamWRun run in taken ? runs.Runs : [])
            cpu.Run(new AdamWJob<T>(
                step, scale, run.Decays, value + run.Start, gradient + run.Start, first + run.Start, second + run.Start, run.Count));
        NativeMemory.Clear(gradient, (nuint)g.Bytes);
        Span<double> told = report.Span<double>();
        (told[0], told[1]) = (norm, taken ? 1 : 0);
    }

    void IOperation.RunOnGpu(GpuLauncher gpu)
    {
        Tensor partial = gpu.Rent(new Shape(NormBlocks), DType.F32), status = gpu.Rent(new Shape(2), DType.F32);
        gpu.Launch(GpuKernels.SumOfSquares, new() { X = g, Partial = partial, Count = g.Count }, NormBlocks);
        gpu.Launch(
            GpuKernels.GradientNorm, new() { Partial = partial, Losses = losses, Numbers = numbers, Report = report, Status = status }, 1);
        gpu.Launch(
            GpuKernels.Adamw.For(rounded.IsAbsent ? DType.F32 : DType.BF16),
            new()
            {
                W = Flat(w),
                Gradient = g,
                M = m,
                V = v,
                Rounded = rounded.IsAbsent ? rounded : Flat(rounded),
                Kinds = words,
                Numbers = numbers,
                Status = status,
                Count = runs.Length,
            },
            Blocks(runs.Length, FlatBlock));
    }

    private Tensor Flat(Tensor tensor) => tensor.Slice(0, new Shape((int)runs.Length));

    private double Norm<T>(CpuLauncher cpu)
        where T : unmanaged, ISimd<T>
    {
        double sum = 0;
        foreach (AdamWRun run in runs.Runs)
        {
            long blocks = SumOfSquaresJob<T>.Blocks(run.Count);
            Tensor partial = cpu.Rent(CpuLauncher.FlatShape(blocks), DType.F64);
            double* sums = partial.Pointer<double>();
            cpu.Run(new SumOfSquaresJob<T>(g.Pointer<float>() + run.Start, run.Count, sums));
            double ofRun = 0;
            for (long i = 0; i < blocks; i++) ofRun += sums[i];
            sum += ofRun;
        }

        return Math.Sqrt(sum);
    }

    private static bool Finite(ReadOnlySpan<double> values)
    {
        foreach (double value in values)
            if (!double.IsFinite(value)) return false;
        return true;
    }
}
