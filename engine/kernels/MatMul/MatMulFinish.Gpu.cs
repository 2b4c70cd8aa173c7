using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>Where the results of a product go, and what else they are made of.</summary>
internal struct ResultOperands
{
    /// <summary>A row of the right factor's columns, or empty.</summary>
    public ArrayView<ushort> Bias;

    /// <summary>What the finish says.</summary>
    public ArrayView<ushort> Operand;

    /// <summary>The result.</summary>
    public ArrayView<ushort> Y;

    /// <summary>The rows and columns of the result; of either half, where it has two.</summary>
    public int Rows, Columns;

    /// <summary>Of dropout: the words below which elements are dropped, the factor of the others, and the stream of random numbers.</summary>
    public uint Threshold, SeedLow, SeedHigh, Step, Site;

    /// <inheritdoc cref="Threshold"/>
    public float Scale;
}

/// <summary>What a product on tensor cores does with eight sums of a row before it writes them.</summary>
internal interface IFinish
{
    /// <summary>Whether the right factor has two parts of as many columns, whose sums meet in a tile.</summary>
    static abstract bool Gated { get; }

    /// <param name="to">The operands.</param>
    /// <param name="row">The row.</param>
    /// <param name="column">The first of eight columns.</param>
    /// <param name="first">The sums, with the bias.</param>
    /// <param name="second">Those of the second part.</param>
    static abstract void Write(ResultOperands to, int row, int column, Float8 first, Float8 second);
}

/// <summary>y = f(first) · second + operand, where there is a second part and an operand.</summary>
internal readonly struct Activated<TEpilogue> : IFinish
    where TEpilogue : struct, IEpilogue
{
    public static bool Gated => TEpilogue.Gated;

    public static void Write(ResultOperands to, int row, int column, Float8 first, Float8 second)
    {
        Float8 value = Pieces.Apply<TEpilogue>(first);
        if (Gated) value *= second;
        long offset = (long)row * to.Columns;
        if (to.Operand.Length > 0) value += Pieces.Read(to.Operand, offset, column, to.Columns);
        Pieces.Write(to.Y, offset, column, to.Columns, value);
    }
}

/// <summary>As <see cref="Activated{TEpilogue}"/>, for training: the operand is written, with what is activated; a row holds both parts.</summary>
internal readonly struct Kept<TEpilogue> : IFinish
    where TEpilogue : struct, IEpilogue
{
    public static bool Gated => TEpilogue.Gated;

    public static void Write(ResultOperands to, int row, int column, Float8 first, Float8 second)
    {
        long offset = (long)row * to.Columns, kept = Gated ? 2 * offset : offset;
        Pieces.Write(to.Operand, kept, column, to.Columns, first);
        Float8 value = Pieces.Apply<TEpilogue>(first);
        if (Gated)
        {
            Pieces.Write(to.Operand, kept + to.Columns, column, to.Columns, second);
            value *= second;
        }

        Pieces.Write(to.Y, offset, column, to.Columns, value);
    }
}

/// <summary>y = dropout(sums) + operand; the mask is that of <see cref="DropoutKernels"/>. Rows have a multiple of eight elements.</summary>
internal readonly struct DroppedOut : IFinish
{
    public static bool Gated => false;

    public static void Write(ResultOperands to, int row, int column, Float8 first, Float8 second)
    {
        long offset = (long)row * to.Columns, block = (offset + column) >> 2;
        UInt4 low = GpuPhilox.Block(block, to.SeedLow, to.SeedHigh, to.Step, to.Site), high = GpuPhilox.Block(block + 1, to.SeedLow, to.SeedHigh, to.Step, to.Site);
        Float8 value = new(DropoutKernels.Keep(first.Low, low, to.Threshold, to.Scale), DropoutKernels.Keep(first.High, high, to.Threshold, to.Scale));
        if (to.Operand.Length > 0) value += Pieces.Read(to.Operand, offset, column, to.Columns);
        Pieces.Write(to.Y, offset, column, to.Columns, value);
    }
}

/// <summary>Eight elements of a row of bf16.</summary>
internal static class Pieces
{
    public static Float8 Apply<TEpilogue>(Float8 v)
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
            new(Read(row, column + 4, columns), Read(row, column + 5, columns), Read(row, column + 6, columns), Read(row, column + 7, columns)));
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
