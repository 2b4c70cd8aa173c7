using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The matrix product of a linear layer on tensor cores, <c>y = f(x wᵀ + bias) + residual</c>, and its gradients: operands in bf16, sums,
/// and what is done with them in fp32. A block of eight warps computes 128 × 128 sums, each warp 64 × 32 of them as 4 × 4 tiles of
/// <c>mma.m16n8k16</c>; or 64 × 64, each warp 16 × 32. Tiles of depth 32 pass through four stages of shared memory, filled by asynchronous
/// copies three tiles ahead; see <see cref="ITensorCoreFactor"/> for how they lie there. With a gate a tile holds half of its columns of
/// either part, so that both meet.
/// </summary>
internal static class MatMulTensorCoreKernels
{
    public const int Depth = 32, Stages = 4, Threads = 256;

    /// <summary>
    /// Bytes of shared memory: of the results, which replace the tiles at the end, and of the small tiles, which are more.
    /// </summary>
    private const int SquareBytes = 128 * (128 + 8) * 4, SmallBytes = Stages * 2 * 64 * Depth * 2;

    public static void Register(KernelList list)
    {
        Register<SquareTile, Extent128, WarpTile64>(list, "", SquareBytes, 2);
        Register<SmallTile, Extent64, WarpTile16>(list, "_64", SmallBytes, 3);
        list.Add("split_sum", AddParts, Flat.Threads);
    }

    private static void Register<TTile, TExtent, TSums>(KernelList list, string form, int shared, int blocks)
        where TTile : struct, IResultTile
        where TExtent : struct, IExtent
        where TSums : struct, IWarpTile<TSums>
    {
        // Two parts in small tiles take more registers than three blocks leave.
        void Add(string name, Delegate kernel) => list.AddFamily(
            name + form, Threads, bf16: kernel, dynamicShared: shared, blocksPerMultiprocessor: name.Contains("glu") ? 2 : blocks);
        Add("linear", Product<LinearEpilogue, TTile, TSums, FactorByRows<TExtent>, FactorByRows<TExtent>>);
        Add("linear_gelu", Product<GeluEpilogue, TTile, TSums, FactorByRows<TExtent>, FactorByRows<TExtent>>);
        Add("linear_geglu", Product<GegluEpilogue, TTile, TSums, FactorByRows<TExtent>, FactorByRows<TExtent>>);
        Add("linear_swiglu", Product<SwigluEpilogue, TTile, TSums, FactorByRows<TExtent>, FactorByRows<TExtent>>);
        Add("linear_input_gradient", Product<LinearEpilogue, TTile, TSums, FactorByRows<TExtent>, FactorByColumns<TExtent>>);
        Add("linear_weight_gradient_split", WeightGradient<TTile, TSums, FactorByColumns<TExtent>>);
    }

    /// <summary>
    /// y = f(Σₖ left[r, k] · right[c, k] + bias[c]) + residual. left: [rows, depth]; right: [columns, depth], or [2 · columns, depth] with
    /// two parts, or in the layout <see cref="FactorByColumns{TExtent}"/> [depth, columns], columns being a multiple of eight; bias: a row
    /// of the right factor's columns, or empty; y: [rows, columns]; residual: its shape, or empty. Depth is a multiple
    /// of eight. Grid: (⌈columns / the tile's⌉, or half of them with two
    /// parts; ⌈rows / the tile's⌉).
    /// </summary>
    public static void Product<TEpilogue, TTile, TSums, TLeft, TRight>(
        ArrayView<ushort> left, ArrayView<ushort> right, ArrayView<ushort> bias, ArrayView<ushort> residual, ArrayView<ushort> y, int rows,
        int columns, int depth)
        where TEpilogue : struct, IEpilogue
        where TTile : struct, IResultTile
        where TSums : struct, IWarpTile<TSums>
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor =>
        Run<TEpilogue, TTile, TSums, TLeft, TRight>(
            left, right, new() { Bias = bias, Residual = residual, Y = y, Rows = rows, Columns = columns }, depth);

    private static void Run<TEpilogue, TTile, TSums, TLeft, TRight>(
        ArrayView<ushort> left, ArrayView<ushort> right, ResultOperands to, int depth)
        where TEpilogue : struct, IEpilogue
        where TTile : struct, IResultTile
        where TSums : struct, IWarpTile<TSums>
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor
    {
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        int firstRow = Grid.IdxY * TTile.Rows, firstColumn = Grid.IdxX * (TEpilogue.Gated ? TTile.Columns / 2 : TTile.Columns),
            columns = to.Columns;
        int secondColumn = firstColumn + (TEpilogue.Gated ? columns : TTile.Columns / 2),
            secondEnd = TEpilogue.Gated ? 2 * columns : columns;
        Multiply<TTile, TSums, TLeft, TRight>(
            shared, TLeft.Open(left, firstRow, firstRow + (TTile.Rows / 2), to.Rows, to.Rows, depth),
            TRight.Open(right, firstColumn, secondColumn, columns, secondEnd, depth), 0, depth);
        MatMulResults<TTile>.Write<TEpilogue>(shared.Cast<Float4>(), to, firstRow, firstColumn);
    }

    /// <summary>
    /// sums[s, r, c] = Σₖ left[k, r] · right[k, c] over the s-th share of the depth, in fp32; with one share the products are added to
    /// what sums holds. left: [depth, rows]; right: [depth, columns]; sums: [shares, rows, columns]; share: the positions of a share, a
    /// multiple of 32. Rows and columns are multiples of eight. Grid: (⌈columns / the tile's⌉, ⌈rows / the tile's⌉, shares). The shares are
    /// summed by <see cref="AddParts"/>: their order is fixed.
    /// </summary>
    public static void WeightGradient<TTile, TSums, TFactor>(
        ArrayView<ushort> left, ArrayView<ushort> right, ArrayView<float> sums, int rows, int columns, int depth, int share)
        where TTile : struct, IResultTile
        where TSums : struct, IWarpTile<TSums>
        where TFactor : struct, ITensorCoreFactor
    {
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        int firstRow = Grid.IdxY * TTile.Rows, firstColumn = Grid.IdxX * TTile.Columns, begin = Grid.IdxZ * share,
            end = begin + share < depth ? begin + share : depth;
        Multiply<TTile, TSums, TFactor, TFactor>(
            shared, TFactor.Open(left, firstRow, 0, rows, 0, end), TFactor.Open(right, firstColumn, 0, columns, 0, end), begin, end);
        MatMulResults<TTile>.WriteSums(
            shared.Cast<Float4>(), sums.SubView((long)Grid.IdxZ * rows * columns, (long)rows * columns), firstRow, firstColumn, rows,
            columns, Grid.DimZ == 1);
    }

    /// <summary>
    /// y[i] += Σₛ parts[s, i], in the order of s. parts: [shares, count]; count is a multiple of four. Grid: count / 1024.
    /// </summary>
    public static void AddParts(ArrayView<float> parts, ArrayView<float> y, long count, int shares)
    {
        long at = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX, quads = count >> 2;
        if (at >= quads) return;
        ArrayView<Float4> source = parts.Cast<Float4>(), target = y.Cast<Float4>();
        Float4 sum = Float4.Broadcast(0);
        for (int s = 0; s < shares; s++) sum += Ptx.LoadOnce(ref source[(s * quads) + at], true, 0);
        Ptx.Store(ref target[at], true, Ptx.LoadOnce(ref target[at], true, 0) + sum);
    }

    /// <summary>
    /// Leaves the sums of a block, over the depths [begin, end), in shared memory as <see cref="MatMulResults{TTile}"/> wants them.
    /// </summary>
    private static void Multiply<TTile, TSums, TLeft, TRight>(
        ArrayView<UInt4> shared, FactorSource left, FactorSource right, int begin, int end)
        where TTile : struct, IResultTile
        where TSums : struct, IWarpTile<TSums>
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor
    {
        uint address = Ptx.SharedAddress(ref shared[0]), rightTile = (uint)(TTile.Rows * Depth * 2),
            stageBytes = (uint)((TTile.Rows + TTile.Columns) * Depth * 2);
        // Pieces are found by exchanging bits of addresses.
        if ((address & 255) != 0) Ptx.Trap();
        for (int t = 0; t < Stages - 1; t++)
            Load<TLeft, TRight>(left, right, address + ((uint)t * stageBytes), rightTile, begin + (t * Depth), end);
        int down = TTile.Rows / TSums.Rows, warpRow = (Warp.Index & (down - 1)) * TSums.Rows, warpColumn = Warp.Index / down * 32;
        uint leftAt = TLeft.Left(address, warpRow), rightAt = TRight.Right(address + rightTile, warpColumn);
        var sums = default(TSums);
        int tiles = (end - begin + Depth - 1) / Depth;
        for (int t = 0; t < tiles; t++)
        {
            Ptx.WaitForCopiesButTwo();
            Group.Barrier();
            uint stage = (uint)(t & (Stages - 1)) * stageBytes;
            sums = TSums.Accumulate<TLeft, TRight>(sums, leftAt + stage, rightAt + stage);
            sums = TSums.Accumulate<TLeft, TRight>(sums, TLeft.Deeper(leftAt + stage), TRight.Deeper(rightAt + stage));
            int next = t + Stages - 1;
            Load<TLeft, TRight>(left, right, address + ((uint)(next & (Stages - 1)) * stageBytes), rightTile, begin + (next * Depth), end);
        }

        Ptx.WaitForCopies();
        Group.Barrier();
        int stride = MatMulResults<TTile>.Stride / 2;
        TSums.Store(sums, shared.Cast<Float2>(), ((warpRow + WarpSums.Row) * stride) + ((warpColumn + WarpSums.Column) / 2), stride);
        Group.Barrier();
    }

    /// <summary>Starts to fill a stage; what lies outside the factors becomes 0.</summary>
    private static void Load<TLeft, TRight>(FactorSource left, FactorSource right, uint stage, uint rightTile, int start, int end)
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor
    {
        if (start < end)
        {
            TLeft.Load(left, stage, start);
            TRight.Load(right, stage + rightTile, start);
        }

        Ptx.CommitCopies();
    }
}
