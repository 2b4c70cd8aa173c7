using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

/// <content>The end of a training step.</content>
internal sealed unsafe partial class CudaBackend
{
    private const int NormBlocks = 1024;

    private protected override double SumOfSquaresCore(Tensor x)
    {
        Span<float> parts = stackalloc float[NormBlocks];
        lock (_operation)
        {
            _cuda.Enter();
            Tensor partial = Scratch.Rent(new Shape(NormBlocks), DType.F32);
            SumOfSquares(x, partial);
            Download(partial, parts);
            Scratch.Reset();
        }

        double sum = 0;
        foreach (float part in parts) sum += part;
        return sum;
    }

    private protected override void SumOfLossesCore(Tensor losses, Tensor place, Tensor sums)
    {
        lock (_operation)
        {
            _cuda.Enter();
            KernelArguments a = _cuda.Begin("sum_of_losses");
            a.View(losses);
            a.View(place);
            a.View(sums);
            a.I32(checked((int)losses.Count));
            _cuda.Launch(1);
        }
    }

    private protected override void AdamWCore(Tensor numbers, AdamWRuns runs, Tensor w, Tensor g, Tensor m, Tensor v, Tensor losses, Tensor rounded, Tensor report)
    {
        lock (_operation)
        {
            _cuda.Enter();
            Tensor partial = Scratch.Rent(new Shape(NormBlocks), DType.F32), status = Scratch.Rent(new Shape(2), DType.F32);
            SumOfSquares(g, partial);
            KernelArguments a = _cuda.Begin("gradient_norm");
            a.View(partial);
            a.View(losses);
            a.View(numbers);
            a.View(report);
            a.View(status);
            _cuda.Launch(1);
            a = _cuda.Begin(rounded.IsAbsent ? "adamw_f32" : "adamw_bf16");
            a.View(w);
            a.View(g);
            a.View(m);
            a.View(v);
            a.View(rounded);
            a.View(runs.Words);
            a.View(numbers);
            a.View(status);
            a.I64(w.Count);
            _cuda.Launch(Blocks(w.Count, FlatBlock));
            Scratch.Reset();
        }
    }

    private void SumOfSquares(Tensor x, Tensor partial)
    {
        KernelArguments a = _cuda.Begin("sum_of_squares");
        a.View(x);
        a.View(partial);
        a.I64(x.Count);
        _cuda.Launch(NormBlocks);
    }
}
