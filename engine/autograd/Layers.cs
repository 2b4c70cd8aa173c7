using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>The parameters of a linear layer, <c>y = f(x wᵀ + bias)</c>.</summary>
public sealed class Linear
{
    private Linear(Parameter weight, Parameter? bias, Activation activation)
    {
        (Weight, Bias, Activation) = (weight, bias, activation);
    }

    /// <summary>[out, in]; [2 · out, in] with GEGLU.</summary>
    public Parameter Weight { get; }

    /// <summary>[out], or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>f.</summary>
    public Activation Activation { get; }

    /// <summary>Columns of the result.</summary>
    public int Outputs => Activation == Activation.Geglu ? Weight.Shape[0] / 2 : Weight.Shape[0];

    /// <summary>Declares <c>NAME.weight</c> and, unless left out, <c>NAME.bias</c>.</summary>
    public static Linear Declare(ParameterSet set, string name, int inputs, int outputs, Activation activation = Activation.None, bool bias = true)
    {
        ArgumentNullException.ThrowIfNull(set);
        bool gated = activation == Activation.Geglu;
        int columns = gated ? 2 * outputs : outputs;
        Parameter weight = set.Declare(name + ".weight", gated ? ParameterKind.GatedLinear : ParameterKind.Linear, columns, inputs);
        return new(weight, bias ? set.Declare(name + ".bias", ParameterKind.Bias, columns) : null, activation);
    }

    /// <summary>Declares <c>NAME.weight</c>, tied to another parameter, and <c>NAME.bias</c>.</summary>
    public static Linear Tie(ParameterSet set, string name, Parameter weight)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(weight);
        return new(set.Tie(name + ".weight", ParameterKind.Linear, weight), set.Declare(name + ".bias", ParameterKind.Bias, weight.Shape[0]), Activation.None);
    }
}

/// <summary>The parameters of a layer normalisation.</summary>
public sealed class LayerNorm
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

    internal Norm Operand => new(Weight.Value, Bias.Value, _epsilon);

    /// <summary>Declares <c>NAME.weight</c> and <c>NAME.bias</c>.</summary>
    public static LayerNorm Declare(ParameterSet set, string name, int width, float epsilon)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set.Declare(name + ".weight", ParameterKind.NormWeight, width), set.Declare(name + ".bias", ParameterKind.NormBias, width), epsilon);
    }
}
