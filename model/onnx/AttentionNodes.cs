using System.Globalization;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Onnx;

/// <summary>
/// The self-attention of a model, softmax(q kᵀ / √d + …) v, with the built-in score modifications of <see cref="SelfAttention"/>. What all
/// layers add to their scores, padding and distances, is computed once.
/// </summary>
internal sealed class AttentionNodes
{
    private readonly Graph _graph;
    private readonly Tokens _tokens;
    private readonly int _hidden, _heads;
    private readonly string _kind;
    private readonly string? _number, _cos, _sin;
    private readonly string _added;

    /// <summary>Begins the attention of a model.</summary>
    /// <param name="graph">The graph.</param>
    /// <param name="tokens">The tokens.</param>
    /// <param name="hidden">The width of all heads.</param>
    /// <param name="heads">The number of heads.</param>
    /// <param name="name">One of <see cref="SelfAttention.Names"/>.</param>
    /// <param name="backend">Where a table of angles is made.</param>
    /// <exception cref="NotSupportedException">It is not built in.</exception>
    public AttentionNodes(Graph graph, Tokens tokens, int hidden, int heads, string name, Backend backend)
    {
        (_graph, _tokens, _hidden, _heads) = (graph, tokens, hidden, heads);
        string[] parts = name.Split(':', 2);
        (_kind, _number) = (parts[0], parts.Length > 1 ? parts[1] : null);
        string masked = tokens.MaskedScores();                                      // [sequences, 1, 1, length]
        _added = _kind switch
        {
            "alibi" => graph.Add(Alibi(), masked),                                  // [sequences, heads, length, length]
            "causal" => graph.Add(Unseen("Greater", tokens.Distances(), 0), masked),// [sequences, 1, length, length]
            "window" => graph.Add(Unseen("Greater", graph.Node("Abs", [tokens.Distances()]), Radius), masked),
            "none" or "softcap" or "relative" or "rotary" => masked,
            _ => throw new NotSupportedException(
                $"attention {name} is a program's own, and operators of ONNX are known for the built-in ones alone "
                + $"({SelfAttention.Names}); train the model with one of these"),
        };
        if (_kind == "rotary") (_cos, _sin) = Angles(backend);
    }

    private int Radius => int.Parse(_number!, CultureInfo.InvariantCulture);

    /// <summary>q, k, v [sequences, length, hidden] → [sequences, length, hidden].</summary>
    /// <param name="q">The queries.</param>
    /// <param name="k">The keys.</param>
    /// <param name="v">The values.</param>
    /// <param name="layer">What the names of the layer's own parameters begin with.</param>
    public string Forward(string q, string k, string v, string layer)
    {
        int size = _hidden / _heads;
        q = Rotated(Heads(_graph.Mul(q, _graph.Constant((float)(1 / Math.Sqrt(size))))));   // [sequences, length, heads, size]
        k = Rotated(Heads(k));                                                      // [sequences, length, heads, size]
        string scores = _graph.MatMul(_graph.Transpose(q, 0, 2, 1, 3), _graph.Transpose(k, 0, 2, 3, 1));
        scores = _graph.Add(Modified(scores, layer), _added);                       // [sequences, heads, length, length]
        string probabilities = _graph.Node("Softmax", [scores], Graph.Attribute("axis", -1));
        string context = _graph.MatMul(probabilities, _graph.Transpose(Heads(v), 0, 2, 1, 3));
        return _graph.Reshape(_graph.Transpose(context, 0, 2, 1, 3), 0, 0, _hidden);// [sequences, length, hidden]
    }

    private string Heads(string x) => _graph.Reshape(x, 0, 0, _heads, _hidden / _heads);

    private string Modified(string scores, string layer)
    {
        if (_kind == "softcap")
        {
            string cap = _graph.Constant(float.Parse(_number!, CultureInfo.InvariantCulture));
            return _graph.Mul(_graph.Node("Tanh", [_graph.Div(scores, cap)]), cap);
        }

        if (_kind != "relative") return scores;
        string entries = _graph.Node(
            "Clip", [_graph.Add(_tokens.Distances(), _graph.Whole(Radius)), _graph.Whole(0), _graph.Whole(2 * Radius)]);
        string table = _graph.Values(layer + "attention.self.relative_bias");       // [heads, 2 · radius + 1]
        string biases = _graph.Gather(table, entries, 1);                           // [heads, sequences, length, length]
        return _graph.Add(scores, _graph.Transpose(biases, 1, 0, 2, 3));            // [sequences, heads, length, length]
    }

    /// <summary>The linear biases, [sequences, heads, length, length].</summary>
    private string Alibi()
    {
        float[] slopes = [.. Enumerable.Range(0, _heads).Select(head => -(float)Engine.Kernels.Alibi.Slope(head, _heads))];
        string distances = _graph.ToFloat(_graph.Node("Abs", [_tokens.Distances()]));
        return _graph.Mul(_graph.Unsqueeze(distances, 1), _graph.Constant(Initializer.Of("alibi.slopes", slopes, 1, _heads, 1, 1)));
    }

    /// <summary>What hides the keys for which a comparison holds, [sequences, 1, length, length].</summary>
    private string Unseen(string comparison, string distances, long limit)
    {
        string hides = _graph.ToFloat(_graph.Node(comparison, [distances, _graph.Whole(limit)]));
        return _graph.Unsqueeze(_graph.Mul(hides, _graph.Constant(Tokens.Hidden)), 1);
    }

    /// <summary>Cosines and sines of the angles of each token's position, [sequences, length, 1, size / 2].</summary>
    private (string Cos, string Sin) Angles(Backend backend)
    {
        int positions = Radius, size = _hidden / _heads;
        using var arena = new Arena(backend);
        var table = new float[(long)positions * size];
        backend.Download<float>(Rotary.Table(arena, positions, size), table);
        string values = _graph.Constant(Initializer.Of("rotary.angles", table, positions, size));
        string rows = _graph.Unsqueeze(_graph.Gather(values, _tokens.Positions), 2);// [sequences, length, 1, size]
        string[] parts = _graph.Split(rows, 2, -1);
        return (parts[0], parts[1]);
    }

    /// <summary>[sequences, length, heads, size], turned where positions are rotary.</summary>
    private string Rotated(string x)
    {
        if (_cos is null || _sin is null) return x;
        string[] halves = _graph.Split(x, 2, -1);
        return _graph.Node(
            "Concat",
            [
                _graph.Sub(_graph.Mul(halves[0], _cos), _graph.Mul(halves[1], _sin)),
                _graph.Add(_graph.Mul(halves[1], _cos), _graph.Mul(halves[0], _sin)),
            ],
            Graph.Attribute("axis", -1));
    }
}
