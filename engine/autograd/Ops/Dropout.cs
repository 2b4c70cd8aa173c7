using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>Dropout on its own, in training; in inference it does nothing.</summary>
/// <param name="set">The set of the model, which numbers the sites.</param>
/// <param name="probability">The probability.</param>
public sealed class Dropout(ParameterSet set, float probability) : Op
{
    private readonly int _site = (set ?? throw new ArgumentNullException(nameof(set))).NextSite();

    /// <summary>Any shape.</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (!tape.IsTraining || probability == 0) return x;
        Tensor y = tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType);
        tape.Backend.Run(new DropoutForward(x.Data, tape.Stream, _site, probability, residual: default, y));
        return tape.Record(this, y, x);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output);
        tape.Backend.Run(new DropoutForward(dy, tape.Stream, _site, probability, residual: default, dy));
        tape.Pass(entry.A, dy);
    }
}
