using System.Globalization;
using Engine.Autograd;

namespace Dnabert2.Onnx;

/// <summary>The extent of an input or output.</summary>
/// <param name="Name">Its name, where each run decides it; null: it is fixed.</param>
/// <param name="Count">What it is then.</param>
internal readonly record struct Extent(string? Name, long Count)
{
    /// <summary>One that each run decides.</summary>
    public static implicit operator Extent(string name) => new(name, 0);

    /// <summary>A fixed one.</summary>
    public static implicit operator Extent(int count) => new(null, count);
}

/// <summary>
/// A graph of ONNX as it grows: each node's outputs are values by name, in the order of the computation. Field numbers are those of
/// onnx.proto (IR specification, github.com/onnx/onnx/blob/main/docs/IR.md).
/// </summary>
internal sealed class Graph
{
    // AttributeProto.AttributeType.
    private const int RealAttribute = 1, NumberAttribute = 2, NumbersAttribute = 7;
    private readonly Dictionary<string, Parameter> _parameters;
    private readonly Dictionary<string, Initializer> _initializers = new(StringComparer.Ordinal);
    private int _count;

    /// <summary>An empty graph.</summary>
    /// <param name="set">The parameters that it may hold, by their names in checkpoints.</param>
    public Graph(ParameterSet set) => _parameters = set.Parameters.ToDictionary(p => p.Name, StringComparer.Ordinal);

    /// <summary>The fields of GraphProto that are not tensors.</summary>
    public ProtoMessage Fields { get; } = new();

    /// <summary>The tensors that it holds.</summary>
    public IReadOnlyCollection<Initializer> Initializers => _initializers.Values;

    /// <summary>The names of its outputs.</summary>
    public List<string> Outputs { get; } = [];

    /// <summary>An attribute of a node.</summary>
    public static ProtoMessage Attribute(string name, long value) =>
        new ProtoMessage().Text(1, name).Number(20, NumberAttribute).Number(3, value);

    /// <summary>An attribute of a node.</summary>
    public static ProtoMessage Attribute(string name, float value) =>
        new ProtoMessage().Text(1, name).Number(20, RealAttribute).Real(2, value);

    /// <summary>An attribute of a node.</summary>
    public static ProtoMessage Attribute(string name, params long[] values)
    {
        ProtoMessage attribute = new ProtoMessage().Text(1, name).Number(20, NumbersAttribute);
        foreach (long value in values) attribute.Number(8, value);
        return attribute;
    }

    /// <summary>Adds a node of one output, whose name it returns.</summary>
    public string Node(string op, string[] inputs, params ProtoMessage[] attributes) => Nodes(op, 1, inputs, attributes)[0];

    /// <summary>Adds a node, and returns the names of its outputs.</summary>
    public string[] Nodes(string op, int outputs, string[] inputs, params ProtoMessage[] attributes)
    {
        string name = $"{op}_{_count++}";
        string[] names = outputs == 1 ? [name] : [.. Enumerable.Range(0, outputs).Select(i => $"{name}_{i}")];
        Add(op, name, inputs, names, attributes);
        return names;
    }

    /// <summary>Declares an input, int64.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="dims">Its extents.</param>
    public string Input(string name, params Extent[] dims)
    {
        const int int64 = 7;
        Fields.Message(11, ValueInfo(name, int64, dims));
        return name;
    }

    /// <summary>Declares a value as an output, float.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="value">The value.</param>
    /// <param name="dims">Its extents.</param>
    public void Output(string name, string value, params Extent[] dims)
    {
        const int real = 1;
        Add("Identity", name, [value], [name], []);
        Fields.Message(12, ValueInfo(name, real, dims));
        Outputs.Add(name);
    }

    /// <summary>Whether the model has such a parameter.</summary>
    public bool Has(string parameter) => _parameters.ContainsKey(parameter);

    /// <summary>The parameter of a name.</summary>
    public Parameter Parameter(string name) => _parameters[name];

    /// <summary>The values of a parameter; of one that is tied, those of the other.</summary>
    public string Values(string name, Layout layout = Layout.Whole)
    {
        Parameter parameter = _parameters[name].TiedTo ?? _parameters[name];
        if (!_initializers.TryGetValue(parameter.Name, out Initializer? there))
            _initializers.Add(parameter.Name, there = Initializer.Of(parameter.Name, parameter, layout));
        return there.Layout == layout ? parameter.Name : throw new InvalidOperationException($"{name} is in the graph as {there.Layout}");
    }

    /// <summary>A number.</summary>
    public string Constant(float value) =>
        Constant(Initializer.Of(string.Create(CultureInfo.InvariantCulture, $"float_{value}"), [value]));

    /// <summary>A whole number.</summary>
    public string Whole(long value) => Constant(Initializer.Of($"int_{value}", [value]));

    /// <summary>A list of whole numbers.</summary>
    public string List(params long[] values) => Constant(Initializer.Of($"list_{string.Join('_', values)}", values, values.Length));

    /// <summary>A tensor that is no parameter; one of each name.</summary>
    public string Constant(Initializer constant)
    {
        _initializers.TryAdd(constant.Name, constant);
        return constant.Name;
    }

    private void Add(string op, string name, string[] inputs, string[] outputs, ProtoMessage[] attributes)
    {
        var node = new ProtoMessage();
        foreach (string input in inputs) node.Text(1, input);
        foreach (string output in outputs) node.Text(2, output);
        node.Text(3, name).Text(4, op);
        foreach (ProtoMessage attribute in attributes) node.Message(5, attribute);
        Fields.Message(1, node);
    }

    private static ProtoMessage ValueInfo(string name, int type, Extent[] dims)
    {
        var shape = new ProtoMessage();
        foreach (Extent dim in dims)
            shape.Message(1, dim.Name is null ? new ProtoMessage().Number(1, dim.Count) : new ProtoMessage().Text(2, dim.Name));
        ProtoMessage tensor = new ProtoMessage().Number(1, type).Message(2, shape);
        return new ProtoMessage().Text(1, name).Message(2, new ProtoMessage().Message(1, tensor));
    }
}
