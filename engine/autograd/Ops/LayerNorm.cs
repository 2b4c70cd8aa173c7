using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>Layer normalisation of each row.</summary>
public sealed class LayerNorm : Op
{
    private readonly float _epsilon;

    private LayerNorm(Parameter weight, Parameter bias, float epsilon)
    {
        (Weight, Bias, _epsilon) = (weight, bias, epsilon);
    }

    /// <summary>[width].</summary>
    public Parameter Weight { get; }

    /// <summary>[width].</summary>
    public Parameter Bias { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Weight.IsTrained;

    /// <summary>Its parameters in the type of what is normalised.</summary>
    internal Norm In(DType dtype) => new(Weight.ValueIn(dtype), Bias.ValueIn(dtype), _epsilon);

    /// <summary>Declares <c>NAME.weight</c> and <c>NAME.bias</c>.</summary>
    public static LayerNorm Declare(ParameterSet set, string name, int width, float epsilon)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set.Declare(name + ".weight", ParameterKind.NormWeight, width),
            set.Declare(name + ".bias", ParameterKind.NormBias, width), epsilon);
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
    protected internal override void Backward(Tape tape, in TapeEntry entry) =>
        Backward(tape, entry.A, tape.GradientOf(entry.Output), entry.Saved.First);

    private Variable Forward(Tape tape, Variable x, Tensor y)
    {
        Tensor statistics = tape.IsTraining ? tape.Rent(x.Data.Shape[0], 2, DType.F32) : default;
        tape.Backend.Run(new LayerNormForward(x.Data, In(x.Data.DType), statistics, y));
        return tape.Record(this, y, x, saved: (statistics, default, default, default));
    }

    /// <summary>The backward pass for the operand x; dy is overwritten or passed on.</summary>
    internal void Backward(Tape tape, Variable x, Tensor dy, Tensor statistics)
    {
        Tensor weight = Weight.ValueIn(dy.DType), dweight = IsTrained ? Weight.Gradient : default,
            dbias = IsTrained ? Bias.Gradient : default;
        if (!x.IsTracked)
            tape.Backend.Run(new LayerNormBackward(x.Data, dy, weight, statistics, dweight, dbias, accumulate: false, dx: default));
        else if (tape.GradientOf(x).IsAbsent)
        {
            tape.Backend.Run(new LayerNormBackward(x.Data, dy, weight, statistics, dweight, dbias, accumulate: false, dy));
            tape.Pass(x, dy);
        }
        else tape.Backend.Run(new LayerNormBackward(x.Data, dy, weight, statistics, dweight, dbias, accumulate: true, tape.GradientOf(x)));
    }
}
