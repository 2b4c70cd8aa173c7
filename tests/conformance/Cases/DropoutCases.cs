using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Dropout, alone and with a residual.</summary>
internal sealed class DropoutCases : OperationSuite
{
    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"dropout {count}", i =>
    {
        Tensor x = i.Normal(count), residual = i.Normal(count), dropped = i.Empty(count), added = i.Empty(count);
        Tensor stream = i.Integers(5, 9, 6);
        i.Backend.Run(new DropoutForward(x, stream, 7, 0.3f, default, dropped));
        i.Backend.Run(new DropoutForward(x, stream, 7, 0.3f, residual, added));
        return [i.Read(dropped), i.Read(added)];
    }));

    public override IEnumerable<OperationCase> OnTape => new[] { 0, 0.25f }.SelectMany(probability => BothPlaces(
        "Dropout", $"{probability}", owner =>
        {
            var dropout = new Dropout(owner.Set, probability);
            return ((inputs, x) => dropout.Forward(inputs.Tape, x[0]), (inputs, x) => dropout.ForwardInPlace(inputs.Tape, x[0]));
        },
        (x, _, random) => Dropped(x[0], probability, random(0))).Select(c => c with { Draws = probability > 0 }));

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Numbers(on.Rows), y = on.Numbers(on.Rows);
        foreach (Tensor residual in (Tensor[])[default, x]) on.Run(new DropoutForward(x, on.Integers(3), site: 1, 0.5f, residual, y));
    }
}
