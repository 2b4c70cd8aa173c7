using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>A short causal convolution of each channel with its own filter; see <see cref="ShortConvolutionForward"/>.</summary>
public sealed class ShortConvolution : Op
{
    private ShortConvolution(Parameter weight, Parameter bias) => (Weight, Bias) = (weight, bias);

    /// <summary>[channels, 1, width].</summary>
    public Parameter Weight { get; }

    /// <summary>[channels].</summary>
    public Parameter Bias { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Weight.IsTrained || Bias.IsTrained;

    /// <summary>Declares <c>NAME.weight</c> and <c>NAME.bias</c>.</summary>
    public static ShortConvolution Declare(ParameterSet set, string name, int channels, int width)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set.Declare(name + ".weight", ParameterKind.Convolution, channels, 1, width),
            set.Declare(name + ".bias", ParameterKind.Bias, channels));
    }

    /// <summary>[tokens, channels] → [tokens, channels].</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType);
        tape.Backend.Run(new ShortConvolutionForward(x.Data, cuSeqlens, Weight.Value, Bias.Value, y));
        return tape.Record(this, y, x, cuSeqlens: cuSeqlens);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output), dx = default;
        bool accumulate = entry.A.IsTracked && tape.Accumulate(entry.A, out dx);
        if (Bias.IsTrained) tape.Backend.Run(new SumRows(dy, Bias.Gradient));
        tape.Backend.Run(new ShortConvolutionBackward(
            entry.A.Data, dy, entry.CuSeqlens, Weight.Value, Weight.IsTrained ? Weight.Gradient : default, accumulate, dx));
    }
}

/// <summary>A causal convolution as long as the sequence, and a skip that is trained; see <see cref="LongConvolutionForward"/>.</summary>
public sealed class LongConvolution : Op
{
    private LongConvolution(Parameter skip) => Skip = skip;

    /// <summary>[channels].</summary>
    public Parameter Skip { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Skip.IsTrained;

    /// <summary>Declares the skip, <c>NAME.bias</c>.</summary>
    public static LongConvolution Declare(ParameterSet set, string name, int channels)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set.Declare(name + ".bias", ParameterKind.Bias, channels));
    }

    /// <summary>
    /// x [tokens, channels], filter [positions, channels] of at least as many positions as the longest sequence has → [tokens, channels].
    /// </summary>
    public Variable Forward(Tape tape, Variable x, Variable filter, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType);
        tape.Backend.Run(new LongConvolutionForward(x.Data, cuSeqlens, filter.Data, Skip.Value, y));
        return tape.Record(this, y, x, filter, cuSeqlens: cuSeqlens);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dx = default, dfilter = default;
        bool accumulate = entry.A.IsTracked && tape.Accumulate(entry.A, out dx),
            accumulateFilter = entry.B.IsTracked && tape.Accumulate(entry.B, out dfilter);
        tape.Backend.Run(new LongConvolutionBackward(
            entry.A.Data, tape.GradientOf(entry.Output), entry.CuSeqlens, entry.B.Data, Skip.Value, accumulateFilter, dfilter,
            Skip.IsTrained ? Skip.Gradient : default, accumulate, dx));
    }
}

/// <summary>The decay of Hyena's implicit filter over positions; see <see cref="ApplyFilterDecay"/>.</summary>
/// <param name="longest">The longest sequence that the filter was made for.</param>
public sealed class FilterDecay(int longest) : Op
{
    /// <summary>[positions, channels] → [positions, channels].</summary>
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
        tape.Backend.Run(new ApplyFilterDecay(tape.GradientOf(entry.Output), longest, accumulate, dx));
    }

    private Variable Forward(Tape tape, Variable x, Tensor y)
    {
        tape.Backend.Run(new ApplyFilterDecay(x.Data, longest, accumulate: false, y));
        return tape.Record(this, y, x);
    }
}
