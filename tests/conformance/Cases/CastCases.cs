using Engine.Autograd;
using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Numbers in another type.</summary>
internal sealed class CastCases : OperationSuite
{
    public override IEnumerable<OperationCase> OnTape => BothPlaces(
        "ToFloat32", "of F32", _ => ((inputs, x) => ToFloat32.Instance.Forward(inputs.Tape, x[0]),
            (inputs, x) => ToFloat32.Instance.ForwardInPlace(inputs.Tape, x[0])),
        (x, _, _) => [.. x[0]]);

    public override void Launch(KernelLaunches on)
    {
        on.Run(new Cast(on.Numbers(on.Rows), on.Floats(on.Rows)));
        on.Run(new Cast(on.Floats(on.Rows), on.Numbers(on.Rows)));
    }
}
