using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>What a thread reads of a factor: two pieces of 16 bytes a tile.</summary>
internal struct FactorSource
{
    public ArrayView<UInt4> First, Second;
    public int Place, Stride, End;
    public uint Target;
    public bool FirstInside, SecondInside;
}

/// <summary>
/// How a factor lies in memory, and its tiles of 128 × 32 in shared memory. The 16-byte pieces of a row are exchanged by the row's number,
/// so that neither copies nor <c>ldmatrix</c> meet bank conflicts.
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
internal readonly struct FactorByRows : ITensorCoreFactor
{
    private const int RowBytes = MatMulTensorCoreKernels.Depth * 2;

    public static FactorSource Open(ArrayView<ushort> factor, int first, int second, int firstEnd, int secondEnd, int end)
    {
        int line = Group.IdxX >> 2, piece = Group.IdxX & 3;
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
        Ptx.CopyAsyncPart(tile + source.Target + (64 * RowBytes), ref source.Second[at], source.SecondInside & (k < source.End) ? 16u : 0u);
    }

    // ldmatrix: lane l gives a row of tile l / 8. Left: rows 0–7 and 8–15, then the same 16 bytes further; right: as the columns lie.
    public static uint Left(uint tile, int place) => Piece(tile, place + (Warp.Lane & 15), Warp.Lane >> 4);

    public static uint Right(uint tile, int place) => Piece(tile, place + (Warp.Lane & 7) + ((Warp.Lane & 16) >> 1), (Warp.Lane >> 3) & 1);

    public static uint Deeper(uint address) => address ^ 32;

    public static UInt4 Fragment(uint address, uint index) => Ptx.LoadMatrix(address + (index * 16 * RowBytes));

    private static uint Piece(uint tile, int row, int piece) => tile + (uint)((row * RowBytes) + ((piece ^ ((row >> 1) & 3)) * 16));
}

/// <summary>
/// [depth, extent], the extent being a multiple of eight: rows of a tile are 256 bytes, a depth each, and <c>piece ^ row % 8</c> says where
/// a piece lies.
/// </summary>
internal readonly struct FactorByColumns : ITensorCoreFactor
{
    private const int RowBytes = MatMulTensorCoreKernels.Tile * 2;

    public static FactorSource Open(ArrayView<ushort> factor, int first, int second, int firstEnd, int secondEnd, int end)
    {
        int line = Group.IdxX >> 4, piece = Group.IdxX & 15, place = first + (piece * 8);
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
        Ptx.CopyAsyncPart(tile + source.Target + (16 * RowBytes), ref source.First[atFurther], source.FirstInside & (further < source.End) ? 16u : 0u);
    }

    // ldmatrix, transposed: lane l gives a depth of tile l / 8, in the order of tiles that the layout by rows has.
    public static uint Left(uint tile, int place) => Piece(tile, (Warp.Lane & 7) + ((Warp.Lane & 16) >> 1), (place >> 3) + ((Warp.Lane >> 3) & 1));

    public static uint Right(uint tile, int place) => Piece(tile, Warp.Lane & 15, (place >> 3) + (Warp.Lane >> 4));

    public static uint Deeper(uint address) => address + (16 * RowBytes);

    public static UInt4 Fragment(uint address, uint index) => Ptx.LoadMatrixTransposed(address ^ (index * 32));

    private static uint Piece(uint tile, int row, int piece) => tile + (uint)((row * RowBytes) + ((piece ^ (row & 7)) * 16));
}

/// <summary>The 64 × 32 sums of a warp: R with the number of the 16 rows.</summary>
internal struct WarpTile
{
    public WarpSums R0, R1, R2, R3;

    /// <summary>Adds the products of 16 depths.</summary>
    public void Accumulate<TLeft, TRight>(uint left, uint right)
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor
    {
        UInt4 b0 = TRight.Fragment(right, 0), b1 = TRight.Fragment(right, 1);
        R0 = R0.Add(TLeft.Fragment(left, 0), b0, b1);
        R1 = R1.Add(TLeft.Fragment(left, 1), b0, b1);
        R2 = R2.Add(TLeft.Fragment(left, 2), b0, b1);
        R3 = R3.Add(TLeft.Fragment(left, 3), b0, b1);
    }

    /// <summary>Lays the sums out by rows; row and column are those of the lane's first sum.</summary>
    public readonly void Store(ArrayView<float> results, int row, int column)
    {
        ArrayView<Float2> pairs = results.Cast<Float2>();
        Store(pairs, row, column, R0);
        Store(pairs, row + 16, column, R1);
        Store(pairs, row + 32, column, R2);
        Store(pairs, row + 48, column, R3);
    }

    private static void Store(ArrayView<Float2> results, int row, int column, WarpSums sums)
    {
        Place(results, row, column, sums.C0);
        Place(results, row, column + 8, sums.C1);
        Place(results, row, column + 16, sums.C2);
        Place(results, row, column + 24, sums.C3);
    }

    private static void Place(ArrayView<Float2> results, int row, int column, Float4 sums)
    {
        int at = ((row * MatMulTensorCoreKernels.ResultStride) + column) >> 1;
        results[at] = new(sums.X, sums.Y);
        results[at + (8 * MatMulTensorCoreKernels.ResultStride / 2)] = new(sums.Z, sums.W);
    }
}
