using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>A sine with a frequency for each column that is trained, <c>sin(frequency · x)</c>; it may stand in several places.</summary>
public sealed class Sine : Op
{
    private Sine(Parameter frequency) => Frequency = frequency;

    /// <summary>[1, width].</summary>
    public Parameter Frequency { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Frequency.IsTrained;

    /// <summary>Declares <c>NAME.freq</c>.</summary>
    public static Sine Declare(ParameterSet set, string name, int width)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set.Declare(name + ".freq", ParameterKind.Frequency, 1, width));
    }

    /// <summary>[rows, width] → [rows, width].</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return Forward(tape, x, tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType));
    }

    /// <summary>
    /// The same as <see cref="Forward(Tape, Variable)"/>; in inference the result takes the place of x, which nothing may read afterwards.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return tape.IsTraining ? Forward(tape, x) : Forward(tape, x, x.Data);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output), dx = default;
        bool accumulate = entry.A.IsTracked && tape.Accumulate(entry.A, out dx);
        if (dx.IsAbsent) dx = tape.RentGradient(dy.Shape, dy.DType);
        tape.Backend.Run(new SineBackward(
            entry.A.Data, dy, Frequency.Value, Frequency.IsTrained ? Frequency.Gradient : default, accumulate, dx));
    }

    private Variable Forward(Tape tape, Variable x, Tensor y)
    {
        tape.Backend.Run(new SineForward(x.Data, Frequency.Value, y));
        return tape.Record(this, y, x);
    }
}
