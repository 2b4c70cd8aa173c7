using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The matrix product of a linear layer on tensor cores, <c>y = f(x wᵀ + bias) + residual</c>, and its gradients: operands in bf16, sums,
/// bias, activation and residual in fp32. A block of eight warps computes 128 × 128 sums, each warp 64 × 32 of them as 4 × 4 tiles of
/// <c>mma.m16n8k16</c>. Tiles of depth 32 pass through four stages of shared memory, filled by asynchronous copies three tiles ahead;
/// see <see cref="ITensorCoreFactor"/> for how they lie there. With GEGLU a tile holds 64 columns of either half.
/// </summary>
internal static class MatMulTensorCoreKernels
{
    public const int Tile = 128, Depth = 32, Stages = 4, Threads = 256;

    /// <summary>Bytes of a tile of one factor, and of a stage.</summary>
    public const int FactorBytes = Tile * Depth * 2, StageBytes = 2 * FactorBytes;

    /// <summary>Floats of a row of results in shared memory.</summary>
    public const int ResultStride = Tile + 8;

    /// <summary>Bytes of shared memory: results replace the tiles at the end.</summary>
    public const int SharedBytes = Tile * ResultStride * 4;

    public static void Register(KernelList list)
    {
        list.Add("linear_bf16", Product<Activated<LinearEpilogue>, FactorByRows>, Threads, SharedBytes, 2);
        list.Add("linear_gelu_bf16", Product<Activated<GeluEpilogue>, FactorByRows>, Threads, SharedBytes, 2);
        list.Add("linear_gelu_kept_bf16", Product<Kept<GeluEpilogue>, FactorByRows>, Threads, SharedBytes, 2);
        list.Add("linear_geglu_bf16", Product<Activated<GegluEpilogue>, FactorByRows>, Threads, SharedBytes, 2);
        list.Add("linear_geglu_kept_bf16", Product<Kept<GegluEpilogue>, FactorByRows>, Threads, SharedBytes, 2);
        list.Add("linear_dropout_bf16", Dropout<FactorByRows>, Threads, SharedBytes, 2);
        list.Add("linear_input_gradient_bf16", Product<Activated<LinearEpilogue>, FactorByColumns>, Threads, SharedBytes, 2);
        list.Add("linear_input_gradient_gelu_bf16", Product<GeluSlope, FactorByColumns>, Threads, SharedBytes, 2);
        list.Add("linear_input_gradient_geglu_bf16", Product<GegluSlope, FactorByColumns>, Threads, SharedBytes, 2);
        list.Add("linear_input_gradient_dropout_bf16", Dropout<FactorByColumns>, Threads, SharedBytes, 2);
        list.Add("linear_weight_gradient_split_bf16", WeightGradient, Threads, SharedBytes, 2);
        list.Add("split_sum_f32", AddParts, Flat.Threads);
    }

    /// <summary>
    /// y = finish(Σₖ left[r, k] · right[c, k] + bias[c], operand). left: [rows, depth]; right: [columns, depth], or [2 · columns, depth] with
    /// two parts, or in the layout <see cref="FactorByColumns"/> [depth, columns], columns being a multiple of eight; bias: a row of the
    /// right factor's columns, or empty; y: [rows, columns]; residual: the operand of the finish (<see cref="IFinish"/>). Depth is a multiple
    /// of eight. Grid: (⌈columns / 128⌉, or / 64 with two parts; ⌈rows / 128⌉).
    /// </summary>
    public static void Product<TFinish, TRight>(
        ArrayView<ushort> left, ArrayView<ushort> right, ArrayView<ushort> bias, ArrayView<ushort> residual, ArrayView<ushort> y, int rows, int columns, int depth)
        where TFinish : struct, IFinish
        where TRight : struct, ITensorCoreFactor =>
        Run<TFinish, TRight>(left, right, new() { Bias = bias, Operand = residual, Y = y, Rows = rows, Columns = columns }, depth);

    /// <summary>
    /// y = dropout(left · rightᵀ + bias) + residual, as <see cref="Product{TFinish, TRight}"/> has it; stream: seed (two words) and step.
    /// Columns are a multiple of eight.
    /// </summary>
    public static void Dropout<TRight>(
        ArrayView<ushort> left, ArrayView<ushort> right, ArrayView<ushort> bias, ArrayView<ushort> residual, ArrayView<ushort> y, ArrayView<uint> stream,
        int rows, int columns, int depth, uint threshold, float scale, uint site)
        where TRight : struct, ITensorCoreFactor =>
        Run<DroppedOut, TRight>(
            left, right,
            new()
            {
                Bias = bias, Operand = residual, Y = y, Rows = rows, Columns = columns, Threshold = threshold, Scale = scale,
                SeedLow = stream[0], SeedHigh = stream[1], Step = stream[2], Site = site,
            },
            depth);

    private static void Run<TFinish, TRight>(ArrayView<ushort> left, ArrayView<ushort> right, ResultOperands to, int depth)
        where TFinish : struct, IFinish
        where TRight : struct, ITensorCoreFactor
    {
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        int firstRow = Grid.IdxY * Tile, firstColumn = Grid.IdxX * (TFinish.Gated ? Tile / 2 : Tile), columns = to.Columns;
        int secondColumn = firstColumn + (TFinish.Gated ? columns : Tile / 2), secondEnd = TFinish.Gated ? 2 * columns : columns;
        Multiply<FactorByRows, TRight>(
            shared, FactorByRows.Open(left, firstRow, firstRow + (Tile / 2), to.Rows, to.Rows, depth),
            TRight.Open(right, firstColumn, secondColumn, columns, secondEnd, depth), 0, depth);
        MatMulResults<SquareTile>.Write<TFinish>(shared.Cast<Float4>(), to, firstRow, firstColumn);
    }

    /// <summary>
    /// sums[s, r, c] = Σₖ left[k, r] · right[k, c] over the s-th share of the depth, in fp32; with one share the products are added to
    /// what sums holds. left: [depth, rows]; right: [depth, columns]; sums: [shares, rows, columns]; share: the positions of a share, a
    /// multiple of 32. Rows and columns are multiples of eight. Grid: (⌈columns / 128⌉, ⌈rows / 128⌉, shares). The shares are summed by
    /// <see cref="AddParts"/>: their order is fixed.
    /// </summary>
    public static void WeightGradient(ArrayView<ushort> left, ArrayView<ushort> right, ArrayView<float> sums, int rows, int columns, int depth, int share)
    {
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        int firstRow = Grid.IdxY * Tile, firstColumn = Grid.IdxX * Tile, begin = Grid.IdxZ * share, end = begin + share < depth ? begin + share : depth;
        Multiply<FactorByColumns, FactorByColumns>(
            shared, FactorByColumns.Open(left, firstRow, 0, rows, 0, end), FactorByColumns.Open(right, firstColumn, 0, columns, 0, end), begin, end);
        MatMulResults<SquareTile>.WriteSums(
            shared.Cast<Float4>(), sums.SubView((long)Grid.IdxZ * rows * columns, (long)rows * columns), firstRow, firstColumn, rows, columns, Grid.DimZ == 1);
    }

    /// <summary>y[i] += Σₛ parts[s, i], in the order of s. parts: [shares, count]; count is a multiple of four. Grid: count / 1024.</summary>
    public static void AddParts(ArrayView<float> parts, ArrayView<float> y, long count, int shares)
    {
        long at = ((long)Grid.IdxX * Flat.Threads) + Group.IdxX, quads = count >> 2;
        if (at >= quads) return;
        ArrayView<Float4> source = parts.Cast<Float4>(), target = y.Cast<Float4>();
        Float4 sum = Float4.Broadcast(0);
        for (int s = 0; s < shares; s++) sum += Ptx.LoadOnce(ref source[(s * quads) + at], true, 0);
        Ptx.Store(ref target[at], true, Ptx.LoadOnce(ref target[at], true, 0) + sum);
    }

    /// <summary>Leaves the sums of a block, over the depths [begin, end), in shared memory: 128 rows of <see cref="ResultStride"/> floats.</summary>
    private static void Multiply<TLeft, TRight>(ArrayView<UInt4> shared, FactorSource left, FactorSource right, int begin, int end)
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor
    {
        uint address = Ptx.SharedAddress(ref shared[0]);
        // Pieces are found by exchanging bits of addresses.
        if ((address & 255) != 0) Ptx.Trap();
        for (int t = 0; t < Stages - 1; t++) Load<TLeft, TRight>(left, right, address + (uint)(t * StageBytes), begin + (t * Depth), end);
        int warpRow = (Warp.Index & 1) * 64, warpColumn = (Warp.Index >> 1) * 32;
        uint leftAt = TLeft.Left(address, warpRow), rightAt = TRight.Right(address + FactorBytes, warpColumn);
        var sums = new WarpTile();
        int tiles = (end - begin + Depth - 1) / Depth;
        for (int t = 0; t < tiles; t++)
        {
            Ptx.WaitForCopiesButTwo();
            Group.Barrier();
            uint stage = (uint)((t & (Stages - 1)) * StageBytes);
            sums.Accumulate<TLeft, TRight>(leftAt + stage, rightAt + stage);
            sums.Accumulate<TLeft, TRight>(TLeft.Deeper(leftAt + stage), TRight.Deeper(rightAt + stage));
            int next = t + Stages - 1;
            Load<TLeft, TRight>(left, right, address + (uint)((next & (Stages - 1)) * StageBytes), begin + (next * Depth), end);
        }

        Ptx.WaitForCopies();
        Group.Barrier();
        sums.Store(shared.Cast<float>(), warpRow + WarpSums.Row, warpColumn + WarpSums.Column);
        Group.Barrier();
    }

    /// <summary>Starts to fill a stage; what lies outside the factors becomes 0.</summary>
    private static void Load<TLeft, TRight>(FactorSource left, FactorSource right, uint stage, int start, int end)
        where TLeft : struct, ITensorCoreFactor
        where TRight : struct, ITensorCoreFactor
    {
        if (start < end)
        {
            TLeft.Load(left, stage, start);
            TRight.Load(right, stage + FactorBytes, start);
        }

        Ptx.CommitCopies();
    }
}
