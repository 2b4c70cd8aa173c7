using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>GELU in its tanh form.</summary>
internal sealed class GeluTanhCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"gelu, tanh form {count}", i =>
    {
        Tensor x = i.Normal(count), dy = i.Normal(count), y = i.Empty(count), dx = i.Normal(count);
        i.Backend.Run(new GeluTanhForward(x, y));
        i.Backend.Run(new GeluTanhBackward(x, dy, true, dx));
        return [i.Read(y), i.Read(dx)];
    }));

    public override IEnumerable<OperationCase> OnTape => Elementwise(
        "GeluTanh", GeluTanh.Instance.Forward, GeluTanh.Instance.ForwardInPlace,
        v => 0.5 * v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + (0.044715 * v * v * v)))));

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Numbers(on.Rows), y = on.Numbers(on.Rows);
        on.Run(new GeluTanhForward(x, y));
        on.Run(new GeluTanhBackward(x, y, accumulate: false, y));
    }
}
