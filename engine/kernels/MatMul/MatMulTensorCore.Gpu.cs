using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The matrix product of a linear layer on tensor cores, <c>y = f(x wᵀ + bias) + residual</c>: operands in bf16, sums, bias, activation
/// and residual in fp32. A block of eight warps computes 128 × 128 sums, each warp 64 × 32 of them as 4 × 4 tiles of
/// <c>mma.m16n8k16</c>. Tiles of depth 32 pass through four stages of shared memory, filled by asynchronous copies three tiles ahead.
/// Rows of a tile are 64 bytes, their 16-byte pieces exchanged by row (<c>piece ^ (row / 2) % 4</c>), so that neither copies nor
/// <c>ldmatrix</c> meet bank conflicts. With GEGLU a tile holds 64 columns of either half.
/// </summary>
internal static class MatMulTensorCoreKernels
{
    public const int Tile = 128, Depth = 32, Stages = 4, Threads = 256;

    // In shared memory, in bytes: a tile of one factor; a row of results; everything, results replacing the tiles at the end.
    private const int FactorBytes = Tile * Depth * 2, StageBytes = 2 * FactorBytes, ResultStride = Tile + 8;

    public const int SharedBytes = Tile * ResultStride * 4;

    public static void Register(KernelList list)
    {
        list.Add("linear_bf16", Forward<LinearEpilogue>, Threads, SharedBytes, 2);
        list.Add("linear_gelu_bf16", Forward<GeluEpilogue>, Threads, SharedBytes, 2);
        list.Add("linear_geglu_bf16", Forward<GegluEpilogue>, Threads, SharedBytes, 2);
    }

    /// <summary>
    /// x: [rows, depth]; w: [columns, depth], or [2 · columns, depth] with GEGLU; bias: a row of w's columns, or empty; residual and y:
    /// [rows, columns], residual may be empty. Depth is a multiple of eight. Grid: (⌈columns / 128⌉, or / 64 with GEGLU; ⌈rows / 128⌉).
    /// </summary>
    public static void Forward<TEpilogue>(
        ArrayView<ushort> x, ArrayView<ushort> w, ArrayView<ushort> bias, ArrayView<ushort> residual, ArrayView<ushort> y, int rows, int columns, int depth)
        where TEpilogue : struct, IEpilogue
    {
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        uint address = Ptx.SharedAddress(ref shared[0]);
        int firstRow = Grid.IdxY * Tile, firstColumn = Grid.IdxX * (TEpilogue.Gated ? Tile / 2 : Tile);
        var loader = new Loader<TEpilogue>(x, w, address, firstRow, firstColumn, rows, columns, depth);
        loader.Load(0);
        loader.Load(1);
        loader.Load(2);

        // ldmatrix: lane l gives a row of tile l / 8. Left: rows 0–7 and 8–15, then the same 16 bytes further; right: as the columns lie.
        int lane = Warp.Lane, warpRow = (Warp.Index & 1) * 64, warpColumn = (Warp.Index >> 1) * 32;
        int leftLine = warpRow + (lane & 15), rightLine = warpColumn + (lane & 7) + ((lane & 16) >> 1);
        uint left0 = Piece(address, leftLine, lane >> 4), left1 = Piece(address, leftLine, 2 + (lane >> 4));
        uint right0 = Piece(address + FactorBytes, rightLine, (lane >> 3) & 1), right1 = Piece(address + FactorBytes, rightLine, 2 + ((lane >> 3) & 1));
        var sums = new WarpTile();
        int tiles = (depth + Depth - 1) / Depth;
        for (int t = 0; t < tiles; t++)
        {
            Ptx.WaitForCopiesButTwo();
            Group.Barrier();
            uint stage = (uint)((t & (Stages - 1)) * StageBytes);
            sums.Accumulate(left0 + stage, right0 + stage);
            sums.Accumulate(left1 + stage, right1 + stage);
            loader.Load(t + 3);
        }

        Ptx.WaitForCopies();
        Group.Barrier();
        sums.Store(shared.Cast<float>(), warpRow + (lane >> 2), warpColumn + ((lane & 3) * 2));
        Group.Barrier();
        Write<TEpilogue>(shared.Cast<Float4>(), bias, residual, y, firstRow, firstColumn, rows, columns);
    }

    /// <summary>The address of a 16-byte piece of a row of a tile.</summary>
    private static uint Piece(uint tile, int row, int piece) => tile + (uint)((row * (Depth * 2)) + ((piece ^ ((row >> 1) & 3)) * 16));

    /// <summary>Adds bias, activates, adds the residual and writes: a thread eight columns of a row, 16 rows a pass.</summary>
    private static void Write<TEpilogue>(
        ArrayView<Float4> sums, ArrayView<ushort> bias, ArrayView<ushort> residual, ArrayView<ushort> y, int firstRow, int firstColumn, int rows, int columns)
        where TEpilogue : struct, IEpilogue
    {
        const int ThreadsPerRow = Tile / 8, GatedThreadsPerRow = ThreadsPerRow / 2;
        int perRow = TEpilogue.Gated ? GatedThreadsPerRow : ThreadsPerRow;
        int piece = Group.IdxX & (perRow - 1), column = firstColumn + (piece * 8);
        if (column >= columns) return;
        // Eight lanes cover all banks when every other four begin with their second quad.
        int second = (piece >> 2) & 1;
        bool whole = (columns & 7) == 0;
        Float8 biasLow = Float8.Broadcast(0), biasHigh = Float8.Broadcast(0);
        if (bias.Length > 0) biasLow = Read(bias, column, columns, whole);
        if (TEpilogue.Gated && bias.Length > 0) biasHigh = Read(bias.SubView(columns, columns), column, columns, whole);
        for (int local = Group.IdxX / perRow; local < Tile && firstRow + local < rows; local += Threads / perRow)
        {
            int at = (local * (ResultStride / 4)) + (piece * 2);
            Float8 value = Apply<TEpilogue>(Sums(sums, at, second) + biasLow);
            if (TEpilogue.Gated) value *= Sums(sums, at + (Tile / 8), second) + biasHigh;
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
            row.Cast<UInt4>()[column >> 3] = BF16.Pack(value);
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

    /// <summary>A thread's part in filling a stage: two 16-byte pieces of either factor.</summary>
    private readonly struct Loader<TEpilogue>
        where TEpilogue : struct, IEpilogue
    {
        private readonly ArrayView<UInt4> _left0, _left1, _right0, _right1;
        private readonly uint _target;
        private readonly int _depth, _piece;
        private readonly bool _leftInside0, _leftInside1, _rightInside0, _rightInside1;

        public Loader(ArrayView<ushort> x, ArrayView<ushort> w, uint address, int firstRow, int firstColumn, int rows, int columns, int depth)
        {
            int line = Group.IdxX >> 2, left = firstRow + line, right = firstColumn + line;
            _piece = Group.IdxX & 3;
            _depth = depth;
            _target = Piece(address, line, _piece);
            _left0 = x.SubView((long)left * depth, depth).Cast<UInt4>();
            _left1 = x.SubView((long)(left + 64) * depth, depth).Cast<UInt4>();
            int upper = TEpilogue.Gated ? columns : 64;
            _right0 = w.SubView((long)right * depth, depth).Cast<UInt4>();
            _right1 = w.SubView((long)(right + upper) * depth, depth).Cast<UInt4>();
            (_leftInside0, _leftInside1, _rightInside0) = (left < rows, left + 64 < rows, right < columns);
            _rightInside1 = TEpilogue.Gated ? right < columns : right + 64 < columns;
        }

        /// <summary>Starts to fill the stage of a tile; what lies outside the factors becomes 0.</summary>
        public void Load(int tile)
        {
            int k = (tile * Depth) + (_piece * 8);
            uint target = _target + (uint)((tile & (Stages - 1)) * StageBytes);
            if (k < _depth)
            {
                Ptx.CopyAsyncPart(target, ref _left0[k >> 3], _leftInside0 ? 16u : 0u);
                Ptx.CopyAsyncPart(target + (FactorBytes / 2), ref _left1[k >> 3], _leftInside1 ? 16u : 0u);
                Ptx.CopyAsyncPart(target + FactorBytes, ref _right0[k >> 3], _rightInside0 ? 16u : 0u);
                Ptx.CopyAsyncPart(target + FactorBytes + (FactorBytes / 2), ref _right1[k >> 3], _rightInside1 ? 16u : 0u);
            }
            else if (tile * Depth < _depth)
            {
                Ptx.CopyAsyncPart(target, ref _left0[0], 0);
                Ptx.CopyAsyncPart(target + (FactorBytes / 2), ref _left0[0], 0);
                Ptx.CopyAsyncPart(target + FactorBytes, ref _left0[0], 0);
                Ptx.CopyAsyncPart(target + FactorBytes + (FactorBytes / 2), ref _left0[0], 0);
            }

            Ptx.CommitCopies();
        }
    }

    /// <summary>The 64 × 32 sums of a warp: S with the numbers of the 16 rows and of the 8 columns.</summary>
    private struct WarpTile
    {
        public Float4 S00, S01, S02, S03, S10, S11, S12, S13, S20, S21, S22, S23, S30, S31, S32, S33;

        /// <summary>Adds the products of 16 columns of the left factor and 16 rows of the right one.</summary>
        public void Accumulate(uint left, uint right)
        {
            const uint Rows16 = 16 * Depth * 2;
            UInt4 b0 = Ptx.LoadMatrix(right), b1 = Ptx.LoadMatrix(right + Rows16);
            UInt4 a0 = Ptx.LoadMatrix(left), a1 = Ptx.LoadMatrix(left + Rows16);
            UInt4 a2 = Ptx.LoadMatrix(left + (2 * Rows16)), a3 = Ptx.LoadMatrix(left + (3 * Rows16));
            S00 = Ptx.MmaBF16(a0, b0.X, b0.Y, S00);
            S01 = Ptx.MmaBF16(a0, b0.Z, b0.W, S01);
            S02 = Ptx.MmaBF16(a0, b1.X, b1.Y, S02);
            S03 = Ptx.MmaBF16(a0, b1.Z, b1.W, S03);
            S10 = Ptx.MmaBF16(a1, b0.X, b0.Y, S10);
            S11 = Ptx.MmaBF16(a1, b0.Z, b0.W, S11);
            S12 = Ptx.MmaBF16(a1, b1.X, b1.Y, S12);
            S13 = Ptx.MmaBF16(a1, b1.Z, b1.W, S13);
            S20 = Ptx.MmaBF16(a2, b0.X, b0.Y, S20);
            S21 = Ptx.MmaBF16(a2, b0.Z, b0.W, S21);
            S22 = Ptx.MmaBF16(a2, b1.X, b1.Y, S22);
            S23 = Ptx.MmaBF16(a2, b1.Z, b1.W, S23);
            S30 = Ptx.MmaBF16(a3, b0.X, b0.Y, S30);
            S31 = Ptx.MmaBF16(a3, b0.Z, b0.W, S31);
            S32 = Ptx.MmaBF16(a3, b1.X, b1.Y, S32);
            S33 = Ptx.MmaBF16(a3, b1.Z, b1.W, S33);
        }

        /// <summary>Lays the sums out by rows; row and column are those of the lane's first sum.</summary>
        public readonly void Store(ArrayView<float> results, int row, int column)
        {
            ArrayView<Float2> pairs = results.Cast<Float2>();
            Place(pairs, row + 0, column + 0, S00);
            Place(pairs, row + 0, column + 8, S01);
            Place(pairs, row + 0, column + 16, S02);
            Place(pairs, row + 0, column + 24, S03);
            Place(pairs, row + 16, column + 0, S10);
            Place(pairs, row + 16, column + 8, S11);
            Place(pairs, row + 16, column + 16, S12);
            Place(pairs, row + 16, column + 24, S13);
            Place(pairs, row + 32, column + 0, S20);
            Place(pairs, row + 32, column + 8, S21);
            Place(pairs, row + 32, column + 16, S22);
            Place(pairs, row + 32, column + 24, S23);
            Place(pairs, row + 48, column + 0, S30);
            Place(pairs, row + 48, column + 8, S31);
            Place(pairs, row + 48, column + 16, S32);
            Place(pairs, row + 48, column + 24, S33);
        }

        private static void Place(ArrayView<Float2> results, int row, int column, Float4 sums)
        {
            int at = ((row * ResultStride) + column) >> 1;
            results[at] = new(sums.X, sums.Y);
            results[at + (8 * ResultStride / 2)] = new(sums.Z, sums.W);
        }
    }
}
