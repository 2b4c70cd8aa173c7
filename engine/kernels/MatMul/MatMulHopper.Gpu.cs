using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// What the copy engine of a GPU of compute capability 9.0 knows of a matrix: 128 bytes that the driver writes, an argument by value. Its
/// boxes are 64 rows of 64 elements, whose 16-byte pieces are exchanged by the row's number.
/// </summary>
internal struct TensorMap
{
    public ulong W0, W1, W2, W3, W4, W5, W6, W7, W8, W9, W10, W11, W12, W13, W14, W15;
}

/// <summary>How a factor lies in memory, for the copy engine and <c>wgmma</c>.</summary>
internal interface IHopperFactor
{
    /// <summary>
    /// All of a tile's descriptor but its address: the distances between its parts, and the exchange of pieces of 128 bytes.
    /// </summary>
    static abstract ulong Descriptor { get; }

    /// <summary>Starts to copy 64 positions of 64 depths.</summary>
    static abstract void Copy(uint target, ulong map, int place, int depth, uint barrier);
}

/// <summary>[extent, depth]: eight rows of 128 bytes are followed by the next eight.</summary>
internal readonly struct HopperByRows : IHopperFactor
{
    public static ulong Descriptor => (1UL << 62) | (1024UL >> 4 << 32) | (1UL << 16);

    public static void Copy(uint target, ulong map, int place, int depth, uint barrier) => Ptx.CopyBox(target, map, depth, place, barrier);
}

/// <summary>
/// [depth, extent]: eight depths of 64 positions are followed by the next eight depths, a whole box by the next 64 positions.
/// </summary>
internal readonly struct HopperByColumns : IHopperFactor
{
    public static ulong Descriptor => (1UL << 62) | (1024UL >> 4 << 32) | ((ulong)MatMulHopperKernels.BoxBytes >> 4 << 16);

    public static void Copy(uint target, ulong map, int place, int depth, uint barrier) => Ptx.CopyBox(target, map, place, depth, barrier);
}

/// <summary>Which factors of a product lie by rows, and so which instruction multiplies them.</summary>
internal interface IHopperProduct
{
    static abstract TSums Multiply<TSums>(TSums sums, ulong left, ulong right, uint read, bool arrives)
        where TSums : struct, IWarpgroupSums<TSums>;
}

internal readonly struct RowsByRows : IHopperProduct
{
    public static TSums Multiply<TSums>(TSums sums, ulong left, ulong right, uint read, bool arrives)
        where TSums : struct, IWarpgroupSums<TSums>
        => TSums.Multiply(sums, left, right, read, arrives);
}

internal readonly struct RowsByColumns : IHopperProduct
{
    public static TSums Multiply<TSums>(TSums sums, ulong left, ulong right, uint read, bool arrives)
        where TSums : struct, IWarpgroupSums<TSums>
        => TSums.MultiplyByColumns(sums, left, right, read, arrives);
}

internal readonly struct ColumnsByColumns : IHopperProduct
{
    public static TSums Multiply<TSums>(TSums sums, ulong left, ulong right, uint read, bool arrives)
        where TSums : struct, IWarpgroupSums<TSums>
        => TSums.MultiplyColumns(sums, left, right, read, arrives);
}

/// <summary>
/// The matrix products of <see cref="MatMulTensorCoreKernels"/> on GPUs of compute capability 9.0. One warp keeps a ring of tiles of depth
/// 64 filled through the copy engine; twice four warps multiply 64 × 128 or 64 × 256 sums each, whose operands <c>wgmma</c> reads from
/// shared memory. Two barriers a tile say that it is full, and that it is empty.
/// </summary>
internal static class MatMulHopperKernels
{
    public const int Rows = 128, Depth = 64, Threads = 288, Producer = 8, BoxBytes = 64 * Depth * 2;

    /// <summary>
    /// Bytes of shared memory for three tiles of 128 × 128, of which two blocks fit a multiprocessor, or four of 128 × 256.
    /// </summary>
    public const int SquareBytes = (3 * 4 * BoxBytes) + BarrierBytes, WideBytes = (4 * 6 * BoxBytes) + BarrierBytes;

    private const int BarrierBytes = 64, LeftBoxes = Rows / 64;

    public static void Register(KernelList list)
    {
        Register<SquareTile, Sums128>(list, "_wgmma_128", SquareBytes, 2);
        Register<WideTile, Sums256>(list, "_wgmma_256", WideBytes, 1);
    }

    private static void Register<TTile, TSums>(KernelList list, string form, int shared, int blocks)
        where TTile : struct, IResultTile
        where TSums : struct, IWarpgroupSums<TSums>
    {
        void Add(string name, Delegate kernel) => list.AddFamily(
            name + form, Threads, bf16: kernel, dynamicShared: shared, blocksPerMultiprocessor: blocks, target: KernelTarget.Hopper);
        Add("linear", Product<LinearEpilogue, TTile, TSums, HopperByRows, RowsByRows>);
        Add("linear_gelu", Product<GeluEpilogue, TTile, TSums, HopperByRows, RowsByRows>);
        Add("linear_geglu", Product<GegluEpilogue, TTile, TSums, HopperByRows, RowsByRows>);
        Add("linear_swiglu", Product<SwigluEpilogue, TTile, TSums, HopperByRows, RowsByRows>);
        Add("linear_input_gradient", Product<LinearEpilogue, TTile, TSums, HopperByColumns, RowsByColumns>);
        Add("linear_weight_gradient_split", WeightGradient<TTile, TSums>);
    }

    /// <summary>
    /// y = f(left · rightᵀ + bias) + residual, as <see cref="MatMulTensorCoreKernels.Product{TEpilogue, TTile, TSums, TLeft, TRight}"/> has
    /// it. leftMap: [rows, depth]; rightMap: [columns, depth], or [2 · columns, depth] with two parts, or [depth, columns] in the layout
    /// <see cref="HopperByColumns"/>. Grid: (⌈columns / the tile's⌉, or half of them with two parts; ⌈rows / 128⌉).
    /// </summary>
    public static void Product<TEpilogue, TTile, TSums, TRight, TProduct>(
        TensorMap leftMap, TensorMap rightMap, ArrayView<ushort> bias, ArrayView<ushort> residual, ArrayView<ushort> y, int rows,
        int columns, int depth)
        where TEpilogue : struct, IEpilogue
        where TTile : struct, IResultTile
        where TSums : struct, IWarpgroupSums<TSums>
        where TRight : struct, IHopperFactor
        where TProduct : struct, IHopperProduct =>
        Run<TEpilogue, TTile, TSums, TRight, TProduct>(
            new() { Bias = bias, Residual = residual, Y = y, Rows = rows, Columns = columns }, depth);

    /// <summary>
    /// The gradient of weights, as <see cref="MatMulTensorCoreKernels.WeightGradient{TTile, TSums, TFactor}"/> has it; share is a multiple
    /// of 64. leftMap: [depth, rows]; rightMap: [depth, columns].
    /// </summary>
    public static void WeightGradient<TTile, TSums>(
        TensorMap leftMap, TensorMap rightMap, ArrayView<float> sums, int rows, int columns, int depth, int share)
        where TTile : struct, IResultTile
        where TSums : struct, IWarpgroupSums<TSums>
    {
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        int firstRow = Grid.IdxY * Rows, firstColumn = Grid.IdxX * TTile.Columns, begin = Grid.IdxZ * share,
            end = begin + share < depth ? begin + share : depth;
        Multiply<TTile, TSums, HopperByColumns, HopperByColumns, ColumnsByColumns>(
            shared, firstRow, firstColumn, firstColumn + (TTile.Columns / 2), begin, end);
        if (Warp.Index >= Producer) return;
        MatMulResults<TTile>.WriteSums(
            shared.Cast<Float4>(), sums.SubView((long)Grid.IdxZ * rows * columns, (long)rows * columns), firstRow, firstColumn, rows,
            columns, Grid.DimZ == 1);
    }

    private static void Run<TEpilogue, TTile, TSums, TRight, TProduct>(ResultOperands to, int depth)
        where TEpilogue : struct, IEpilogue
        where TTile : struct, IResultTile
        where TSums : struct, IWarpgroupSums<TSums>
        where TRight : struct, IHopperFactor
        where TProduct : struct, IHopperProduct
    {
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        int firstRow = Grid.IdxY * Rows, firstColumn = Grid.IdxX * (TEpilogue.Gated ? TTile.Columns / 2 : TTile.Columns);
        Multiply<TTile, TSums, HopperByRows, TRight, TProduct>(
            shared, firstRow, firstColumn, firstColumn + (TEpilogue.Gated ? to.Columns : TTile.Columns / 2), 0, depth);
        if (Warp.Index < Producer) MatMulResults<TTile>.Write<TEpilogue>(shared.Cast<Float4>(), to, firstRow, firstColumn);
    }

    /// <summary>
    /// Leaves the sums of a block, over the depths [begin, end), in shared memory as <see cref="MatMulResults{TTile}"/> wants them.
    /// </summary>
    private static void Multiply<TTile, TSums, TLeft, TRight, TProduct>(
        ArrayView<UInt4> shared, int firstRow, int firstColumn, int secondColumn, int begin, int end)
        where TTile : struct, IResultTile
        where TSums : struct, IWarpgroupSums<TSums>
        where TLeft : struct, IHopperFactor
        where TRight : struct, IHopperFactor
        where TProduct : struct, IHopperProduct
    {
        Ring ring = Ring.Open(
            Ptx.SharedAddress(ref shared[0]), TTile.Columns == 256 ? 4 : 3, (LeftBoxes + (TTile.Columns / 64)) * BoxBytes);
        int tiles = (end - begin + Depth - 1) / Depth, group = Warp.Index >> 2;
        var sums = default(TSums);
        if (Warp.Index == Producer)
        {
            if (Warp.Lane == 0) Fill<TTile, TLeft, TRight>(ring, firstRow, firstColumn, secondColumn, begin, tiles);
            Ptx.SynchroniseWarp();
        }
        else
        {
            for (int t = 0; t < tiles; t++)
            {
                uint tile = ring.Tile;
                while (!Ptx.TryWait(ring.Full, ring.Parity))
                {
                }

                sums = TProduct.Multiply(
                    sums, TLeft.Descriptor | ((tile + (uint)(group * BoxBytes)) >> 4),
                    TRight.Descriptor | ((tile + (LeftBoxes * BoxBytes)) >> 4),
                    ring.Empty, Warp.Lane == 0);
                ring = ring.Next();
            }
        }

        Group.Barrier();
        if (Warp.Index < Producer)
        {
            int row = (Warp.Index * 16) + WarpSums.Row, stride = MatMulResults<TTile>.Stride / 2;
            TSums.Store(sums, shared.Cast<Float2>(), (row * stride) + (WarpSums.Column / 2), stride);
        }

        Group.Barrier();
    }

    /// <summary>Fills tile after tile, once its readers are done with the one before; run by one thread.</summary>
    private static void Fill<TTile, TLeft, TRight>(Ring ring, int firstRow, int firstColumn, int secondColumn, int begin, int tiles)
        where TTile : struct, IResultTile
        where TLeft : struct, IHopperFactor
        where TRight : struct, IHopperFactor
    {
        ulong left = Ptx.LeftMap(), right = Ptx.RightMap();
        for (int t = 0; t < tiles; t++)
        {
            // The phase before the first counts as over.
            while (!Ptx.TryWait(ring.Empty, ring.Parity ^ 1))
            {
            }

            uint full = ring.Full, at = ring.Tile;
            int k = begin + (t * Depth);
            Ptx.ArriveAndExpect(full, ring.TileBytes);
            TLeft.Copy(at, left, firstRow, k, full);
            TLeft.Copy(at + BoxBytes, left, firstRow + 64, k, full);
            at += LeftBoxes * BoxBytes;
            for (int box = 0; box < TTile.Columns / 128; box++)
            {
                TRight.Copy(at, right, firstColumn + (box * 64), k, full);
                TRight.Copy(at + (uint)(TTile.Columns / 128 * BoxBytes), right, secondColumn + (box * 64), k, full);
                at += BoxBytes;
            }

            ring = ring.Next();
        }
    }

    /// <summary>A ring of tiles in shared memory, and a place in it.</summary>
    private struct Ring
    {
        private uint _start, _count, _place;

        /// <summary>The bytes of a tile.</summary>
        public uint TileBytes;

        /// <summary>The parity of this round.</summary>
        public uint Parity;

        public readonly uint Tile => _start + (_place * TileBytes);

        /// <summary>The barrier that says that the tile is full.</summary>
        public readonly uint Full => _start + (_count * TileBytes) + (_place * 16);

        /// <summary>The barrier that says that all warps have read the tile.</summary>
        public readonly uint Empty => Full + 8;

        public static Ring Open(uint start, int count, int tileBytes)
        {
            // Pieces are exchanged by bits of addresses.
            if ((start & 1023) != 0) Ptx.Trap();
            var ring = new Ring { _start = start, _count = (uint)count, TileBytes = (uint)tileBytes };
            if (Group.IdxX == 0)
            {
                Ring each = ring;
                for (int i = 0; i < count; i++)
                {
                    Ptx.InitialiseBarrier(each.Full, 1);
                    Ptx.InitialiseBarrier(each.Empty, Producer);
                    each = each.Next();
                }

                Ptx.FenceAsync();
            }

            Group.Barrier();
            return ring;
        }

        public readonly Ring Next()
        {
            Ring next = this;
            next._place = _place + 1 == _count ? 0 : _place + 1;
            next.Parity = _place + 1 == _count ? Parity ^ 1 : Parity;
            return next;
        }
    }
}
