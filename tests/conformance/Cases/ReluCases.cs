using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>The rectifier.</summary>
internal sealed class ReluCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"relu {count}", i =>
    {
        Tensor x = i.Normal(count), dy = i.Normal(count), y = i.Empty(count), dx = i.Normal(count);
        i.Backend.Run(new ReluForward(x, y));
        i.Backend.Run(new ReluBackward(y, dy, true, dx));
        return [i.Read(y), i.Read(dx)];
    }));

    public override IEnumerable<OperationCase> OnTape =>
        Elementwise("Relu", Relu.Instance.Forward, Relu.Instance.ForwardInPlace, v => Math.Max(v, 0));

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Numbers(on.Rows), y = on.Numbers(on.Rows);
        on.Run(new ReluForward(x, y));
        on.Run(new ReluBackward(x, y, accumulate: false, y));
    }
}
