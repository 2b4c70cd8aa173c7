using Engine.Kernels;
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
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    // Elements of the flat tensors: of all parameters, and of those that are not frozen, which come first.
    private long _length, _trainedLength;
    private int _sites;

    /// <summary>All parameters, tied ones included.</summary>
    public IReadOnlyList<Parameter> Parameters => _parameters;

    /// <summary>
    /// All values in one tensor, each parameter at its <see cref="Parameter.Offset"/>; after <see cref="FillFlat"/>. Frozen parameters lie
    /// behind the others, where gradients and moments end.
    /// </summary>
    public Tensor Values { get; private set; }

    /// <summary>
    /// BF16: <see cref="Values"/> rounded, which operations read where activations are of that type; else absent. Whoever writes values
    /// rounds them (<see cref="Round"/>); the optimizer does.
    /// </summary>
    internal Tensor Rounded { get; private set; }

    /// <summary>
    /// The gradients of all parameters that are not frozen, in the layout of <see cref="Values"/>; after <see cref="AllocateGradients"/>.
    /// </summary>
    public Tensor Gradients { get; private set; }

    /// <summary>Where they live.</summary>
    internal Arena Arena { get; } = new(backend);

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
    public Parameter Declare(string name, ParameterKind kind, params ReadOnlySpan<int> extents) =>
        Add(new Parameter(name, new Shape(extents), kind, null));

    /// <summary>Declares a parameter that is F32 whatever the type of activations; see <see cref="Parameter.IsF32"/>.</summary>
    internal Parameter DeclareF32(string name, ParameterKind kind, params ReadOnlySpan<int> extents) =>
        Add(new Parameter(name, new Shape(extents), kind, null) { IsF32 = true });

    /// <summary>Declares a parameter that has the values of another one, for another use.</summary>
    public Parameter Tie(string name, ParameterKind kind, Parameter to)
    {
        ArgumentNullException.ThrowIfNull(to);
        return Add(new Parameter(name, to.Shape, kind, to));
    }

    /// <summary>
    /// Gives every parameter its values in the backend's own layout of linear weights, for inference: faster, and not trainable.
    /// </summary>
    /// <param name="source">Asked once for each parameter that is not tied, in order.</param>
    public void FillPacked(ParameterSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        Arena.OrdinaryPages = true;
        using var staging = new Arena(Backend) { OrdinaryPages = true };
        for (int i = 0; i < _parameters.Count; i++)
        {
            Parameter p = _parameters[i];
            Tensor value;
            if (p.TiedTo is { } original) value = original.Value;
            else
            {
                staging.Reset();
                value = (p.IsLinear ? staging : Arena).Rent(p.Shape, p.IsF32 ? DType.F32 : Backend.ActivationType);
                Receive(source, p, i, value);
            }

            if (p.IsLinear) p.Set(Backend.Pack(value, p.Activation, Arena));
            else p.Set(value);
        }
    }

    /// <summary>Gives every parameter its values, row-major and in one flat tensor, for training.</summary>
    /// <param name="source">Asked once for each parameter that is not tied, in order.</param>
    /// <exception cref="ArgumentException">There are more than 2³¹ − 1 values.</exception>
    public void FillFlat(ParameterSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        Arrange();
        Values = Allocate(_length);
        if (Backend.ActivationType != DType.F32) Rounded = Arena.Rent(Values.Shape, Backend.ActivationType);
        for (int i = 0; i < _parameters.Count; i++)
        {
            Parameter p = _parameters[i];
            p.Set(p.TiedTo is { } original ? original.Value : Values.Slice(p.Offset, p.Shape));
            if (!Rounded.IsAbsent) p.SetRounded(Rounded.Slice(p.Offset, p.Shape));
            if (p.TiedTo is null) Receive(source, p, i, p.Value);
        }

        Round();
    }

    /// <summary>Rounds all values anew, after they were written.</summary>
    public void Round()
    {
        if (!Rounded.IsAbsent) Backend.Run(new Cast(Values, Rounded));
    }

    /// <summary>Gives every parameter that is not frozen a gradient, 0 at first, in one flat tensor of the layout of the values.</summary>
    public void AllocateGradients()
    {
        Gradients = AllocateFlat();
        foreach (Parameter p in _parameters)
            if (p.TiedTo is null && p.Offset < _trainedLength) p.SetGradient(Gradients.Slice(p.Offset, p.Shape));
    }

    /// <summary>A flat tensor of the layout of the gradients, all 0: for the moments of an optimizer.</summary>
    public Tensor AllocateFlat() => Allocate(_trainedLength);

    /// <summary>A number for an operation that draws random numbers, by the order of declaration.</summary>
    internal int NextSite() => _sites++;

    /// <summary>Returns the memory.</summary>
    public void Dispose() => Arena.Dispose();

    private Parameter Add(Parameter parameter)
    {
        if (!_names.Add(parameter.Name)) throw new ArgumentException($"{parameter.Name} is declared already");
        _parameters.Add(parameter);
        return parameter;
    }

    private void Arrange()
    {
        _length = 0;
        foreach (bool frozen in (ReadOnlySpan<bool>)[false, true])
        {
            foreach (Parameter p in _parameters)
            {
                if (p.TiedTo is not null || p.IsFrozen != frozen) continue;
                p.Place(_length);
                _length += (p.Shape.Count + Alignment - 1) / Alignment * Alignment;
            }

            if (!frozen) _trainedLength = _length;
        }
    }

    private Tensor Allocate(long length)
    {
        if (length > int.MaxValue) throw new ArgumentException($"{length} values: a set that is trained has at most {int.MaxValue}");
        Tensor flat = Arena.Rent(new Shape((int)length), DType.F32);
        Backend.Clear(flat);
        return flat;
    }

    private void Receive(ParameterSource source, Parameter parameter, int index, Tensor value)
    {
        if (Backend.IsHost)
        {
            source(parameter, index, value.Span<float>());
            return;
        }

        float[] values = new float[value.Count];
        source(parameter, index, values);
        Backend.UploadNumbers(values, value);
    }
}
