namespace Dnabert2.Onnx;

/// <summary>
/// The tokens that a graph is given, and what follows from their mask: a token of mask 0 is padding, wherever it stands. Nothing that is
/// attended depends on it, and its own vectors are 0.
/// </summary>
internal sealed class Tokens
{
    /// <summary>
    /// What is added to the score of a key that is not attended: its probability is 0, and a row without any key has no NaN.
    /// </summary>
    public const float Hidden = -1e9f;

    private readonly Graph _graph;

    public Tokens(Graph graph, string ids, string mask)
    {
        _graph = graph;
        Ids = ids;
        Mask = graph.ToFloat(mask);
        Column = graph.Unsqueeze(Mask, 2);
        Count = graph.Node("ReduceSum", [Mask, graph.List(1)]);
        // Padding has the positions of its neighbours, or 0: it counts nowhere.
        string counted = graph.Sub(graph.Node("CumSum", [mask, graph.Whole(1)]), graph.Whole(1));
        Positions = graph.Node("Max", [counted, graph.Whole(0)]);
    }

    /// <summary>int64 [sequences, length].</summary>
    public string Ids { get; }

    /// <summary>1 or 0, [sequences, length].</summary>
    public string Mask { get; }

    /// <summary>1 or 0, [sequences, length, 1].</summary>
    public string Column { get; }

    /// <summary>The attended tokens of each sequence, [sequences, 1].</summary>
    public string Count { get; }

    /// <summary>The attended tokens before each one, int64 [sequences, length].</summary>
    public string Positions { get; }

    /// <summary>What is added to scores so that padding is not attended, [sequences, 1, 1, length].</summary>
    public string MaskedScores() => _graph.Mul(
        _graph.Sub(_graph.Constant(1), _graph.Unsqueeze(_graph.Unsqueeze(Mask, 1), 1)), _graph.Constant(Hidden));

    /// <summary>The position of each key less that of each query, int64 [sequences, length, length].</summary>
    public string Distances() => _graph.Sub(_graph.Unsqueeze(Positions, 1), _graph.Unsqueeze(Positions, 2));

    /// <summary>x without what it holds of padding: [sequences, length, width].</summary>
    public string Attended(string x) => _graph.Mul(x, Column);

    /// <summary>The mean over the attended tokens, 0 without any: [sequences, length, width] → [sequences, width].</summary>
    public string Mean(string x) =>
        Weighted(_graph.Div(Mask, _graph.Node("Max", [Count, _graph.Constant(1)])), x);

    /// <summary>The first attended token: [sequences, length, width] → [sequences, width].</summary>
    public string First(string x) => At(_graph.Whole(0), x);

    /// <summary>The last attended token: [sequences, length, width] → [sequences, width].</summary>
    public string Last(string x) => At(_graph.Sub(_graph.ToWhole(Count), _graph.Whole(1)), x);

    private string At(string position, string x) =>
        Weighted(_graph.Mul(_graph.ToFloat(_graph.Node("Equal", [Positions, position])), Mask), x);

    /// <summary>A product with weights of the tokens [sequences, length], which are 0 for padding.</summary>
    private string Weighted(string weights, string x) => _graph.Squeeze(_graph.MatMul(_graph.Unsqueeze(weights, 1), x), 1);
}
