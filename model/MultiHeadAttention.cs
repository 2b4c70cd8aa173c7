using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>
/// The self-attention of BERT and ESM: queries, keys and values by a linear layer each, as their checkpoints and adapters have them, and
/// unmodified scores; queries and keys may be turned by their positions before. One product of three times the width would save one to
/// three hundredths of a forward pass.
/// </summary>
internal sealed class MultiHeadAttention
{
    private readonly Linear _query, _key, _value;
    private readonly Rotary? _rotary;
    private readonly Attention<NoModification> _attention;
    private readonly Attention<UniformScores> _uniform;

    /// <summary>Declares <c>NAME.query</c>, <c>NAME.key</c> and <c>NAME.value</c>.</summary>
    /// <param name="set">Where.</param>
    /// <param name="name">NAME.</param>
    /// <param name="config">The hyper-parameters.</param>
    /// <param name="rotary">The rotation of the heads of a query or key; null: none.</param>
    public MultiHeadAttention(ParameterSet set, string name, TransformerConfig config, Rotary? rotary = null)
    {
        _rotary = rotary;
        (int hidden, int heads, float dropout) = (config.HiddenSize, config.NumAttentionHeads, config.AttentionProbsDropoutProb);
        _query = Linear.Declare(set, name + ".query", hidden, hidden);
        _key = Linear.Declare(set, name + ".key", hidden, hidden);
        _value = Linear.Declare(set, name + ".value", hidden, hidden);
        _attention = new Attention<NoModification>(set, heads, default, dropout);
        _uniform = new Attention<UniformScores>(set, heads, default, dropout);
    }

    public Linear[] Linears => [_query, _key, _value];

    /// <summary>x [tokens, hidden] → [tokens, hidden].</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">What is attended from and to.</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <param name="uniform">Whether every key counts alike, as where all are padding; see <see cref="UniformScores"/>.</param>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens, bool uniform = false)
    {
        Variable q = _query.Forward(tape, x);                                       // [tokens, hidden]
        Variable k = _key.Forward(tape, x);                                         // [tokens, hidden]
        Variable v = _value.Forward(tape, x);                                       // [tokens, hidden]
        if (_rotary is not null)
        {
            q = _rotary.ForwardInPlace(tape, q, cuSeqlens);                         // [tokens, hidden]
            k = _rotary.ForwardInPlace(tape, k, cuSeqlens);                         // [tokens, hidden]
        }

        return uniform ? _uniform.Forward(tape, q, k, v, cuSeqlens) : _attention.Forward(tape, q, k, v, cuSeqlens);
    }
}
