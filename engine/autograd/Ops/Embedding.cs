using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>The embedding layer, <c>y = dropout(LN(word[id] + type[typeId]))</c>.</summary>
public sealed class Embedding : Op
{
    private readonly LayerNorm _norm;
    private readonly float _dropout;
    private readonly int _site;

    private Embedding(ParameterSet set, Parameter word, Parameter type, LayerNorm norm, float dropout)
    {
        (Word, Type, _norm, _dropout, _site) = (word, type, norm, dropout, set.NextSite());
    }

    /// <summary>[vocabulary, hidden].</summary>
    public Parameter Word { get; }

    /// <summary>[types, hidden].</summary>
    public Parameter Type { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Word.IsTrained || Type.IsTrained || _norm.IsTrained;

    /// <summary>Declares the two tables and the normalisation under the names of BERT.</summary>
    public static Embedding Declare(ParameterSet set, string prefix, int vocabulary, int types, int hidden, float epsilon, float dropout)
    {
        ArgumentNullException.ThrowIfNull(set);
        Parameter word = set.Declare(prefix + "word_embeddings.weight", ParameterKind.Embedding, vocabulary, hidden);
        Parameter type = set.Declare(prefix + "token_type_embeddings.weight", ParameterKind.Embedding, types, hidden);
        return new(set, word, type, LayerNorm.Declare(set, prefix + "LayerNorm", hidden, epsilon), dropout);
    }

    /// <summary>ids I32 [tokens], type ids I32 [tokens] or absent → [tokens, hidden].</summary>
    public Variable Forward(Tape tape, Tensor ids, Tensor typeIds)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int tokens = ids.Shape[0], hidden = Word.Shape[1];
        Tensor y = tape.Rent(tokens, hidden);
        Tensor sum = tape.IsTraining ? tape.Rent(tokens, hidden) : default,
            statistics = tape.IsTraining ? tape.Rent(tokens, 2, DType.F32) : default;
        tape.Backend.Run(
            new EmbeddingForward(ids, typeIds, Word.ValueIn(y.DType), Type.ValueIn(y.DType), _norm.In(y.DType), sum, statistics, y));
        if (tape.IsTraining && _dropout > 0)
            tape.Backend.Run(new DropoutForward(y, tape.RandomState, _site, _dropout, residual: default, y));
        return tape.Record(this, y, saved: (sum, statistics, ids, typeIds));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        (Tensor sum, Tensor statistics, Tensor ids, Tensor typeIds) = entry.Saved;
        Tensor dy = tape.GradientOf(entry.Output);
        if (_dropout > 0) tape.Backend.Run(new DropoutForward(dy, tape.RandomState, _site, _dropout, residual: default, dy));
        Variable summed = tape.Track(sum);
        _norm.Backward(tape, summed, dy, statistics);
        tape.Backend.Run(new EmbeddingBackward(
            ids, typeIds, tape.GradientOf(summed), Word.IsTrained ? Word.Gradient : default, Type.IsTrained ? Type.Gradient : default));
    }
}
