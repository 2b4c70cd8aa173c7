using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>A table of embeddings, <c>y = table[id]</c>, without types and normalisation.</summary>
public sealed class TokenEmbedding : Op
{
    private TokenEmbedding(Parameter table) => Table = table;

    /// <summary>[vocabulary, width].</summary>
    public Parameter Table { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Table.IsTrained;

    /// <summary>Declares <c>NAME.weight</c>.</summary>
    public static TokenEmbedding Declare(ParameterSet set, string name, int vocabulary, int width)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set.Declare(name + ".weight", ParameterKind.Embedding, vocabulary, width));
    }

    /// <summary>ids I32 [tokens] → [tokens, width].</summary>
    public Variable Forward(Tape tape, Tensor ids)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(ids.Shape[0], Table.Shape[1]);
        tape.Backend.Run(new GatherRowsForward(Table.ValueIn(y.DType), ids, y));
        return tape.Record(this, y, saved: (ids, default, default, default));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        if (!Table.IsTrained) return;
        tape.Backend.Run(
            new EmbeddingBackward(entry.Saved.First, typeIds: default, tape.GradientOf(entry.Output), Table.Gradient, dtype: default));
    }
}
