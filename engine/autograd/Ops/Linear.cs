using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>
/// A linear layer with what follows it, <c>y = dropout(f(x wᵀ + bias)) + residual</c>. A low-rank addition, where it has one, comes before
/// f.
/// </summary>
public sealed class Linear : Op
{
    private readonly float _dropout;
    private readonly int _site;

    private Linear(ParameterSet set, Parameter weight, Parameter? bias, Activation activation, float dropout)
    {
        (Weight, Bias, Activation, _dropout, _site) = (weight, bias, activation, dropout, set.NextSite());
    }

    /// <summary>[out, in]; [2 · out, in] with a gated activation.</summary>
    public Parameter Weight { get; }

    /// <summary>One value a row of the weight, or null.</summary>
    public Parameter? Bias { get; }

    /// <summary>f.</summary>
    public Activation Activation { get; }

    /// <summary>The name under which its parameters are declared.</summary>
    public string Prefix => Weight.Name[..^".weight".Length];

    /// <summary>What is added to the product with the weight, or null.</summary>
    public LowRank? Addition { get; private set; }

    /// <inheritdoc/>
    public override bool IsTrained => Weight.IsTrained || Bias is { IsTrained: true } || Addition is { IsTrained: true };

    /// <summary>Declares <c>NAME.weight</c> and, unless left out, <c>NAME.bias</c>.</summary>
    /// <param name="set">Where.</param>
    /// <param name="name">NAME.</param>
    /// <param name="inputs">Width of x.</param>
    /// <param name="outputs">Width of y.</param>
    /// <param name="activation">f.</param>
    /// <param name="bias">Whether there is one.</param>
    /// <param name="dropout">The probability, in training.</param>
    public static Linear Declare(
        ParameterSet set, string name, int inputs, int outputs, Activation activation = Activation.None, bool bias = true,
        float dropout = 0)
    {
        ArgumentNullException.ThrowIfNull(set);
        bool gated = activation.IsGated();
        int columns = gated ? 2 * outputs : outputs;
        Parameter weight = set.Declare(name + ".weight", gated ? ParameterKind.GatedLinear : ParameterKind.Linear, columns, inputs);
        return new(set, weight, bias ? set.Declare(name + ".bias", ParameterKind.Bias, columns) : null, activation, dropout);
    }

    /// <summary>Declares a layer of few outputs, which is F32 whatever the type of activations.</summary>
    /// <param name="set">Where.</param>
    /// <param name="name">NAME.</param>
    /// <param name="inputs">Width of x, which is F32.</param>
    /// <param name="outputs">Width of y.</param>
    public static Linear DeclareF32(ParameterSet set, string name, int inputs, int outputs)
    {
        ArgumentNullException.ThrowIfNull(set);
        Parameter weight = set.DeclareF32(name + ".weight", ParameterKind.Linear, outputs, inputs);
        return new(set, weight, set.DeclareF32(name + ".bias", ParameterKind.Bias, outputs), Activation.None, dropout: 0);
    }

    /// <summary>A layer of parameters that are declared already, under whatever names.</summary>
    /// <param name="set">Their set.</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or null.</param>
    public static Linear Of(ParameterSet set, Parameter weight, Parameter? bias)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(weight);
        return new(set, weight, bias, Activation.None, dropout: 0);
    }

    /// <summary>Declares <c>NAME.weight</c>, tied to another parameter, and <c>NAME.bias</c>.</summary>
    public static Linear Tie(ParameterSet set, string name, Parameter weight)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(weight);
        Parameter tied = set.Tie(name + ".weight", ParameterKind.Linear, weight);
        return new(set, tied, set.Declare(name + ".bias", ParameterKind.Bias, weight.Shape[0]), Activation.None, dropout: 0);
    }

    /// <summary>
    /// Gives the layer a low-rank addition, <c>scale · dropout(x) Aᵀ Bᵀ</c>, and declares its factors <c>NAME.lora_A.weight</c> and
    /// <c>NAME.lora_B.weight</c>. The values are then laid out for training, even if it is only run.
    /// </summary>
    /// <param name="set">The set of the layer's parameters, not filled yet.</param>
    /// <param name="rank">The width between the two factors.</param>
    /// <param name="scale">The factor of the addition.</param>
    /// <param name="dropout">The probability, in training.</param>
    /// <exception cref="InvalidOperationException">It has one already.</exception>
    public void Add(ParameterSet set, int rank, float scale, float dropout)
    {
        ArgumentNullException.ThrowIfNull(set);
        if (Addition is not null) throw new InvalidOperationException($"{Prefix} has a low-rank addition already");
        Addition = new LowRank(set, Prefix, Weight.Shape[1], Weight.Shape[0], rank, scale, dropout);
    }

    /// <summary>x [rows, in], residual [rows, out] or none → [rows, out].</summary>
    public Variable Forward(Tape tape, Variable x, Variable residual = default) => Forward(tape, x, residual, place: default);

    /// <summary>
    /// The same as <see cref="Forward(Tape, Variable, Variable)"/>; in inference the result takes the place of the residual, which nothing
    /// may read afterwards, unless the residual is x or there is a low-rank addition.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable x, Variable residual) =>
        Forward(tape, x, residual, residual.Data.IsSameAs(x.Data) ? default : residual.Data);

    private Variable Forward(Tape tape, Variable x, Variable residual, Tensor place)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Backend backend = tape.Backend;
        DType dtype = x.Data.DType;
        Tensor bias = Bias?.ValueIn(dtype) ?? default;
        int rows = x.Data.Shape[0], columns = Weight.Shape[0], width = Activation.IsGated() ? columns / 2 : columns;
        if (!tape.IsTraining && Addition is null)
        {
            Tensor result = place.IsAbsent ? tape.Rent(rows, width, dtype) : place;
            backend.Run(new LinearForward(x.Data, Weight.WeightIn(dtype), bias, Activation, residual.Data, result));
            return result;
        }

        // The backward pass needs what was activated, so in training the activation is a step of its own; what is added precedes it.
        bool activated = Activation != Activation.None, dropped = tape.IsTraining && _dropout > 0, fused = !activated && !dropped;
        Tensor y = tape.Rent(rows, width, dtype);
        Tensor z = activated ? tape.Rent(rows, columns, dtype) : y;
        backend.Run(new LinearForward(x.Data, Weight.WeightIn(dtype), bias, Activation.None, fused ? residual.Data : default, z));
        Tensor low = Addition?.Forward(tape, x.Data, z) ?? default;
        if (Activation == Activation.Gelu) backend.Run(new GeluForward(z, y));
        if (Activation.IsGated()) backend.Run(new GatedUnitForward(z, Activation, y));
        if (!fused && (dropped || !residual.Data.IsAbsent))
            backend.Run(new DropoutForward(y, tape.RandomState, _site, dropped ? _dropout : 0, residual.Data, y));
        return tape.Record(this, y, x, residual, saved: (z, low, default, default));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Backend backend = tape.Backend;
        Tensor dy = tape.GradientOf(entry.Output), dz = dy;
        if (_dropout > 0)
        {
            if (entry.B.IsTracked) dz = tape.RentGradient(dy.Shape, dy.DType);
            backend.Run(new DropoutForward(dy, tape.RandomState, _site, _dropout, residual: default, dz));
        }

        Tensor z = entry.Saved.First;
        if (Activation == Activation.Gelu) backend.Run(new GeluBackward(z, dz, z));
        if (Activation.IsGated()) backend.Run(new GatedUnitBackward(z, Activation, dz, z));
        if (Activation != Activation.None) dz = z;

        if (Weight.IsTrained) backend.Run(new LinearWeightBackward(dz, entry.A.Data, Weight.Gradient));
        if (Bias is { IsTrained: true }) backend.Run(new SumRows(dz, Bias.Gradient));
        Tensor dx = default;
        if (entry.A.IsTracked)
        {
            bool accumulate = tape.Accumulate(entry.A, out dx);
            backend.Run(new LinearInputBackward(dz, Weight.ValueIn(dz.DType), accumulate, dx));
        }

        Addition?.Backward(tape, entry.A.Data, entry.Saved.Second, dz, dx);
        tape.Pass(entry.B, dy);
    }
}
