using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Operands of an optimizer's step.</summary>
internal static class OptimizerOperands
{
    /// <summary>The words of the runs in the memory of a backend.</summary>
    public static Tensor Words(Arena arena, AdamWRuns runs)
    {
        Tensor words = arena.Rent(new Shape(runs.Words.Length), DType.I32);
        arena.Backend.Upload(runs.Words, words);
        return words;
    }

    /// <summary>The norm of gradients as a step reports it; the gradients are kept.</summary>
    public static double Norm(Backend backend, Tensor gradients)
    {
        using var arena = new Arena(backend);
        int count = checked((int)gradients.Count);
        Tensor Flat() => arena.Rent(new Shape(count), DType.F32);
        Tensor numbers = arena.Rent(new Shape(
            AdamWStep.Count), DType.F32), report = arena.Rent(new Shape(2), DType.F64), g = Flat(), w = Flat(), m = Flat(), v = Flat();
        foreach (Tensor zero in (Tensor[])[w, m, v]) backend.Clear(zero);
        backend.Copy(gradients.Slice(0, new Shape(count)), g);
        backend.Upload<AdamWStep>([AdamWStep.Of(0.01f, 0.9f, 0.98f, 1e-6f, 0, 1, null)], numbers);
        var runs = new AdamWRuns([new(0, count, false)], count);
        backend.Run(new AdamWUpdate(numbers, runs, Words(arena, runs), w, g, m, v, losses: default, rounded: default, report));
        var told = new double[2];
        backend.Download<double>(report, told);
        return told[0];
    }
}
