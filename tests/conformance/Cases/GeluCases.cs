using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>GELU, which models have in their linear layers.</summary>
internal sealed class GeluCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"gelu {count}", i =>
    {
        Tensor x = i.Normal(count), dy = i.Normal(count), y = i.Empty(count), dx = i.Empty(count);
        i.Backend.Run(new GeluForward(x, y));
        i.Backend.Run(new GeluBackward(x, dy, dx));
        return [i.Read(y), i.Read(dx)];
    }));

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Numbers(on.Rows), y = on.Numbers(on.Rows);
        on.Run(new GeluForward(x, y));
        on.Run(new GeluBackward(x, y, y));
    }
}
