using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>The results of a block, which 256 threads write.</summary>
internal interface IResultTile
{
    static abstract int Rows { get; }

    static abstract int Columns { get; }
}

/// <summary>64 × 64 results.</summary>
internal readonly struct SmallTile : IResultTile
{
    public static int Rows => 64;

    public static int Columns => 64;
}

/// <summary>128 × 128 results.</summary>
internal readonly struct SquareTile : IResultTile
{
    public static int Rows => 128;

    public static int Columns => 128;
}

/// <summary>128 × 256 results.</summary>
internal readonly struct WideTile : IResultTile
{
    public static int Rows => 128;

    public static int Columns => 256;
}

/// <summary>The results of a block: they lie by rows in shared memory, and a thread takes eight columns of a row at a time.</summary>
internal static class MatMulResults<TTile>
    where TTile : struct, IResultTile
{
    private const int Threads = 256;

    /// <summary>Floats of a row in shared memory: rows start eight banks apart.</summary>
    public static int Stride => TTile.Columns + 8;

    /// <summary>Adds the bias and finishes; a tile with two parts has half of its columns of either.</summary>
    public static void Write<TEpilogue>(ArrayView<Float4> sums, ResultOperands to, int firstRow, int firstColumn)
        where TEpilogue : struct, IEpilogue
    {
        int perRow = TEpilogue.Gated ? TTile.Columns / 16 : TTile.Columns / 8, columns = to.Columns;
        int piece = Group.IdxX & (perRow - 1), column = firstColumn + (piece * 8);
        if (column >= columns) return;
        // Eight lanes cover all banks when every other four begin with their second quad.
        int second = (Group.IdxX >> 2) & 1;
        Float8 biasLow = Float8.Broadcast(0), biasHigh = Float8.Broadcast(0);
        if (to.Bias.Length > 0) biasLow = Pieces.Read(to.Bias, 0, column, columns);
        if (TEpilogue.Gated && to.Bias.Length > 0) biasHigh = Pieces.Read(to.Bias, columns, column, columns);
        for (int local = Group.IdxX / perRow; local < TTile.Rows && firstRow + local < to.Rows; local += Threads / perRow)
        {
            int at = (local * (Stride / 4)) + (piece * 2);
            Float8 low = Sums(sums, at, second) + biasLow, high = biasHigh;
            if (TEpilogue.Gated) high += Sums(sums, at + (TTile.Columns / 8), second);
            Pieces.Finish<TEpilogue>(to, firstRow + local, column, low, high);
        }
    }

    /// <summary>Writes the sums as they are, to rows of <paramref name="columns"/> floats, or adds them to what is there.</summary>
    public static void WriteSums(ArrayView<Float4> sums, ArrayView<float> y, int firstRow, int firstColumn, int rows, int columns, bool add)
    {
        const int PerPass = 128;
        for (int part = 0; part < (TTile.Columns + PerPass - 1) / PerPass; part++)
        {
            int quad = Warp.Lane + (part * PerPass / 4), column = firstColumn + (quad * 4);
            if (column >= columns || quad >= TTile.Columns / 4) return;
            for (int local = Warp.Index; local < TTile.Rows && firstRow + local < rows; local += Threads / Warp.Size)
            {
                ref Float4 target = ref y.SubView((long)(firstRow + local) * columns, columns).Cast<Float4>()[column >> 2];
                Ptx.Store(ref target, true, sums[(local * (Stride / 4)) + quad] + Ptx.LoadOnce(ref target, add, 0));
            }
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
}
