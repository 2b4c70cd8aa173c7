using Engine.Runtime;

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

    internal Norm Operand => new(Weight.Value, Bias.Value, _epsilon);

    /// <summary>Declares <c>NAME.weight</c> and <c>NAME.bias</c>.</summary>
    public static LayerNorm Declare(ParameterSet set, string name, int width, float epsilon)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set.Declare(name + ".weight", ParameterKind.NormWeight, width), set.Declare(name + ".bias", ParameterKind.NormBias, width), epsilon);
    }

    /// <summary>[rows, width] → [rows, width]; in inference in x's place.</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        if (!tape.IsTraining)
        {
            tape.Backend.LayerNorm(x.Data, Operand, statistics: default, x.Data);
            return x;
        }

        int rows = x.Data.Shape[0];
        Tensor y = tape.Rent(rows, x.Data.Shape[1]), statistics = tape.Rent(rows, 2);
        tape.Backend.LayerNorm(x.Data, Operand, statistics, y);
        return tape.Record(this, y, x, saved: (statistics, default, default, default));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry) =>
        Backward(tape, entry.A, tape.GradientOf(entry.Output), entry.Saved.First);

    /// <summary>The backward pass for the operand x; dy is overwritten or passed on.</summary>
    internal void Backward(Tape tape, Variable x, Tensor dy, Tensor statistics)
    {
        Tensor dweight = IsTrained ? Weight.Gradient : default, dbias = IsTrained ? Bias.Gradient : default;
        if (!x.IsTracked) tape.Backend.LayerNormGradient(x.Data, dy, Weight.Value, statistics, dweight, dbias, accumulate: false, dx: default);
        else if (tape.GradientOf(x).IsAbsent)
        {
            tape.Backend.LayerNormGradient(x.Data, dy, Weight.Value, statistics, dweight, dbias, accumulate: false, dy);
            tape.Pass(x, dy);
        }
        else tape.Backend.LayerNormGradient(x.Data, dy, Weight.Value, statistics, dweight, dbias, accumulate: true, tape.GradientOf(x));
    }
}
