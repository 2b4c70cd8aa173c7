using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>Dropout on its own, in training; in inference it changes nothing.</summary>
/// <param name="set">The set of the model, which numbers the sites.</param>
/// <param name="probability">The probability.</param>
public sealed class Dropout(ParameterSet set, float probability) : Op
{
    private readonly int _site = (set ?? throw new ArgumentNullException(nameof(set))).NextSite();

    private bool Drops(Tape tape) => tape.IsTraining && probability > 0;

    /// <summary>[rows, width] → [rows, width].</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType);
        if (Drops(tape)) tape.Backend.Run(new DropoutForward(x.Data, tape.RandomState, _site, probability, residual: default, y));
        else tape.Backend.Copy(x.Data, y);
        return tape.Record(this, y, x);
    }

    /// <summary>The same as <see cref="Forward"/>; where nothing is dropped the result is x itself.</summary>
    public Variable ForwardInPlace(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return Drops(tape) ? Forward(tape, x) : x;
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output);
        if (probability > 0) tape.Backend.Run(new DropoutForward(dy, tape.RandomState, _site, probability, residual: default, dy));
        tape.Pass(entry.A, dy);
    }
}
