using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Gated linear units, which models have in their linear layers.</summary>
internal sealed class GatedUnitCases : OperationSuite
{
    private static readonly Activation[] Activations = [Activation.Geglu, Activation.Swiglu];

    public override IEnumerable<BackendRun> Runs =>
        from activation in Activations
        from size in Rows
        select new BackendRun($"{activation} {size.Rows}×{size.Width}", i =>
        {
            (int rows, int width) = size;
            Tensor g = i.Normal(rows, 2 * width), u = i.Empty(rows, width), du = i.Normal(rows, width);
            i.Backend.Run(new GatedUnitForward(g, activation, u));
            i.Backend.Run(new GatedUnitBackward(g, activation, du, g));
            return [i.Read(u), i.Read(g)];
        });

    public override void Launch(KernelLaunches on)
    {
        foreach (Activation activation in Activations)
            foreach (int width in on.Widths)
            {
                Tensor g = on.Numbers(on.Rows, 2 * width), y = on.Numbers(on.Rows, width);
                on.Run(new GatedUnitForward(g, activation, y));
                on.Run(new GatedUnitBackward(g, activation, y, g));
            }
    }
}
