using static Dnabert2.Onnx.Graph;

namespace Dnabert2.Onnx;

/// <summary>The layers that models are made of, in operators of ONNX.</summary>
internal static class Layers
{
    public static string Add(this Graph g, string a, string b) => g.Node("Add", [a, b]);

    public static string Sub(this Graph g, string a, string b) => g.Node("Sub", [a, b]);

    public static string Mul(this Graph g, string a, string b) => g.Node("Mul", [a, b]);

    public static string Div(this Graph g, string a, string b) => g.Node("Div", [a, b]);

    public static string MatMul(this Graph g, string a, string b) => g.Node("MatMul", [a, b]);

    public static string Transpose(this Graph g, string x, params long[] order) => g.Node("Transpose", [x], Attribute("perm", order));

    public static string Reshape(this Graph g, string x, params long[] shape) => g.Node("Reshape", [x, g.List(shape)]);

    public static string Unsqueeze(this Graph g, string x, long axis) => g.Node("Unsqueeze", [x, g.List(axis)]);

    public static string Squeeze(this Graph g, string x, long axis) => g.Node("Squeeze", [x, g.List(axis)]);

    /// <summary>Equal parts along an axis.</summary>
    public static string[] Split(this Graph g, string x, int parts, long axis) => g.Nodes("Split", parts, [x], Attribute("axis", axis));

    /// <summary>To float from a type of whole numbers or truth values.</summary>
    public static string ToFloat(this Graph g, string x) => g.Node("Cast", [x], Attribute("to", 1));

    /// <summary>To int64.</summary>
    public static string ToWhole(this Graph g, string x) => g.Node("Cast", [x], Attribute("to", 7));

    /// <summary>The row of a table for each id.</summary>
    public static string Gather(this Graph g, string table, string ids, long axis = 0) =>
        g.Node("Gather", [table, ids], Attribute("axis", axis));

    /// <summary>
    /// <c>x Wᵀ + b</c> with <c>NAME.weight</c> and, where there is one, <c>NAME.bias</c>. A weight that is tied to a table stays one
    /// tensor, as the table has it, and is transposed by a node, which runtimes do once.
    /// </summary>
    public static string Linear(this Graph g, string x, string name)
    {
        string weight = g.Parameter(name + ".weight").TiedTo is null
            ? g.Values(name + ".weight", Layout.Transposed) : g.Transpose(g.Values(name + ".weight"), 1, 0);
        string y = g.MatMul(x, weight);
        return g.Has(name + ".bias") ? g.Add(y, g.Values(name + ".bias")) : y;
    }

    /// <summary>Normalises the last axis.</summary>
    public static string LayerNorm(this Graph g, string x, string name, float epsilon) => g.Node(
        "LayerNormalization", [x, g.Values(name + ".weight"), g.Values(name + ".bias")], Attribute("axis", -1),
        Attribute("epsilon", epsilon));

    /// <summary><c>x / 2 · (1 + erf(x / √2))</c>.</summary>
    public static string Gelu(this Graph g, string x)
    {
        string erf = g.Node("Erf", [g.Div(x, g.Constant(1.4142135623730951f))]);
        return g.Mul(g.Mul(x, g.Add(erf, g.Constant(1))), g.Constant(0.5f));
    }

    /// <summary><c>x / 2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))</c>.</summary>
    public static string GeluTanh(this Graph g, string x)
    {
        string cubic = g.Mul(g.Mul(g.Mul(x, x), x), g.Constant(0.044715f));
        string tanh = g.Node("Tanh", [g.Mul(g.Add(x, cubic), g.Constant(0.7978845608028654f))]);
        return g.Mul(g.Mul(x, g.Add(tanh, g.Constant(1))), g.Constant(0.5f));
    }

    /// <summary>The first half of the last axis by GELU, or by SiLU, times the second.</summary>
    public static string GatedUnit(this Graph g, string x, bool silu)
    {
        string[] halves = g.Split(x, 2, -1);
        return g.Mul(silu ? g.Mul(halves[0], g.Node("Sigmoid", [halves[0]])) : g.Gelu(halves[0]), halves[1]);
    }
}
