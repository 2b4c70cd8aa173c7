using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>The rows of a table by their ids, <c>y[t] = table[id[t]]</c>: word embeddings on their own.</summary>
public sealed class Lookup : Op
{
    private Lookup(Parameter table) => Table = table;

    /// <summary>[rows, width].</summary>
    public Parameter Table { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Table.IsTrained;

    /// <summary>Declares <c>NAME.weight</c>, [rows, width].</summary>
    public static Lookup Declare(ParameterSet set, string name, int rows, int width)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(set.Declare(name + ".weight", ParameterKind.Embedding, rows, width));
    }

    /// <summary>ids I32 [tokens], below the number of rows → [tokens, width].</summary>
    public Variable Forward(Tape tape, Tensor ids)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(ids.Shape[0], Table.Shape[1]);
        tape.Backend.Run(new GatherRowsForward(Table.ValueIn(y.DType), ids, y));
        return tape.Record(this, y, saved: (ids, default, default, default));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry) => tape.Backend.Run(
        new EmbeddingBackward(entry.Saved.First, typeIds: default, tape.GradientOf(entry.Output), Table.Gradient, dtype: default));
}
