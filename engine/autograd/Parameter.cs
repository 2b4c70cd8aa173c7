using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>What a parameter is used as; it decides initialisation and, for linear weights, the layout.</summary>
public enum ParameterKind
{
    /// <summary>A table of rows, gathered by id. Initialised from a normal distribution.</summary>
    Embedding,

    /// <summary>The weight [out, in] of a linear layer. Initialised from a normal distribution.</summary>
    Linear,

    /// <summary>
    /// The weight [2 · out, in] of a linear layer followed by a gated activation. Initialised from a normal distribution.
    /// </summary>
    GatedLinear,

    /// <summary>A bias, initially 0.</summary>
    Bias,

    /// <summary>The factor of a layer normalisation, initially 1.</summary>
    NormWeight,

    /// <summary>The addend of a layer normalisation, initially 0.</summary>
    NormBias,

    /// <summary>The first factor [rank, in] of a low-rank addition to a linear layer. Initialised from a uniform distribution.</summary>
    LowRankDown,

    /// <summary>The second factor [out, rank] of a low-rank addition to a linear layer, initially 0.</summary>
    LowRankUp,

    /// <summary>The weight [out, in, width] of a convolution. Initialised from a normal distribution.</summary>
    Convolution,

    /// <summary>The frequencies of a sine, initially 10.</summary>
    Frequency,
}

/// <summary>A named array of a model. Its values live in the arena of its <see cref="ParameterSet"/>.</summary>
public sealed class Parameter
{
    private Weight _weight, _rounded;
    private Tensor _value, _roundedValue;
    private Tensor _gradient;

    private long _offset;

    internal Parameter(string name, Shape shape, ParameterKind kind, Parameter? tiedTo)
    {
        (Name, Shape, Kind, TiedTo) = (name, shape, kind, tiedTo);
    }

    /// <summary>The name in checkpoints.</summary>
    public string Name { get; }

    /// <summary>The extents.</summary>
    public Shape Shape { get; }

    /// <summary>What it is used as.</summary>
    public ParameterKind Kind { get; }

    /// <summary>The parameter whose values these are, or null.</summary>
    public Parameter? TiedTo { get; }

    /// <summary>The first element within the set's flat tensors; after <see cref="ParameterSet.FillFlat"/>.</summary>
    public long Offset => TiedTo?.Offset ?? _offset;

    /// <summary>The values, row-major.</summary>
    /// <exception cref="InvalidOperationException">There are none yet, or they were packed for inference.</exception>
    public Tensor Value => !_value.IsAbsent ? _value : throw new InvalidOperationException($"{Name} has no row-major values");

    /// <summary>The values as the weight of a linear layer.</summary>
    /// <exception cref="InvalidOperationException">There are none yet.</exception>
    public Weight Weight => !_weight.Data.IsAbsent ? _weight : throw new InvalidOperationException($"{Name} has no values");

    /// <summary>The values in the type of what they are used with: themselves, or a rounded copy.</summary>
    internal Tensor ValueIn(DType dtype) => dtype == DType.F32 || _roundedValue.IsAbsent ? Value : _roundedValue;

    /// <summary>The weight in the type of what it is multiplied with.</summary>
    internal Weight WeightIn(DType dtype) => dtype == DType.F32 || _rounded.Data.IsAbsent ? Weight : _rounded;

    /// <summary>
    /// Whether inference too reads it in F32, whatever the type of activations: of a head with few outputs, which are told as they are.
    /// </summary>
    internal bool IsF32 { get; init; }

    /// <summary>The gradient, row-major; tied parameters share it.</summary>
    /// <exception cref="InvalidOperationException">The set has no gradients.</exception>
    public Tensor Gradient => TiedTo is { } original ? original.Gradient
        : !_gradient.IsAbsent
        ? _gradient : throw new InvalidOperationException($"{Name} has no gradient; call ParameterSet.AllocateGradients");

    /// <summary>Whether it is trained: it has a gradient and is not frozen.</summary>
    public bool IsTrained => TiedTo is { } original ? original.IsTrained : !_gradient.IsAbsent && !IsFrozen;

    /// <summary>
    /// Whether training leaves it as it is. Frozen before <see cref="ParameterSet.FillFlat"/>, it takes no memory for a gradient and
    /// moments either, and stays frozen.
    /// </summary>
    public bool IsFrozen { get; set; }

    internal bool IsLinear => Kind is ParameterKind.Linear or ParameterKind.GatedLinear;

    /// <summary>What its packed form is for: all gated activations have one.</summary>
    internal Activation Activation => Kind == ParameterKind.GatedLinear ? Activation.Geglu : Activation.None;

    internal void Place(long offset) => _offset = offset;

    internal void Set(Tensor value)
    {
        _value = value;
        if (Shape.Rank == 2) _weight = new Weight(value);
    }

    internal void Set(in Weight packed) => _weight = packed;

    internal void SetRounded(Tensor rounded)
    {
        _roundedValue = rounded;
        if (Shape.Rank == 2) _rounded = new Weight(rounded);
    }

    internal void SetGradient(Tensor gradient) => _gradient = gradient;
}
