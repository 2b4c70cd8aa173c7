using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>GEGLU, which models have in their linear layers.</summary>
internal sealed class GegluCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Rows.Select(size => new BackendRun($"geglu {size.Rows}×{size.Width}", i =>
    {
        (int rows, int width) = size;
        Tensor g = i.Normal(rows, 2 * width), u = i.Empty(rows, width), du = i.Normal(rows, width);
        i.Backend.Run(new GegluForward(g, u));
        i.Backend.Run(new GegluBackward(g, du, g));
        return [i.Read(u), i.Read(g)];
    }));

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths)
        {
            Tensor g = on.Numbers(on.Rows, 2 * width), y = on.Numbers(on.Rows, width);
            on.Run(new GegluForward(g, y));
            on.Run(new GegluBackward(g, y, g));
        }
    }
}
