using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// Attention over packed sequences on tensor cores; see <see cref="Attention"/>. Operands are in bf16, scores, softmax and sums in fp32,
/// probabilities rounded to bf16 before they weight the values. A block of four warps takes 64 queries of a head, a warp 16 of them, and
/// passes over the keys in tiles of 64 with a running softmax, which never leaves registers; the next tile is copied meanwhile. The
/// running maximum is counted in units of log₂, so that an exponential is one <c>fma</c> and one <c>ex2</c>.
/// </summary>
internal static class AttentionTensorCoreKernels
{
    public const float Log2OfE = 1.44269504f, LogOf2 = 0.693147181f;

    public static void Register(KernelList list)
    {
        Add<Alibi>(list, "alibi");
        Add<NoModification>(list, "nomodification");
        Add<Causal>(list, "causal");
        Add<SlidingWindow>(list, "slidingwindow");
        Add<SoftCap>(list, "softcap");
    }

    /// <summary>Adds the kernels for a score modification, under its name.</summary>
    public static void Add<TMod>(KernelList list, string name)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        list.Add($"attention_{name}_32_bf16", Forward<Head32, TMod>, HeadTile.Threads, 5 * HeadTile.Bytes<Head32>(), 4);
        list.Add($"attention_{name}_64_bf16", Forward<Head64, TMod>, HeadTile.Threads, 5 * HeadTile.Bytes<Head64>(), 3);
        list.Add($"attention_{name}_128_bf16", Forward<Head128, TMod>, HeadTile.Threads, 5 * HeadTile.Bytes<Head128>(), 2);
    }

    /// <summary>
    /// qkv: [tokens, 3 · heads · headSize]; cuSeqlens: [sequences + 1]; mods: [heads], after ForHead; logSumExp: [heads, tokens] or empty;
    /// y: [tokens, heads · headSize]. The head size is a multiple of eight, and at most the kernel's. Grid: (⌈longest / 64⌉, heads,
    /// sequences).
    /// </summary>
    public static void Forward<THead, TMod>(
        ArrayView<ushort> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<ushort> y, int headSize, int tokens, float scale)
        where THead : struct, IHeadSize
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int head = Grid.IdxY, start = cuSeqlens[Grid.IdxZ], length = cuSeqlens[Grid.IdxZ + 1] - start, firstQuery = Grid.IdxX * HeadTile.Rows;
        if (firstQuery >= length) return;
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        uint queries = Ptx.SharedAddress(ref shared[0]), bytes = (uint)HeadTile.Bytes<THead>();
        // Pieces are found by exchanging bits of addresses.
        if ((queries & 255) != 0) Ptx.Trap();
        int hidden = Grid.DimY * headSize, endQuery = firstQuery + HeadTile.Rows < length ? firstQuery + HeadTile.Rows : length;
        ArrayView<ushort> source = qkv.SubView(((long)start * 3 * hidden) + ((long)head * headSize), headSize);
        TMod mod = mods[head];
        (int firstKey, int endKey) = TMod.Keys(mod, firstQuery, endQuery, length);
        HeadTile.Load<THead>(source, queries, firstQuery, length, headSize, 3 * hidden);
        KeysValues<THead>(source, queries + bytes, firstKey, endKey, headSize, hidden);

        HeadSums result = default;
        float maximumLow = Attention.LowestMaximum, maximumHigh = Attention.LowestMaximum, sumLow = 0, sumHigh = 0;
        int warpRow = Warp.Index * HeadTile.WarpRows, query = firstQuery + warpRow + WarpSums.Row;
        uint left = HeadTile.Lines<THead>(queries, warpRow), stage = 0;
        for (int key = firstKey; key < endKey; key += HeadTile.Rows)
        {
            Ptx.WaitForCopies();
            Group.Barrier();
            uint keys = queries + bytes + stage;
            stage = (2 * bytes) - stage;
            KeysValues<THead>(source, queries + bytes + stage, key + HeadTile.Rows, endKey, headSize, hidden);
            uint right = HeadTile.Columns<THead>(keys, 0), values = HeadTile.Lines<THead>(keys + bytes, 0);
            Scores s = Scores.Compute<THead, TMod>(left, right, mod, query, key + WarpSums.Column, endKey, scale);
            float higherLow = Ptx.Max(maximumLow, WarpSums.RowMax(Ptx.Max(s.First.MaxLow(), s.Second.MaxLow())) * Log2OfE);
            float higherHigh = Ptx.Max(maximumHigh, WarpSums.RowMax(Ptx.Max(s.First.MaxHigh(), s.Second.MaxHigh())) * Log2OfE);
            float shrinkLow = Ptx.Exp2(maximumLow - higherLow), shrinkHigh = Ptx.Exp2(maximumHigh - higherHigh);
            (maximumLow, maximumHigh) = (higherLow, higherHigh);
            var shift = WarpSums.OfRows(maximumLow, maximumHigh);
            WarpSums first = s.First.Exp2(Log2OfE, shift), second = s.Second.Exp2(Log2OfE, shift);
            sumLow = Ptx.Fma(sumLow, shrinkLow, first.SumLow() + second.SumLow());
            sumHigh = Ptx.Fma(sumHigh, shrinkHigh, first.SumHigh() + second.SumHigh());
            result = result.Scale(shrinkLow, shrinkHigh).Add<THead>(first, values).Add<THead>(second, values + (bytes / 2));
        }

        (sumLow, sumHigh) = (WarpSums.RowSum(sumLow), WarpSums.RowSum(sumHigh));
        Ptx.WaitForCopies();
        Group.Barrier();
        HeadTile.Write<THead>(
            result.Scale(Factor(sumLow), Factor(sumHigh)), shared, 0, y.SubView(((long)start * hidden) + ((long)head * headSize), headSize),
            firstQuery, length, headSize, hidden);
        if (logSumExp.Length == 0 || WarpSums.Column != 0) return;
        ArrayView<float> row = logSumExp.SubView(((long)head * tokens) + start, length);
        if (query < length) row[query] = LogSumExp(maximumLow, sumLow);
        if (query + 8 < length) row[query + 8] = LogSumExp(maximumHigh, sumHigh);
    }

    /// <summary>Starts to copy a tile of keys and, behind it, one of values; nothing where no key is left.</summary>
    public static void KeysValues<THead>(ArrayView<ushort> source, uint tile, int key, int endKey, int headSize, int hidden)
        where THead : struct, IHeadSize
    {
        if (key < endKey)
        {
            HeadTile.Load<THead>(source.SubView(hidden, headSize), tile, key, endKey, headSize, 3 * hidden);
            HeadTile.Load<THead>(source.SubView(2 * hidden, headSize), tile + (uint)HeadTile.Bytes<THead>(), key, endKey, headSize, 3 * hidden);
        }

        Ptx.CommitCopies();
    }

    private static float Factor(float sum) => sum > 0f ? Ptx.Reciprocal(sum) : 0f;

    // A query that sees no key has a log-sum-exp of −∞.
    private static float LogSumExp(float maximum, float sum) => sum > 0f ? Ptx.Fma(maximum, LogOf2, GpuMath.Log(sum)) : float.NegativeInfinity;

    /// <summary>The modified scores of a warp's 16 queries and 64 keys.</summary>
    private struct Scores
    {
        public WarpSums First, Second;

        public static Scores Compute<THead, TMod>(uint left, uint right, TMod mod, int query, int key, int end, float scale)
            where THead : struct, IHeadSize
            where TMod : unmanaged, IScoreModification<TMod>
        {
            WarpSums first = default, second = default;
            for (uint k = 0; k < THead.Value * 2; k += 32)
            {
                const uint Rows16 = HeadTile.WarpRows * 2;
                uint at = right ^ k, step = Rows16 * (uint)THead.Value;
                UInt4 a = Ptx.LoadMatrix(left ^ k);
                first = first.Add(a, Ptx.LoadMatrix(at), Ptx.LoadMatrix(at + step));
                second = second.Add(a, Ptx.LoadMatrix(at + (2 * step)), Ptx.LoadMatrix(at + (3 * step)));
            }

            first = WarpScores.Modified<No, TMod>(first, mod, query, key, scale);
            second = WarpScores.Modified<No, TMod>(second, mod, query, key + 32, scale);
            // The border of the keys, which only the last tile holds.
            if (key - WarpSums.Column + HeadTile.Rows > end)
            {
                first = first.Keep(end - key, float.NegativeInfinity);
                second = second.Keep(end - key - 32, float.NegativeInfinity);
            }

            return new() { First = first, Second = second };
        }
    }
}

/// <summary>A score modification on a warp's scores.</summary>
internal static class WarpScores
{
    /// <summary>The scores scaled and modified; row and column are the positions of the lane's first.</summary>
    /// <typeparam name="TTransposed">Whether the rows are keys and the columns queries.</typeparam>
    /// <typeparam name="TMod">The modification.</typeparam>
    public static WarpSums Modified<TTransposed, TMod>(WarpSums s, TMod mod, float row, float column, float scale)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => new()
        {
            C0 = Modified<TTransposed, TMod>(s.C0 * scale, mod, row, column),
            C1 = Modified<TTransposed, TMod>(s.C1 * scale, mod, row, column + 8),
            C2 = Modified<TTransposed, TMod>(s.C2 * scale, mod, row, column + 16),
            C3 = Modified<TTransposed, TMod>(s.C3 * scale, mod, row, column + 24),
        };

    /// <summary>The gradients of the scores, <c>p · (dp − delta) · mod'</c>; s are the products before scaling.</summary>
    public static WarpSums Gradients<TTransposed, TMod>(WarpSums p, WarpSums dp, WarpSums delta, WarpSums s, TMod mod, float row, float column, float scale)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => new()
        {
            C0 = p.C0 * (dp.C0 - delta.C0) * Derivative<TTransposed, TMod>(s.C0 * scale, mod, row, column),
            C1 = p.C1 * (dp.C1 - delta.C1) * Derivative<TTransposed, TMod>(s.C1 * scale, mod, row, column + 8),
            C2 = p.C2 * (dp.C2 - delta.C2) * Derivative<TTransposed, TMod>(s.C2 * scale, mod, row, column + 16),
            C3 = p.C3 * (dp.C3 - delta.C3) * Derivative<TTransposed, TMod>(s.C3 * scale, mod, row, column + 24),
        };

    private static Float4 Modified<TTransposed, TMod>(Float4 s, TMod mod, float row, float column)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => new(
            Modified<TTransposed, TMod>(s.X, mod, row, column), Modified<TTransposed, TMod>(s.Y, mod, row, column + 1),
            Modified<TTransposed, TMod>(s.Z, mod, row + 8, column), Modified<TTransposed, TMod>(s.W, mod, row + 8, column + 1));

    private static float Modified<TTransposed, TMod>(float s, TMod mod, float row, float column)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => TMod.Score<GpuMath, float>(mod, s, TTransposed.Value ? column : row, TTransposed.Value ? row : column);

    private static Float4 Derivative<TTransposed, TMod>(Float4 s, TMod mod, float row, float column)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => new(
            Derivative<TTransposed, TMod>(s.X, mod, row, column), Derivative<TTransposed, TMod>(s.Y, mod, row, column + 1),
            Derivative<TTransposed, TMod>(s.Z, mod, row + 8, column), Derivative<TTransposed, TMod>(s.W, mod, row + 8, column + 1));

    private static float Derivative<TTransposed, TMod>(float s, TMod mod, float row, float column)
        where TTransposed : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => TMod.Derivative<GpuMath, float>(mod, s, TTransposed.Value ? column : row, TTransposed.Value ? row : column);
}
