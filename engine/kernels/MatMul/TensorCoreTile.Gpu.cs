using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>What a thread reads of a factor: two pieces of 16 bytes a tile of 128 positions, one of 64.</summary>
internal struct FactorSource
{
    public ArrayView<UInt4> First, Second;
    public int Place, Stride, End;
    public uint Target;
    public bool FirstInside, SecondInside;
}

/// <summary>The positions of a tile along the extent that is not the depth.</summary>
internal interface IExtent
{
    static abstract int Positions { get; }
}

internal readonly struct Extent128 : IExtent
{
    public static int Positions => 128;
}

internal readonly struct Extent64 : IExtent
{
    public static int Positions => 64;
}

/// <summary>
/// How a factor lies in memory, and its tiles of 128 × 32 or 64 × 32 in shared memory. The 16-byte pieces of a row are exchanged by the
/// row's number, so that neither copies nor <c>ldmatrix</c> meet bank conflicts.
/// </summary>
internal interface ITensorCoreFactor
{
    /// <summary>What this thread reads.</summary>
    /// <param name="factor">The elements.</param>
    /// <param name="first">The tile's first position along the extent that is not the depth.</param>
    /// <param name="second">Where its second half starts, in a layout by rows.</param>
    /// <param name="firstEnd">The end of the first half's positions.</param>
    /// <param name="secondEnd">The end of the second half's.</param>
    /// <param name="end">The depth at which the products end; in a layout by rows, the length of a row too.</param>
    static abstract FactorSource Open(ArrayView<ushort> factor, int first, int second, int firstEnd, int secondEnd, int end);

    /// <summary>Starts to copy the tile of 32 depths from <paramref name="start"/> on.</summary>
    static abstract void Load(FactorSource source, uint tile, int start);

    /// <summary>The address that this lane gives to <see cref="Fragment"/>, where the warp's part of the left factor starts.</summary>
    static abstract uint Left(uint tile, int place);

    /// <summary>The same for the right factor.</summary>
    static abstract uint Right(uint tile, int place);

    /// <summary>The address 16 depths further.</summary>
    static abstract uint Deeper(uint address);

    /// <summary>The operand of <c>mma</c> for 16 positions and 16 depths, so many times 16 positions further.</summary>
    static abstract UInt4 Fragment(uint address, uint index);
}

/// <summary>[extent, depth]: rows of a tile are 64 bytes, and <c>piece ^ (row / 2) % 4</c> says where a piece lies.</summary>
internal readonly struct FactorByRows<TExtent> : ITensorCoreFactor
    where TExtent : struct, IExtent
{
    private const int RowBytes = MatMulTensorCoreKernels.Depth * 2;

    public static FactorSource Open(ArrayView<ushort> factor, int first, int second, int firstEnd, int secondEnd, int end)
    {
        int line = Group.IdxX >> 2, piece = Group.IdxX & 3;
        if (TExtent.Positions == 64 && line >= 32) (first, firstEnd) = (second - 32, secondEnd);
        return new()
        {
            First = factor.SubView((long)(first + line) * end, end).Cast<UInt4>(),
            Second = factor.SubView((long)(second + line) * end, end).Cast<UInt4>(),
            Place = piece * 8,
            End = end,
            Target = Piece(0, line, piece),
            FirstInside = first + line < firstEnd,
            SecondInside = second + line < secondEnd,
        };
    }

    public static void Load(FactorSource source, uint tile, int start)
    {
        int k = start + source.Place, at = k < source.End ? k >> 3 : 0;
        Ptx.CopyAsyncPart(tile + source.Target, ref source.First[at], source.FirstInside & (k < source.End) ? 16u : 0u);
        if (TExtent.Positions == 128)
            Ptx.CopyAsyncPart(
                tile + source.Target + (64 * RowBytes), ref source.Second[at], source.SecondInside & (k < source.End) ? 16u : 0u);
    }

    // ldmatrix: lane l gives a row of tile l / 8. Left: rows 0–7 and 8–15, then the same 16 bytes further; right: as the columns lie.
    public static uint Left(uint tile, int place) => Piece(tile, place + (Warp.Lane & 15), Warp.Lane >> 4);

    public static uint Right(uint tile, int place) => Piece(tile, place + (Warp.Lane & 7) + ((Warp.Lane & 16) >> 1), (Warp.Lane >> 3) & 1);

    public static uint Deeper(uint address) => address ^ 32;

    public static UInt4 Fragment(uint address, uint index) => Ptx.LoadMatrix(address + (index * 16 * RowBytes));

    private static uint Piece(uint tile, int row, int piece) => tile + (uint)((row * RowBytes) + ((piece ^ ((row >> 1) & 3)) * 16));
}

/// <summary>
/// [depth, extent], the extent being a multiple of eight: rows of a tile are 256 or 128 bytes, a depth each, and <c>piece ^ row % 8</c>
/// says where a piece lies.
/// </summary>
internal readonly struct FactorByColumns<TExtent> : ITensorCoreFactor
    where TExtent : struct, IExtent
{
    private static int RowBytes => TExtent.Positions * 2;

    public static FactorSource Open(ArrayView<ushort> factor, int first, int second, int firstEnd, int secondEnd, int end)
    {
        int pieces = TExtent.Positions / 8, line = Group.IdxX / pieces, piece = Group.IdxX & (pieces - 1), place = first + (piece * 8);
        return new()
        {
            First = factor.SubView(place, factor.Length - place).Cast<UInt4>(),
            Place = line,
            Stride = firstEnd >> 3,
            End = end,
            Target = Piece(0, line, piece),
            FirstInside = place < firstEnd,
        };
    }

    public static void Load(FactorSource source, uint tile, int start)
    {
        int k = start + source.Place, further = k + 16;
        long at = k < source.End ? (long)k * source.Stride : 0, atFurther = further < source.End ? (long)further * source.Stride : 0;
        Ptx.CopyAsyncPart(tile + source.Target, ref source.First[at], source.FirstInside & (k < source.End) ? 16u : 0u);
        if (TExtent.Positions == 64) return;
        Ptx.CopyAsyncPart(tile + source.Target + (uint)(16 * RowBytes), ref source.First[atFurther],
            source.FirstInside & (further < source.End) ? 16u : 0u);
    }

    // ldmatrix, transposed: lane l gives a depth of tile l / 8, in the order of tiles that the layout by rows has.
    public static uint Left(uint tile, int place) =>
        Piece(tile, (Warp.Lane & 7) + ((Warp.Lane & 16) >> 1), (place >> 3) + ((Warp.Lane >> 3) & 1));

    public static uint Right(uint tile, int place) => Piece(tile, Warp.Lane & 15, (place >> 3) + (Warp.Lane >> 4));

    public static uint Deeper(uint address) => address + (uint)(16 * RowBytes);

    public static UInt4 Fragment(uint address, uint index) => Ptx.LoadMatrixTransposed(address ^ (index * 32));

    private static uint Piece(uint tile, int row, int piece) => tile + (uint)((row * RowBytes) + ((piece ^ (row & 7)) * 16));
}

/// <summary>The sums of a warp: 32 columns of some times 16 rows.</summary>
internal interface IWarpTile<TSelf>
    where TSelf : struct, IWarpTile<TSelf>
{
    /// <summary>The rows.</summary>
    static abstract int Rows { get; }

    /// <summary>Adds the products of 16 depths.</summary>
    static abstract TSelf Accumulate<TLeft, TRight>(TSelf sums, uint left, uint right)
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor;

    /// <summary>Lays the sums out by rows; at: the pair of the lane's first sum; stride: pairs of a row.</summary>
    static abstract void Store(TSelf sums, ArrayView<Float2> pairs, int at, int stride);
}

/// <summary>64 × 32 sums: R with the number of the 16 rows.</summary>
internal struct WarpTile64 : IWarpTile<WarpTile64>
{
    public WarpSums R0, R1, R2, R3;

    public static int Rows => 64;

    public static WarpTile64 Accumulate<TLeft, TRight>(WarpTile64 sums, uint left, uint right)
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor
    {
        UInt4 b0 = TRight.Fragment(right, 0), b1 = TRight.Fragment(right, 1);
        return new()
        {
            R0 = sums.R0.Add(TLeft.Fragment(left, 0), b0, b1),
            R1 = sums.R1.Add(TLeft.Fragment(left, 1), b0, b1),
            R2 = sums.R2.Add(TLeft.Fragment(left, 2), b0, b1),
            R3 = sums.R3.Add(TLeft.Fragment(left, 3), b0, b1),
        };
    }

    public static void Store(WarpTile64 sums, ArrayView<Float2> pairs, int at, int stride)
    {
        WarpTile16.Store(sums.R0, pairs, at, stride);
        WarpTile16.Store(sums.R1, pairs, at + (16 * stride), stride);
        WarpTile16.Store(sums.R2, pairs, at + (32 * stride), stride);
        WarpTile16.Store(sums.R3, pairs, at + (48 * stride), stride);
    }
}

/// <summary>16 × 32 sums.</summary>
internal struct WarpTile16 : IWarpTile<WarpTile16>
{
    public WarpSums R0;

    public static int Rows => 16;

    public static WarpTile16 Accumulate<TLeft, TRight>(WarpTile16 sums, uint left, uint right)
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor
        => new() { R0 = sums.R0.Add(TLeft.Fragment(left, 0), TRight.Fragment(right, 0), TRight.Fragment(right, 1)) };

    public static void Store(WarpTile16 sums, ArrayView<Float2> pairs, int at, int stride) => Store(sums.R0, pairs, at, stride);

    public static void Store(WarpSums sums, ArrayView<Float2> pairs, int at, int stride)
    {
        Store(sums.C0, pairs, at, stride);
        Store(sums.C1, pairs, at + 4, stride);
        Store(sums.C2, pairs, at + 8, stride);
        Store(sums.C3, pairs, at + 12, stride);
    }

    /// <summary>Eight columns of 16 rows.</summary>
    public static void Store(Float4 sums, ArrayView<Float2> pairs, int at, int stride)
    {
        pairs[at] = new(sums.X, sums.Y);
        pairs[at + (8 * stride)] = new(sums.Z, sums.W);
    }
}
