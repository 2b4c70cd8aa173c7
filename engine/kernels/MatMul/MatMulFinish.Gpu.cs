using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>Where the results of a product go, and what else they are made of.</summary>
internal struct ResultOperands
{
    /// <summary>A row of the right factor's columns, or empty.</summary>
    public ArrayView<ushort> Bias;

    /// <summary>What is added, or empty.</summary>
    public ArrayView<ushort> Residual;

    /// <summary>The result.</summary>
    public ArrayView<ushort> Y;

    /// <summary>The rows and columns of the result; of either half, where it has two.</summary>
    public int Rows, Columns;
}

/// <summary>Eight elements of a row of bf16.</summary>
internal static class Pieces
{
    /// <summary>y = f(first) · second + residual, where there is a second part and a residual.</summary>
    /// <param name="to">The operands.</param>
    /// <param name="row">The row.</param>
    /// <param name="column">The first of eight columns.</param>
    /// <param name="first">The sums, with the bias.</param>
    /// <param name="second">Those of the second part.</param>
    public static void Finish<TEpilogue>(ResultOperands to, int row, int column, Float8 first, Float8 second)
        where TEpilogue : struct, IEpilogue
    {
        Float8 value = Apply<TEpilogue>(first);
        if (TEpilogue.Gated) value *= second;
        long offset = (long)row * to.Columns;
        if (to.Residual.Length > 0) value += Read(to.Residual, offset, column, to.Columns);
        Write(to.Y, offset, column, to.Columns, value);
    }

    private static Float8 Apply<TEpilogue>(Float8 v)
        where TEpilogue : struct, IEpilogue
        => new(Apply<TEpilogue>(v.Low), Apply<TEpilogue>(v.High));

    private static Float4 Apply<TEpilogue>(Float4 v)
        where TEpilogue : struct, IEpilogue
        => new(TEpilogue.Apply(v.X), TEpilogue.Apply(v.Y), TEpilogue.Apply(v.Z), TEpilogue.Apply(v.W));

    /// <summary>Eight elements of the row that starts at an offset, 0 past its end.</summary>
    public static Float8 Read(ArrayView<ushort> rows, long offset, int column, int columns)
    {
        ArrayView<ushort> row = rows.SubView(offset, columns);
        if ((columns & 7) == 0) return BF16.Unpack(Ptx.LoadOnce(ref row.Cast<UInt4>()[column >> 3], true, 0));
        return new(
            new(Read(row, column, columns), Read(row, column + 1, columns), Read(row, column + 2, columns), Read(row, column + 3, columns)),
            new(Read(row, column + 4, columns), Read(row, column + 5, columns), Read(row, column + 6, columns),
                Read(row, column + 7, columns)));
    }

    private static float Read(ArrayView<ushort> row, int column, int columns) => column < columns ? BF16.Get(row, column) : 0;

    /// <summary>Writes what of eight elements is within the row.</summary>
    public static void Write(ArrayView<ushort> rows, long offset, int column, int columns, Float8 value)
    {
        ArrayView<ushort> row = rows.SubView(offset, columns);
        if ((columns & 7) == 0)
        {
            Ptx.Store(ref row.Cast<UInt4>()[column >> 3], true, BF16.Pack(value));
            return;
        }

        Write(row, column, columns, value.Low);
        Write(row, column + 4, columns, value.High);
    }

    private static void Write(ArrayView<ushort> row, int column, int columns, Float4 value)
    {
        if (column < columns) BF16.Set(row, column, value.X);
        if (column + 1 < columns) BF16.Set(row, column + 1, value.Y);
        if (column + 2 < columns) BF16.Set(row, column + 2, value.Z);
        if (column + 3 < columns) BF16.Set(row, column + 3, value.W);
    }
}
