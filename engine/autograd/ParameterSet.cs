using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>Gives the values of a parameter, row-major.</summary>
/// <param name="parameter">The parameter.</param>
/// <param name="index">Its number in the set.</param>
/// <param name="destination">Its elements.</param>
public delegate void ParameterSource(Parameter parameter, int index, Span<float> destination);

/// <summary>The parameters of a model in the order of their declaration, and the memory they live in.</summary>
/// <param name="backend">Where they live.</param>
public sealed class ParameterSet(Backend backend) : IDisposable
{
    // Elements: each parameter begins on a cache line.
    internal const int Alignment = 16;
    private readonly List<Parameter> _parameters = [];
    private readonly Arena _arena = new(backend);
    private long _length;
    private int _sites;

    /// <summary>All parameters, tied ones included.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>All values in one tensor, each parameter at its <see cref="Parameter.Offset"/>; after <see cref="FillFlat"/>.</summary>
    public Tensor Values { get; private set; }

    /// <summary>All gradients in the layout of <see cref="Values"/>; after <see cref="AllocateGradients"/>.</summary>
    public Tensor Gradients { get; private set; }

    /// <summary>The backend they live on.</summary>
    public Backend Backend { get; } = backend;

    /// <summary>The number of distinct values: tied parameters count once.</summary>
    public long Count
    {
        get
        {
            long count = 0;
            foreach (Parameter p in _parameters) count += p.TiedTo is null ? p.Shape.Count : 0;
            return count;
        }
    }

    /// <summary>Declares a parameter; its values come with <see cref="FillPacked"/> or <see cref="FillFlat"/>.</summary>
    public Parameter Declare(string name, ParameterKind kind, params ReadOnlySpan<int> extents) => Add(new Parameter(name, new Shape(extents), kind, null, _length));

    /// <summary>Declares a parameter that has the values of another one, for another use.</summary>
    public Parameter Tie(string name, ParameterKind kind, Parameter to)
    {
        ArgumentNullException.ThrowIfNull(to);
        return Add(new Parameter(name, to.Shape, kind, to, to.Offset));
    }

    /// <summary>
    /// Gives every parameter its values in the backend's own layout of linear weights, for inference: faster, and not trainable.
    /// </summary>
    /// <param name="source">Asked once for each parameter that is not tied, in order.</param>
    public void FillPacked(ParameterSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        using var staging = new Arena(Backend);
        for (int i = 0; i < _parameters.Count; i++)
        {
            Parameter p = _parameters[i];
            Tensor value;
            if (p.TiedTo is { } original) value = original.Value;
            else
            {
                staging.Reset();
                value = (p.IsLinear ? staging : _arena).Rent(p.Shape, DType.F32);
                Receive(source, p, i, value);
            }

            if (p.IsLinear) p.Set(Backend.Pack(value, p.Activation, _arena));
            else p.Set(value);
        }
    }

    /// <summary>Gives every parameter its values, row-major and in one flat tensor, for training.</summary>
    /// <param name="source">Asked once for each parameter that is not tied, in order.</param>
    public void FillFlat(ParameterSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        Values = AllocateFlat();
        for (int i = 0; i < _parameters.Count; i++)
        {
            Parameter p = _parameters[i];
            p.Set(p.TiedTo is { } original ? original.Value : Values.Slice(p.Offset, p.Shape));
            if (p.TiedTo is null) Receive(source, p, i, p.Value);
        }
    }

    /// <summary>Gives every parameter a gradient, 0 at first, in one flat tensor of the layout of the values.</summary>
    public void AllocateGradients()
    {
        Gradients = AllocateFlat();
        foreach (Parameter p in _parameters)
            if (p.TiedTo is null) p.SetGradient(Gradients.Slice(p.Offset, p.Shape));
    }

    /// <summary>A flat tensor of the layout of the values, all 0: for the moments of an optimizer.</summary>
    public Tensor AllocateFlat()
    {
        Tensor flat = _arena.Rent(new Shape(checked((int)_length)), DType.F32);
        Backend.Clear(flat);
        return flat;
    }

    /// <summary>A number for an operation that draws random numbers, by the order of declaration.</summary>
    internal int NextSite() => _sites++;

    /// <summary>Returns the memory.</summary>
    public void Dispose() => _arena.Dispose();

    private Parameter Add(Parameter parameter)
    {
        foreach (Parameter p in _parameters)
            if (p.Name == parameter.Name) throw new ArgumentException($"{p.Name} is declared already");
        _parameters.Add(parameter);
        if (parameter.TiedTo is null) _length += (parameter.Shape.Count + Alignment - 1) / Alignment * Alignment;
        return parameter;
    }

    private void Receive(ParameterSource source, Parameter parameter, int index, Tensor value)
    {
        float[] values = System.Buffers.ArrayPool<float>.Shared.Rent(checked((int)value.Count));
        Span<float> span = values.AsSpan(0, (int)value.Count);
        source(parameter, index, span);
        Backend.Upload<float>(span, value);
        System.Buffers.ArrayPool<float>.Shared.Return(values);
    }
}
