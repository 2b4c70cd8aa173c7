using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>
/// The embedding layer, <c>y = dropout(LN(word[id] + type[typeId]))</c>, or with learned positions <c>dropout(LN(… + position[p]))</c>.
/// </summary>
public sealed class Embedding : Op
{
    private readonly LayerNorm _norm;
    private readonly float _dropout;
    private readonly int _site, _padding;

    private Embedding(ParameterSet set, Parameter word, Parameter? position, Parameter type, LayerNorm norm, float dropout, int padding)
    {
        (Word, Position, Type, _norm, _dropout, _padding) = (word, position, type, norm, dropout, padding);
        _site = set.NextSite();
    }

    /// <summary>[vocabulary, hidden].</summary>
    public Parameter Word { get; }

    /// <summary>[types, hidden].</summary>
    public Parameter Type { get; }

    /// <summary>[positions, hidden], or null.</summary>
    public Parameter? Position { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Word.IsTrained || Type.IsTrained || Position is { IsTrained: true } || _norm.IsTrained;

    /// <summary>Declares the tables and the normalisation under the names of BERT.</summary>
    /// <param name="set">Where.</param>
    /// <param name="prefix">What the names begin with.</param>
    /// <param name="vocabulary">The number of ids.</param>
    /// <param name="types">The number of types.</param>
    /// <param name="hidden">Width of y.</param>
    /// <param name="epsilon">Added to the variance.</param>
    /// <param name="dropout">The probability, in training.</param>
    /// <param name="positions">The number of learned positions, which no sequence is longer than; 0: there are none.</param>
    /// <param name="padding">The id whose embedding has no gradient here, as PyTorch's <c>padding_idx</c>; none unless given.</param>
    public static Embedding Declare(
        ParameterSet set, string prefix, int vocabulary, int types, int hidden, float epsilon, float dropout, int positions = 0,
        int padding = -1)
    {
        ArgumentNullException.ThrowIfNull(set);
        Parameter word = set.Declare(prefix + "word_embeddings.weight", ParameterKind.Embedding, vocabulary, hidden);
        Parameter? position = positions > 0
            ? set.Declare(prefix + "position_embeddings.weight", ParameterKind.Embedding, positions, hidden) : null;
        Parameter type = set.Declare(prefix + "token_type_embeddings.weight", ParameterKind.Embedding, types, hidden);
        return new(set, word, position, type, LayerNorm.Declare(set, prefix + "LayerNorm", hidden, epsilon), dropout, padding);
    }

    /// <summary>ids I32 [tokens], type ids I32 [tokens] or absent → [tokens, hidden].</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="ids">The ids.</param>
    /// <param name="typeIds">The types, or absent: all 0.</param>
    /// <param name="cuSeqlens">The borders of the sequences; needed where there are positions.</param>
    public Variable Forward(Tape tape, Tensor ids, Tensor typeIds, in CuSeqlens cuSeqlens = default)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int tokens = ids.Shape[0], hidden = Word.Shape[1];
        Tensor y = tape.Rent(tokens, hidden);
        Tensor sum = tape.IsTraining ? tape.Rent(tokens, hidden) : default,
            statistics = tape.IsTraining ? tape.Rent(tokens, 2, DType.F32) : default;
        tape.Backend.Run(
            new EmbeddingForward(
                ids, typeIds, Word.ValueIn(y.DType), Type.ValueIn(y.DType), _norm.In(y.DType), sum, statistics, y,
                Position?.ValueIn(y.DType) ?? default, cuSeqlens));
        if (tape.IsTraining && _dropout > 0)
            tape.Backend.Run(new DropoutForward(y, tape.RandomState, _site, _dropout, residual: default, y));
        return tape.Record(this, y, saved: (sum, statistics, ids, typeIds), cuSeqlens: cuSeqlens);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        (Tensor sum, Tensor statistics, Tensor ids, Tensor typeIds) = entry.Saved;
        Tensor dy = tape.GradientOf(entry.Output);
        if (_dropout > 0) tape.Backend.Run(new DropoutForward(dy, tape.RandomState, _site, _dropout, residual: default, dy));
        Variable summed = tape.Track(sum);
        _norm.Backward(tape, summed, dy, statistics);
        Tensor dsum = tape.GradientOf(summed);
        tape.Backend.Run(new EmbeddingBackward(
            ids, typeIds, dsum, Word.IsTrained ? Word.Gradient : default, Type.IsTrained ? Type.Gradient : default, _padding));
        if (Position is { IsTrained: true }) tape.Backend.Run(new AddPositionsBackward(dsum, entry.CuSeqlens, Position.Gradient));
    }
}
