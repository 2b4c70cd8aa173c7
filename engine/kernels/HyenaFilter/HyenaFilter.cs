using Engine.Kernels.Gpu;
using static Engine.Kernels.Gpu.Launches;

namespace Engine.Kernels;

/// <summary>
/// The positions that Hyena's implicit filter is made of (Poli et al., arXiv 2302.10866): with <c>t = i / (N − 1)</c>, <c>w = 2π i / N</c>
/// and the frequencies f evenly from 1e-4 to bands − 1, row i is t, then the cosines of f w, then their sines with the other sign.
/// </summary>
/// <param name="longest">N, the longest sequence that the filter was made for, at least 2, however long the present ones are.</param>
/// <param name="z">[positions, 1 + 2 · bands], at most N positions.</param>
public readonly unsafe struct FilterPositions(int longest, Tensor z) : IOperation
{
    static string IOperation.Name => "filter positions";

    OperationCost IOperation.Cost => new(z.Shape, 0, 4.0 * z.Count);

    void IOperation.Check(OperandCheck operands)
    {
        if (z.IsAbsent || z.Shape.Rank != 2 || z.Shape[1] < 3 || z.Shape[1] % 2 == 0)
            throw new ArgumentException($"z is {z}, expected F32 [positions, 1 + 2 · bands]");
        operands.Expect(z, DType.F32, z.Shape);
        HyenaFilterFormula.CheckLongest(longest, z.Shape[0]);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new FilterPositionsJob(z.Pointer<float>(), z.Shape[0], z.Shape[1] / 2, longest));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.FilterPositions,
        new() { Z = z, Positions = z.Shape[0], Bands = z.Shape[1] / 2, Longest = longest }, Blocks(z.Shape[0], Windows.Block));
}

/// <summary>
/// The decay of Hyena's implicit filter, <c>y[i, c] (+)= x[i, c] · (exp(−t_i |δ_c|) + 0.05)</c> with <c>t_i = i / (N − 1)</c> and δ evenly
/// from <c>ln 0.01 / 1.5</c> to <c>ln 0.01 / 0.3</c> over the channels. It is its own gradient.
/// </summary>
/// <param name="x">[positions, channels], at most N positions.</param>
/// <param name="longest">N; see <see cref="FilterPositions"/>.</param>
/// <param name="accumulate">Whether to add to y.</param>
/// <param name="y">The shape of x; may be x.</param>
public readonly unsafe struct ApplyFilterDecay(Tensor x, int longest, bool accumulate, Tensor y) : IOperation
{
    static string IOperation.Name => "filter decay";

    OperationCost IOperation.Cost => new(y.Shape, 0, 8.0 * y.Count);

    void IOperation.Check(OperandCheck operands)
    {
        operands.Expect(x, DType.F32, new Shape(y.Shape[0], y.Shape[1]));
        operands.Expect(y, DType.F32, x.Shape);
        HyenaFilterFormula.CheckLongest(longest, x.Shape[0]);
    }

    void IOperation.RunOnCpu<T>(CpuLauncher cpu) =>
        cpu.Run(new FilterDecayJob<T>(x.Pointer<float>(), y.Pointer<float>(), x.Shape[0], x.Shape[1], longest, accumulate));

    void IOperation.RunOnGpu(GpuLauncher gpu) => gpu.Launch(
        GpuKernels.FilterDecay,
        new()
        {
            X = x,
            Y = y,
            Count = x.Count,
            Channels = x.Shape[1],
            Step = HyenaFilterFormula.DecayStep(x.Shape[1]),
            Longest = longest,
            Accumulate = accumulate ? 1 : 0,
        },
        Blocks(x.Count, Windows.Block));
}
