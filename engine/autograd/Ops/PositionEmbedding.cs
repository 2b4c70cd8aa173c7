using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>Learned positions, <c>y = x + table[first + p]</c> for a token at position p of its sequence, from 0.</summary>
public sealed class PositionEmbedding : Op
{
    private readonly int _first;

    private PositionEmbedding(Parameter table, int first) => (Table, _first) = (table, first);

    /// <summary>[rows, width].</summary>
    public Parameter Table { get; }

    /// <summary>The number of positions: the most tokens of a sequence.</summary>
    public int Positions => Table.Shape[0] - _first;

    /// <inheritdoc/>
    public override bool IsTrained => Table.IsTrained;

    /// <summary>Declares <c>NAME.weight</c>, [rows, width].</summary>
    /// <param name="set">Where.</param>
    /// <param name="name">NAME.</param>
    /// <param name="rows">The rows of the table.</param>
    /// <param name="width">Width of x.</param>
    /// <param name="first">The row of a sequence's first token; those before it are never read.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no row from the first one on.</exception>
    public static PositionEmbedding Declare(ParameterSet set, string name, int rows, int width, int first = 0)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(rows, first);
        return new(set.Declare(name + ".weight", ParameterKind.Embedding, rows, width), first);
    }

    /// <summary>x [tokens, width] → [tokens, width].</summary>
    /// <exception cref="ArgumentException">A sequence has more tokens than there are positions.</exception>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return Forward(tape, x, cuSeqlens, tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType));
    }

    /// <summary>
    /// The same as <see cref="Forward(Tape, Variable, in CuSeqlens)"/>; in inference the result takes the place of x, which nothing may
    /// read afterwards.
    /// </summary>
    /// <exception cref="ArgumentException">A sequence has more tokens than there are positions.</exception>
    public Variable ForwardInPlace(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return tape.IsTraining ? Forward(tape, x, cuSeqlens) : Forward(tape, x, cuSeqlens, x.Data);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output);
        if (Table.IsTrained) tape.Backend.Run(new AddPositionsBackward(dy, entry.CuSeqlens, Used(Table.Gradient)));
        tape.Pass(entry.A, dy);
    }

    private Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens, Tensor y)
    {
        tape.Backend.Run(new AddPositions(x.Data, cuSeqlens, Used(Table.ValueIn(y.DType)), y));
        return tape.Record(this, y, x, cuSeqlens: cuSeqlens);
    }

    private Tensor Used(Tensor table) => table.Slice((long)_first * table.Shape[1], new Shape(Positions, table.Shape[1]));
}
