using Engine.Autograd;
using Engine.Kernels;

namespace OwnOperation;

/// <summary>SiLU in a model.</summary>
public sealed class Silu : Op
{
    /// <summary>The operation.</summary>
    public static Silu Instance { get; } = new();

    /// <summary>Any shape → the same.</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType);
        tape.Backend.Run(new SiluForward(x.Data, y));
        return tape.Record(this, y, x);
    }

    /// <inheritdoc/>
    protected override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dx = tape.RentGradient(entry.A.Data.Shape, entry.A.Data.DType);
        tape.Backend.Run(new SiluBackward(entry.A.Data, tape.GradientOf(entry.Output), dx));
        tape.Pass(entry.A, dx);
    }
}
