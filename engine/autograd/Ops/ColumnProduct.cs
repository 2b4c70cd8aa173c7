using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>The product, element by element, of a range of columns of one matrix and one of another, or of the same: a gate.</summary>
/// <param name="xFirst">The first column of the range of the first matrix.</param>
/// <param name="zFirst">The first column of the range of the second one; of one matrix, the ranges do not overlap.</param>
/// <param name="width">Columns of both.</param>
public sealed class ColumnProduct(int xFirst, int zFirst, int width) : Op
{
    /// <summary>x [rows, columns], z [rows, columns], which may be one → [rows, width].</summary>
    public Variable Forward(Tape tape, Variable x, Variable z)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor y = tape.Rent(x.Data.Shape[0], width, x.Data.DType);
        tape.Backend.Run(new MultiplyColumns(new(x.Data, xFirst), new(z.Data, zFirst), width, accumulate: false, new(y, 0)));
        return tape.Record(this, y, x, z);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output);
        Differentiate(tape, entry.A, xFirst, dy, new(entry.B.Data, zFirst));
        Differentiate(tape, entry.B, zFirst, dy, new(entry.A.Data, xFirst));
    }

    private void Differentiate(Tape tape, Variable operand, int first, Tensor dy, Columns other)
    {
        if (!operand.IsTracked) return;
        bool accumulate = tape.Accumulate(operand, out Tensor gradient);
        if (!accumulate && gradient.Shape[1] != width)
        {
            // No gradient flows to the columns beside the range.
            tape.Backend.Clear(gradient);
            accumulate = true;
        }

        tape.Backend.Run(new MultiplyColumns(new(dy, 0), other, width, accumulate, new(gradient, first)));
    }
}
