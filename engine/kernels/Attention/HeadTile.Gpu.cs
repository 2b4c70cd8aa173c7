using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>The size of a head that a kernel is compiled for; smaller ones are filled with zeros.</summary>
internal interface IHeadSize
{
    static abstract int Value { get; }
}

internal readonly struct Size32 : IHeadSize
{
    public static int Value => 32;
}

internal readonly struct Size64 : IHeadSize
{
    public static int Value => 64;
}

internal readonly struct Size128 : IHeadSize
{
    public static int Value => 128;
}

/// <summary>
/// Tiles of 64 rows of a head in shared memory, in bf16, for a block of four warps with 16 rows each. The 16-byte pieces of a row are
/// exchanged by the row's number (<c>piece ^ row % 8</c>, or <c>piece ^ (row / 2) % 4</c> where a row has 64 bytes), so that neither
/// copies nor <c>ldmatrix</c> meet bank conflicts. Tiles lie at multiples of 256 bytes: pieces further on are found by exchanging bits.
/// </summary>
internal static class HeadTile
{
    public const int Rows = 64, Threads = 128, WarpRows = 16;

    /// <summary>Bytes of a tile.</summary>
    public static int Bytes<THead>()
        where THead : struct, IHeadSize
        => Rows * THead.Value * 2;

    /// <summary>
    /// The address that a lane gives to <c>ldmatrix</c> for 16 rows: a left factor, or, transposed, a right one that they are the depths
    /// of.
    /// </summary>
    public static uint Lines<THead>(uint tile, int row)
        where THead : struct, IHeadSize
        => Piece<THead>(tile, row + (Warp.Lane & 15), Warp.Lane >> 4);

    /// <summary>The address that a lane gives to <c>ldmatrix</c> for 16 rows that are the columns of a right factor.</summary>
    public static uint Columns<THead>(uint tile, int row)
        where THead : struct, IHeadSize
        => Piece<THead>(tile, row + (Warp.Lane & 7) + ((Warp.Lane & 16) >> 1), (Warp.Lane >> 3) & 1);

    /// <summary>Starts to copy 64 rows of a head from <paramref name="first"/> on; those from <paramref name="end"/> on become 0.</summary>
    public static void Load<THead>(ArrayView<ushort> source, uint tile, int first, int end, int headSize, int stride)
        where THead : struct, IHeadSize
    {
        int pieces = THead.Value / 8, piece = Group.IdxX & (pieces - 1);
        for (int row = Group.IdxX / pieces; row < Rows; row += Threads / pieces)
        {
            bool inside = (first + row < end) & (piece * 8 < headSize);
            ArrayView<UInt4> line = source.SubView((long)(first + row) * stride, headSize).Cast<UInt4>();
            Ptx.CopyAsyncPart(Piece<THead>(tile, row, piece), ref line[inside ? piece : 0], inside ? 16u : 0u);
        }
    }

    /// <summary>
    /// Writes the warps' sums, rounded, to the rows that lie before <paramref name="end"/>; a tile in shared memory, which nobody else
    /// uses, puts them in order on the way.
    /// </summary>
    public static void Write<THead>(
        HeadSums sums, ArrayView<UInt4> shared, int tile, ArrayView<ushort> y, int first, int end, int headSize, int stride)
        where THead : struct, IHeadSize
    {
        ArrayView<uint> words = shared.Cast<uint>();
        int row = (Warp.Index * WarpRows) + (Warp.Lane >> 2);
        Place<THead>(words, tile, row, 0, sums.S0);
        if (THead.Value > 32) Place<THead>(words, tile, row, 4, sums.S1);
        if (THead.Value > 64)
        {
            Place<THead>(words, tile, row, 8, sums.S2);
            Place<THead>(words, tile, row, 12, sums.S3);
        }

        Group.Barrier();
        int pieces = THead.Value / 8, piece = Group.IdxX & (pieces - 1);
        if (piece * 8 >= headSize) return;
        for (int line = Group.IdxX / pieces; line < Rows && first + line < end; line += Threads / pieces)
            Ptx.Store(ref y.SubView((long)(first + line) * stride, headSize).Cast<UInt4>()[piece], true,
                shared[(int)(Piece<THead>((uint)tile, line, piece) >> 4)]);
    }

    private static void Place<THead>(ArrayView<uint> words, int tile, int row, int piece, WarpSums sums)
        where THead : struct, IHeadSize
    {
        Place<THead>(words, tile, row, piece, sums.C0);
        Place<THead>(words, tile, row, piece + 1, sums.C1);
        Place<THead>(words, tile, row, piece + 2, sums.C2);
        Place<THead>(words, tile, row, piece + 3, sums.C3);
    }

    private static void Place<THead>(ArrayView<uint> words, int tile, int row, int piece, Float4 sums)
        where THead : struct, IHeadSize
    {
        int at = (int)(Piece<THead>((uint)tile, row, piece) >> 2) + (Warp.Lane & 3);
        words[at] = Ptx.PackBF16(sums.X, sums.Y);
        words[at + (8 * THead.Value / 2)] = Ptx.PackBF16(sums.Z, sums.W);
    }

    private static uint Piece<THead>(uint tile, int row, int piece)
        where THead : struct, IHeadSize
        => tile + (uint)((row * THead.Value * 2) + ((piece ^ (THead.Value == 32 ? (row >> 1) & 3 : row & 7)) * 16));
}

/// <summary>
/// A warp's 16 rows of a tile as the left factor of products. Up to a head size of 64 they are held in registers, 16 columns a field;
/// larger ones are read each time.
/// </summary>
internal struct HeadFactor
{
    private uint _address;
    private UInt4 _k0, _k1, _k2, _k3;

    /// <param name="address">From <see cref="HeadTile.Lines"/>.</param>
    public static HeadFactor Read<THead>(uint address)
        where THead : struct, IHeadSize
    {
        HeadFactor f = new() { _address = address };
        if (THead.Value > 64) return f;
        (f._k0, f._k1) = (Ptx.LoadMatrix(address), Ptx.LoadMatrix(address ^ 32));
        if (THead.Value > 32) (f._k2, f._k3) = (Ptx.LoadMatrix(address ^ 64), Ptx.LoadMatrix(address ^ 96));
        return f;
    }

    /// <summary>The products with 32 rows of a tile.</summary>
    /// <param name="right">From <see cref="HeadTile.Columns"/>.</param>
    public readonly WarpSums Products<THead>(uint right)
        where THead : struct, IHeadSize
    {
        WarpSums sums = default;
        if (THead.Value > 64)
        {
            for (uint k = 0; k < THead.Value * 2; k += 32) sums = Add<THead>(sums, Ptx.LoadMatrix(_address ^ k), right ^ k);
            return sums;
        }

        sums = Add<THead>(Add<THead>(sums, _k0, right), _k1, right ^ 32);
        return THead.Value > 32 ? Add<THead>(Add<THead>(sums, _k2, right ^ 64), _k3, right ^ 96) : sums;
    }

    private static WarpSums Add<THead>(WarpSums sums, UInt4 left, uint right)
        where THead : struct, IHeadSize
        => sums.Add(left, Ptx.LoadMatrix(right), Ptx.LoadMatrix(right + (uint)(HeadTile.WarpRows * THead.Value * 2)));
}

/// <summary>A warp's 16 rows of a result, 32 columns a field; those past the head's size are not used.</summary>
internal struct HeadSums
{
    public WarpSums S0, S1, S2, S3;

    /// <summary>The sums with 16 rows of a tile added, which the 16 columns of <paramref name="weights"/> weight.</summary>
    /// <param name="weights">The operand of <c>mma</c>.</param>
    /// <param name="rows">From <see cref="HeadTile.Lines"/>.</param>
    public readonly HeadSums Add<THead>(UInt4 weights, uint rows)
        where THead : struct, IHeadSize
    {
        HeadSums r = this;
        r.S0 = S0.Add(weights, Ptx.LoadMatrixTransposed(rows), Ptx.LoadMatrixTransposed(rows ^ 32));
        if (THead.Value > 32) r.S1 = S1.Add(weights, Ptx.LoadMatrixTransposed(rows ^ 64), Ptx.LoadMatrixTransposed(rows ^ 96));
        if (THead.Value > 64)
        {
            r.S2 = S2.Add(weights, Ptx.LoadMatrixTransposed(rows ^ 128), Ptx.LoadMatrixTransposed(rows ^ 160));
            r.S3 = S3.Add(weights, Ptx.LoadMatrixTransposed(rows ^ 192), Ptx.LoadMatrixTransposed(rows ^ 224));
        }

        return r;
    }

    /// <summary>The sums with 32 rows added.</summary>
    public readonly HeadSums Add<THead>(WarpSums weights, uint rows)
        where THead : struct, IHeadSize
        => Add<THead>(weights.Left0(), rows).Add<THead>(weights.Left1(), rows + (uint)(HeadTile.WarpRows * THead.Value * 2));

    /// <summary>Rows of the lower half multiplied by one number, those of the upper by another.</summary>
    public readonly HeadSums Scale(float low, float high) =>
        new() { S0 = S0.Scale(low, high), S1 = S1.Scale(low, high), S2 = S2.Scale(low, high), S3 = S3.Scale(low, high) };
}
