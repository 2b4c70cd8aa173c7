using System.Diagnostics.CodeAnalysis;
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
    private readonly List<Parameter> _parameters = [];
    private readonly Arena _arena = new(backend);

    /// <summary>All parameters, tied ones included.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

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

    /// <summary>Declares a parameter; its values come with <see cref="Fill"/>.</summary>
    public Parameter Declare(string name, ParameterKind kind, params ReadOnlySpan<int> extents) => Add(new Parameter(name, new Shape(extents), kind, null));

    /// <summary>Declares a parameter that has the values of another one, for another use.</summary>
    public Parameter Tie(string name, ParameterKind kind, Parameter to)
    {
        ArgumentNullException.ThrowIfNull(to);
        return Add(new Parameter(name, to.Shape, kind, to));
    }

    /// <summary>Gives every parameter its values.</summary>
    /// <param name="source">Asked once for each parameter, in order.</param>
    /// <param name="pack">
    /// Whether linear weights are kept only in the backend's own layout, which is faster and cannot be trained; otherwise they stay
    /// row-major.
    /// </param>
    [SuppressMessage("Reliability", "CA2000", Justification = "the staging arena is disposed")]
    public void Fill(ParameterSource source, bool pack)
    {
        ArgumentNullException.ThrowIfNull(source);
        using var staging = new Arena(Backend);
        for (int i = 0; i < _parameters.Count; i++)
        {
            Parameter p = _parameters[i];
            bool packed = pack && p.IsLinear;
            if (p.TiedTo is { } original)
            {
                if (packed) p.Set(Backend.Pack(original.Value, p.Activation, _arena));
                else p.Set(original.Value);
                continue;
            }

            staging.Reset();
            Tensor value = (packed ? staging : _arena).Rent(p.Shape, DType.F32);
            Receive(source, p, i, value);
            if (packed) p.Set(Backend.Pack(value, p.Activation, _arena));
            else p.Set(value);
        }
    }

    /// <summary>Returns the memory.</summary>
    public void Dispose() => _arena.Dispose();

    private Parameter Add(Parameter parameter)
    {
        foreach (Parameter p in _parameters)
            if (p.Name == parameter.Name) throw new ArgumentException($"{p.Name} is declared already");
        _parameters.Add(parameter);
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
