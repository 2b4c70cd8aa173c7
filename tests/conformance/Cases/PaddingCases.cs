using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Packed sequences with padding.</summary>
internal sealed class PaddingCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs =>
        from lengths in Batches
        from width in (int[])[40, 13]
        select new BackendRun($"padding {string.Join("+", lengths)}×{width}", i =>
        {
            CuSeqlens borders = i.Arena.RentCuSeqlens(lengths);
            Tensor x = i.Normal(lengths.Sum(), width), padded = i.Empty(lengths.Length, borders.Longest, width);
            i.Backend.Run(new Pad(x, borders, padded));
            return [i.Read(padded)];
        });

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths) on.Run(new Pad(on.Numbers(16, width), on.Borders(7, 9), on.Numbers(2, 9, width)));
    }
}
