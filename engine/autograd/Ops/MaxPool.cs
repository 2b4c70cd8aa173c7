using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>The maximum over stretches of time; what is left over at the end of a sequence is not looked at.</summary>
/// <param name="length">Positions of a sequence.</param>
/// <param name="width">Positions of a stretch.</param>
public sealed class MaxPool(int length, int width) : Op
{
    /// <summary>Positions of its result.</summary>
    public int ResultLength => length / width;

    /// <summary>[batch · length, channels] → [batch · ⌊length / width⌋, channels].</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(x.Data.Shape[0] / length * ResultLength, x.Data.Shape[1], x.Data.DType);
        tape.Backend.Run(new MaxPoolForward(x.Data, length, width, y));
        return tape.Record(this, y, x);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        bool accumulate = tape.Accumulate(entry.A, out Tensor dx);
        tape.Backend.Run(new MaxPoolBackward(entry.A.Data, tape.GradientOf(entry.Output), length, width, accumulate, dx));
    }
}

/// <summary>The channels of each sequence one after the other, each with all its positions: PyTorch's order where it flattens.</summary>
/// <param name="length">Positions of a sequence.</param>
public sealed class FlattenChannels(int length) : Op
{
    /// <summary>[batch · length, channels] → [batch, channels · length].</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int channels = x.Data.Shape[1];
        Tensor y = tape.Rent(x.Data.Shape[0] / length, channels * length, x.Data.DType);
        tape.Backend.Run(new TransposeMatrices(x.Data, length, channels, accumulate: false, y));
        return tape.Record(this, y, x);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        bool accumulate = tape.Accumulate(entry.A, out Tensor dx);
        tape.Backend.Run(new TransposeMatrices(tape.GradientOf(entry.Output), dx.Shape[1], length, accumulate, dx));
    }
}
