using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>
/// Rotary positions in the half-split form (see <see cref="ApplyRotary"/>), applied to queries and keys before attention: to both in a
/// packed qkv, where heads is twice that of the model, or to each on its own.
/// </summary>
public sealed class Rotary : Op
{
    private readonly Tensor _table;
    private readonly int _heads;

    /// <summary>The operation.</summary>
    /// <param name="table">Of <see cref="Table"/>; it must outlive the operation.</param>
    /// <param name="heads">How many heads of a row are rotated, from the first; the others stay as they are.</param>
    public Rotary(Tensor table, int heads)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        (_table, _heads) = (table, heads);
    }

    /// <summary>The operation in a model, which keeps the table of its angles.</summary>
    /// <param name="set">The set of the model.</param>
    /// <param name="positions">See <see cref="Table"/>.</param>
    /// <param name="headSize">The size of a head, even.</param>
    /// <param name="heads">How many heads of a row are rotated, from the first: of a packed qkv those of q and k.</param>
    /// <param name="theta">See <see cref="Table"/>.</param>
    /// <exception cref="ArgumentException">The head size is odd, or a number is out of its range.</exception>
    public static Rotary Declare(ParameterSet set, int positions, int headSize, int heads, double theta = 10_000)
    {
        ArgumentNullException.ThrowIfNull(set);
        return new(Table(set.Arena, positions, headSize, theta), heads);
    }

    /// <summary>The cosines and sines of the angles <c>p · θ^(−2i/d)</c> of positions p and pairs i, rounded from float64.</summary>
    /// <param name="arena">Where the table lives.</param>
    /// <param name="positions">The number of positions, from 0: at least the number of tokens of the longest sequence.</param>
    /// <param name="headSize">d, even.</param>
    /// <param name="theta">θ, above 0.</param>
    /// <returns>F32 [positions, head size].</returns>
    /// <exception cref="ArgumentException">The head size is odd, or a number is out of its range.</exception>
    public static Tensor Table(Arena arena, int positions, int headSize, double theta = 10_000)
    {
        ArgumentNullException.ThrowIfNull(arena);
        ArgumentOutOfRangeException.ThrowIfLessThan(positions, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(headSize, 2);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(theta);
        if (headSize % 2 != 0) throw new ArgumentException($"headSize is {headSize}: rotary positions need an even one", nameof(headSize));
        Tensor table = arena.Rent(new Shape(positions, headSize), DType.F32);
        var values = new float[table.Count];
        int half = headSize / 2;
        for (int i = 0; i < half; i++)
        {
            double frequency = Math.Pow(theta, -2.0 * i / headSize);
            for (int position = 0; position < positions; position++)
            {
                (double sin, double cos) = Math.SinCos(position * frequency);
                long row = (long)position * headSize;
                (values[row + i], values[row + half + i]) = ((float)cos, (float)sin);
            }
        }

        arena.Backend.Upload<float>(values, table);
        return table;
    }

    /// <summary>x [tokens, n · head size] → the same shape; n is at least the number of heads that are rotated.</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return Forward(tape, x, cuSeqlens, tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType));
    }

    /// <summary>
    /// The same as <see cref="Forward(Tape, Variable, in CuSeqlens)"/>; in inference the result takes the place of x, which nothing may
    /// read afterwards.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return tape.IsTraining ? Forward(tape, x, cuSeqlens) : Forward(tape, x, cuSeqlens, x.Data);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output);
        tape.Backend.Run(new ApplyRotary(dy, entry.CuSeqlens, _table, _heads, inverse: true, dy));
        tape.Pass(entry.A, dy);
    }

    private Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens, Tensor y)
    {
        tape.Backend.Run(new ApplyRotary(x.Data, cuSeqlens, _table, _heads, inverse: false, y));
        return tape.Record(this, y, x, cuSeqlens: cuSeqlens);
    }
}
