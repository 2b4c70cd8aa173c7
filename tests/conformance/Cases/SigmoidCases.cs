using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>The logistic function.</summary>
internal sealed class SigmoidCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"sigmoid {count}", i =>
    {
        Tensor x = i.Normal(count), dy = i.Normal(count), y = i.Empty(count), dx = i.Normal(count);
        i.Backend.Run(new SigmoidForward(x, y));
        i.Backend.Run(new SigmoidBackward(y, dy, true, dx));
        return [i.Read(y), i.Read(dx)];
    }));

    public override IEnumerable<OperationCase> OnTape =>
        Elementwise("Sigmoid", Sigmoid.Instance.Forward, Sigmoid.Instance.ForwardInPlace, v => 1 / (1 + Math.Exp(-v)));

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Numbers(on.Rows), y = on.Numbers(on.Rows);
        on.Run(new SigmoidForward(x, y));
        on.Run(new SigmoidBackward(x, y, accumulate: false, y));
    }
}
