using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>
/// A convolution over time with bias, at the positions at which its window lies within a sequence:
/// <c>y[b, t, o] = bias[o] + Σ_c Σ_j w[o, c, j] · x[b, t + j, c]</c> (PyTorch's Conv1d without padding, on rows of channels). It is a
/// matrix product with the unfolded windows, a few sequences at a time, so that their memory stays small.
/// </summary>
public sealed class Convolution : Op
{
    // Elements of unfolded windows that lie in memory together: 16 MB.
    private const long MostUnfolded = 1 << 22;
    private readonly int _length;

    private Convolution(Parameter weight, Parameter bias, int length) => (Weight, Bias, _length) = (weight, bias, length);

    /// <summary>[out, in, width].</summary>
    public Parameter Weight { get; }

    /// <summary>[out].</summary>
    public Parameter Bias { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Weight.IsTrained || Bias.IsTrained;

    /// <summary>Positions of its result.</summary>
    public int ResultLength => _length - Weight.Shape[2] + 1;

    /// <summary>Declares <c>NAME.weight</c> and <c>NAME.bias</c>.</summary>
    /// <param name="set">Where.</param>
    /// <param name="name">NAME.</param>
    /// <param name="inputs">Channels of x.</param>
    /// <param name="outputs">Channels of y.</param>
    /// <param name="width">Positions of the window.</param>
    /// <param name="length">Positions of a sequence, at least width.</param>
    public static Convolution Declare(ParameterSet set, string name, int inputs, int outputs, int width, int length)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentOutOfRangeException.ThrowIfLessThan(width, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(length, width);
        return new(set.Declare(name + ".weight", ParameterKind.Convolution, outputs, inputs, width),
            set.Declare(name + ".bias", ParameterKind.Bias, outputs), length);
    }

    /// <summary>[batch · length, in] → [batch · (length − width + 1), out].</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int batch = x.Data.Shape[0] / _length;
        Tensor y = tape.Rent(batch * ResultLength, Weight.Shape[0], x.Data.DType);
        ArenaMark mark = tape.Activations.Mark();
        for (int first = 0; first < batch; first += SequencesTogether)
        {
            int count = Math.Min(SequencesTogether, batch - first);
            Tensor windows = Unfolded(tape, x.Data, first, count);
            tape.Backend.Run(new LinearForward(
                windows, new Weight(AsMatrix(Weight.Value)), Bias.Value, Activation.None, residual: default,
                Rows(y, ResultLength, first, count)));
            tape.Activations.Reset(mark);
        }

        return tape.Record(this, y, x);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Backend backend = tape.Backend;
        Tensor x = entry.A.Data, dy = tape.GradientOf(entry.Output), dx = default;
        bool accumulate = entry.A.IsTracked && tape.Accumulate(entry.A, out dx);
        if (Bias.IsTrained) backend.Run(new SumRows(dy, Bias.Gradient));
        int batch = x.Shape[0] / _length;
        ArenaMark mark = tape.Activations.Mark();
        for (int first = 0; first < batch; first += SequencesTogether)
        {
            int count = Math.Min(SequencesTogether, batch - first);
            Tensor part = Rows(dy, ResultLength, first, count);
            Tensor windows = Weight.IsTrained ? Unfolded(tape, x, first, count) : RentUnfolded(tape, count);
            if (Weight.IsTrained) backend.Run(new LinearWeightBackward(part, windows, AsMatrix(Weight.Gradient)));
            if (!dx.IsAbsent)
            {
                backend.Run(new LinearInputBackward(part, AsMatrix(Weight.Value), accumulate: false, windows));
                backend.Run(new Fold(windows, _length, Weight.Shape[2], accumulate, Rows(dx, _length, first, count)));
            }

            tape.Activations.Reset(mark);
        }
    }

    private int SequencesTogether => (int)Math.Max(1, MostUnfolded / ((long)ResultLength * Weight.Shape[1] * Weight.Shape[2]));

    private Tensor Unfolded(Tape tape, Tensor x, int first, int count)
    {
        Tensor windows = RentUnfolded(tape, count);
        tape.Backend.Run(new Unfold(Rows(x, _length, first, count), _length, Weight.Shape[2], windows));
        return windows;
    }

    private Tensor RentUnfolded(Tape tape, int count) =>
        tape.Rent(count * ResultLength, Weight.Shape[1] * Weight.Shape[2], DType.F32);

    private static Tensor Rows(Tensor x, int length, int first, int count) =>
        x.Slice((long)first * length * x.Shape[1], new Shape(count * length, x.Shape[1]));

    private static Tensor AsMatrix(Tensor weight) => weight.Slice(0, new Shape(weight.Shape[0], weight.Shape[1] * weight.Shape[2]));
}
