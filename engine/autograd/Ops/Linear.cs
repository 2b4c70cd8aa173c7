using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>A linear layer with what follows it, <c>y = dropout(f(x wᵀ + bias)) + residual</c>.</summary>
public sealed class Linear : Op
{
    private readonly float _dropout;
    private readonly int _site;

    private Linear(ParameterSet set, Parameter weight, Parameter? bias, Activation activation, float dropout)
    {
        (Weight, Bias, Activation, _dropout, _site) = (weight, bias, activation, dropout, set.NextSite());
    }

    /// <summary>[out, in]; [2 · out, in] with GEGLU.</summary>
    public Parameter Weight { get; }

    /// <summary>One value a row of the weight, or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>f.</summary>
    public Activation Activation { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Weight.IsTrained || Bias is { IsTrained: true };

    /// <summary>Declares <c>NAME.weight</c> and, unless left out, <c>NAME.bias</c>.</summary>
    /// <param name="set">Where.</param>
    /// <param name="name">NAME.</param>
    /// <param name="inputs">Width of x.</param>
    /// <param name="outputs">Width of y.</param>
    /// <param name="activation">f.</param>
    /// <param name="bias">Whether there is one.</param>
    /// <param name="dropout">The probability, in training.</param>
    public static Linear Declare(
        ParameterSet set, string name, int inputs, int outputs, Activation activation = Activation.None, bool bias = true, float dropout = 0)
    {
        ArgumentNullException.ThrowIfNull(set);
        bool gated = activation == Activation.Geglu;
        int columns = gated ? 2 * outputs : outputs;
        Parameter weight = set.Declare(name + ".weight", gated ? ParameterKind.GatedLinear : ParameterKind.Linear, columns, inputs);
        return new(set, weight, bias ? set.Declare(name + ".bias", ParameterKind.Bias, columns) : null, activation, dropout);
    }

    /// <summary>Declares <c>NAME.weight</c>, tied to another parameter, and <c>NAME.bias</c>.</summary>
    public static Linear Tie(ParameterSet set, string name, Parameter weight)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(weight);
        Parameter tied = set.Tie(name + ".weight", ParameterKind.Linear, weight);
        return new(set, tied, set.Declare(name + ".bias", ParameterKind.Bias, weight.Shape[0]), Activation.None, dropout: 0);
    }

    /// <summary>x [rows, in], residual [rows, out] or none → [rows, out]; in inference in the residual's place.</summary>
    public Variable Forward(Tape tape, Variable x, Variable residual = default)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Backend backend = tape.Backend;
        Tensor bias = Bias?.Value ?? default;
        int rows = x.Data.Shape[0], columns = Weight.Shape[0], width = Activation == Activation.Geglu ? columns / 2 : columns;
        if (!tape.IsTraining)
        {
            Tensor result = residual.Data.IsAbsent || residual.Data.IsSameAs(x.Data) ? tape.Rent(rows, width) : residual.Data;
            backend.Linear(x.Data, Weight.Weight, bias, Activation, residual.Data, result);
            return result;
        }

        // The backward pass needs what was activated, so in training the activation is a step of its own.
        Tensor y = tape.Rent(rows, width);
        bool activated = Activation != Activation.None, dropped = _dropout > 0, fused = !activated && !dropped;
        Tensor z = activated ? tape.Rent(rows, columns) : y;
        backend.Linear(x.Data, Weight.Weight, bias, Activation.None, fused ? residual.Data : default, z);
        if (Activation == Activation.Gelu) backend.Gelu(z, y);
        if (Activation == Activation.Geglu) backend.Geglu(z, y);
        if (!fused && (dropped || !residual.Data.IsAbsent)) backend.Dropout(y, tape.Random(_site), _dropout, residual.Data, y);
        return tape.Record(this, y, x, residual, saved: (z, default, default, default));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Backend backend = tape.Backend;
        Tensor dy = tape.GradientOf(entry.Output), dz = dy;
        if (_dropout > 0)
        {
            if (entry.B.IsTracked) dz = tape.RentGradient(dy.Shape);
            backend.Dropout(dy, tape.Random(_site), _dropout, residual: default, dz);
        }

        Tensor z = entry.Saved.First;
        if (Activation == Activation.Gelu) backend.GeluGradient(z, dz, z);
        if (Activation == Activation.Geglu) backend.GegluGradient(z, dz, z);
        if (Activation != Activation.None) dz = z;

        if (Weight.IsTrained) backend.LinearWeightGradient(dz, entry.A.Data, Weight.Gradient);
        if (Bias is { IsTrained: true }) backend.SumRows(dz, Bias.Gradient);
        if (entry.A.IsTracked)
        {
            bool accumulate = tape.Accumulate(entry.A, out Tensor dx);
            backend.LinearInputGradient(dz, Weight.Value, accumulate, dx);
        }

        tape.Pass(entry.B, dy);
    }
}
