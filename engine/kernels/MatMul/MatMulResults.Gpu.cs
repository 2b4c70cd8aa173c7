using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>The 128 rows of results that a block leaves in shared memory.</summary>
internal interface IResultTile
{
    /// <summary>The columns, a multiple of 128.</summary>
    static abstract int Columns { get; }

    /// <summary>The threads that write them.</summary>
    static abstract int Threads { get; }
}

/// <summary>128 × 128 results.</summary>
internal readonly struct SquareTile : IResultTile
{
    public static int Columns => 128;

    public static int Threads => 256;
}

/// <summary>128 × 256 results.</summary>
internal readonly struct WideTile : IResultTile
{
    public static int Columns => 256;

    public static int Threads => 256;
}

/// <summary>What is done with the sums of a block: they lie by rows in shared memory, and a thread takes eight columns of a row at a time.</summary>
internal static class MatMulResults<TTile>
    where TTile : struct, IResultTile
{
    public const int Rows = 128;

    /// <summary>Floats of a row in shared memory: rows start eight banks apart.</summary>
    public static int Stride => TTile.Columns + 8;

    /// <summary>Adds bias, activates, adds the residual and writes: a gated tile holds either half of as many columns.</summary>
    public static void Write<TEpilogue>(
        ArrayView<Float4> sums, ArrayView<ushort> bias, ArrayView<ushort> residual, ArrayView<ushort> y, int firstRow, int firstColumn, int rows, int columns)
        where TEpilogue : struct, IEpilogue
    {
        int perRow = TEpilogue.Gated ? TTile.Columns / 16 : TTile.Columns / 8;
        int piece = Group.IdxX & (perRow - 1), column = firstColumn + (piece * 8);
        if (column >= columns) return;
        // Eight lanes cover all banks when every other four begin with their second quad.
        int second = (piece >> 2) & 1;
        bool whole = (columns & 7) == 0;
        Float8 biasLow = Float8.Broadcast(0), biasHigh = Float8.Broadcast(0);
        if (bias.Length > 0) biasLow = Read(bias, column, columns, whole);
        if (TEpilogue.Gated && bias.Length > 0) biasHigh = Read(bias.SubView(columns, columns), column, columns, whole);
        for (int local = Group.IdxX / perRow; local < Rows && firstRow + local < rows; local += TTile.Threads / perRow)
        {
            int at = (local * (Stride / 4)) + (piece * 2);
            Float8 value = Apply<TEpilogue>(Sums(sums, at, second) + biasLow);
            if (TEpilogue.Gated) value *= Sums(sums, at + (TTile.Columns / 8), second) + biasHigh;
            long offset = (long)(firstRow + local) * columns;
            if (residual.Length > 0) value += Read(residual.SubView(offset, columns), column, columns, whole);
            Write(y.SubView(offset, columns), column, columns, whole, value);
        }
    }

    /// <summary>Eight sums, the quads being read in the order that <paramref name="second"/> says.</summary>
    private static Float8 Sums(ArrayView<Float4> sums, int at, int second)
    {
        Float4 a = sums[at + second], b = sums[at + 1 - second];
        bool swap = second != 0;
        return new(
            new(swap ? b.X : a.X, swap ? b.Y : a.Y, swap ? b.Z : a.Z, swap ? b.W : a.W),
            new(swap ? a.X : b.X, swap ? a.Y : b.Y, swap ? a.Z : b.Z, swap ? a.W : b.W));
    }

    private static Float8 Apply<TEpilogue>(Float8 v)
        where TEpilogue : struct, IEpilogue
        => new(Apply<TEpilogue>(v.Low), Apply<TEpilogue>(v.High));

    private static Float4 Apply<TEpilogue>(Float4 v)
        where TEpilogue : struct, IEpilogue
        => new(TEpilogue.Apply(v.X), TEpilogue.Apply(v.Y), TEpilogue.Apply(v.Z), TEpilogue.Apply(v.W));

    private static Float8 Read(ArrayView<ushort> row, int column, int columns, bool whole)
    {
        if (whole) return BF16.Unpack(Ptx.LoadOnce(ref row.Cast<UInt4>()[column >> 3], true, 0));
        return new(
            new(Read(row, column, columns), Read(row, column + 1, columns), Read(row, column + 2, columns), Read(row, column + 3, columns)),
            new(Read(row, column + 4, columns), Read(row, column + 5, columns), Read(row, column + 6, columns), Read(row, column + 7, columns)));
    }

    private static float Read(ArrayView<ushort> row, int column, int columns) => column < columns ? BF16.Get(row, column) : 0;

    private static void Write(ArrayView<ushort> row, int column, int columns, bool whole, Float8 value)
    {
        if (whole)
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
