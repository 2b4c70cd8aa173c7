using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>The rectifier, <c>max(x, 0)</c>.</summary>
public sealed class Relu : Op
{
    /// <summary>The operation.</summary>
    public static Relu Instance { get; } = new();

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
        bool accumulate = tape.Accumulate(entry.A, out Tensor dx);
        tape.Backend.Run(new ReluBackward(entry.Output.Data, tape.GradientOf(entry.Output), accumulate, dx));
    }

    private Variable Forward(Tape tape, Variable x, Tensor y)
    {
        tape.Backend.Run(new ReluForward(x.Data, y));
        return tape.Record(this, y, x);
    }
}

/// <summary>The logistic function, <c>1 / (1 + exp(−x))</c>.</summary>
public sealed class Sigmoid : Op
{
    /// <summary>The operation.</summary>
    public static Sigmoid Instance { get; } = new();

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
        bool accumulate = tape.Accumulate(entry.A, out Tensor dx);
        tape.Backend.Run(new SigmoidBackward(entry.Output.Data, tape.GradientOf(entry.Output), accumulate, dx));
    }

    private Variable Forward(Tape tape, Variable x, Tensor y)
    {
        tape.Backend.Run(new SigmoidForward(x.Data, y));
        return tape.Record(this, y, x);
    }
}

/// <summary>GELU in its tanh form (see <see cref="GeluTanhForward"/>).</summary>
public sealed class GeluTanh : Op
{
    /// <summary>The operation.</summary>
    public static GeluTanh Instance { get; } = new();

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
        bool accumulate = tape.Accumulate(entry.A, out Tensor dx);
        tape.Backend.Run(new GeluTanhBackward(entry.A.Data, tape.GradientOf(entry.Output), accumulate, dx));
    }

    private Variable Forward(Tape tape, Variable x, Tensor y)
    {
        tape.Backend.Run(new GeluTanhForward(x.Data, y));
        return tape.Record(this, y, x);
    }
}
