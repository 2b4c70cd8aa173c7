using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// Attention over packed sequences on tensor cores; see <see cref="Attention"/>. Operands are in bf16, scores, softmax and sums in
/// fp32, probabilities rounded like operands before they weight the values. A block of four warps takes two tiles of 64 queries of a head,
/// a warp 16 of either, so that what it reads of keys and values serves both; only one where the sequence ends within the first, with heads
/// of more than 64, whose sums would not fit the registers, and with dropout, whose words would not. It passes over the keys in tiles of 64
/// with a running softmax, which never leaves registers; the next tile is copied meanwhile. The running maximum is counted in units of
/// log₂, so that an exponential is one <c>fma</c> and one <c>ex2</c>.
/// </summary>
internal static class AttentionTensorCoreKernels
{
    public const float Log2OfE = 1.44269504f, LogOf2 = 0.693147181f;

    /// <summary>Adds the kernels for a score modification, and those that drop probabilities.</summary>
    public static void Add<TMod>(KernelList list)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        Add<Size32, No, TMod>(list, "attention_{0}_32", Forward<Size32, TMod, No>);
        Add<Size64, No, TMod>(list, "attention_{0}_64", Forward<Size64, TMod, No>);
        Add<Size128, No, TMod>(list, "attention_{0}_128", Forward<Size128, TMod, No>);
        Add<Size32, Yes, TMod>(list, "attention_{0}_dropout_32", Forward<Size32, TMod, Yes>);
        Add<Size64, Yes, TMod>(list, "attention_{0}_dropout_64", Forward<Size64, TMod, Yes>);
        Add<Size128, Yes, TMod>(list, "attention_{0}_dropout_128", Forward<Size128, TMod, Yes>);
    }

    /// <summary>
    /// Operands as for <see cref="AttentionKernels"/>. The head size is a multiple of eight, and at most the kernel's. Grid: (⌈longest /
    /// 128⌉, or / 64 for heads of more than 64 and with dropout; heads; sequences).
    /// </summary>
    public static void Forward<THead, TMod, TDropout>(
        ArrayView<ushort> queries, ArrayView<ushort> keys, ArrayView<ushort> values, ArrayView<int> cuSeqlens, ArrayView<int> keyCuSeqlens,
        ArrayView<TMod> mods, ArrayView<float> sinks, ArrayView<float> logSumExp, ArrayView<ushort> y, int headSize, int tokens,
        int queryStride, int keyStride, int group, float scale,
        ArrayView<uint> randomState, uint threshold, float keptScale, uint site)
        where THead : struct, IHeadSize
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
        => ForwardBlock<THead, TMod, TDropout>(
            HeadRows<ushort>.Of(queries, keys, values, cuSeqlens, keyCuSeqlens, Grid.IdxY, group, headSize, queryStride, keyStride),
            mods, sinks, logSumExp, y, tokens, scale, GpuAttentionDropout.Of<TDropout>(randomState, threshold, keptScale, site));

    private static void ForwardBlock<THead, TMod, TDropout>(
        HeadRows<ushort> rows, ArrayView<TMod> mods, ArrayView<float> sinks, ArrayView<float> logSumExp, ArrayView<ushort> y, int tokens,
        float scale, GpuAttentionDropout dropout)
        where THead : struct, IHeadSize
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        int head = Grid.IdxY, length = rows.QueryCount, firstQuery = Grid.IdxX * QueryTiles<THead, TDropout>() * HeadTile.Rows;
        if (firstQuery >= length) return;
        int hidden = Grid.DimY * rows.Size;
        ArrayView<ushort> target = y.SubView(((long)rows.Start * hidden) + ((long)head * rows.Size), rows.Size);
        ArrayView<float> statistics = logSumExp.Length > 0 ? logSumExp.SubView(((long)head * tokens) + rows.Start, length) : logSumExp;
        RunningSoftmax start = RunningSoftmax.Start(sinks, head);
        dropout = dropout.For(rows.Start, head);
        TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
        if (QueryTiles<THead, TDropout>() > 1 && firstQuery + HeadTile.Rows < length)
            Pass<THead, TMod, Yes, TDropout>(rows, mod, start, statistics, target, firstQuery, hidden, scale, dropout);
        else
            Pass<THead, TMod, No, TDropout>(rows, mod, start, statistics, target, firstQuery, hidden, scale, dropout);
    }

    /// <summary>Passes over the keys for one tile of queries, or two.</summary>
    private static void Pass<THead, TMod, TTwo, TDropout>(
        HeadRows<ushort> rows, TMod mod, RunningSoftmax start, ArrayView<float> logSumExp, ArrayView<ushort> y, int firstQuery, int hidden,
        float scale, GpuAttentionDropout dropout)
        where THead : struct, IHeadSize
        where TMod : unmanaged, IScoreModification<TMod>
        where TTwo : struct, IChoice
        where TDropout : struct, IChoice
    {
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        uint queries = Ptx.SharedAddress(ref shared[0]), bytes = (uint)HeadTile.Bytes<THead>(),
            tiles = queries + ((uint)QueryTiles<THead, TDropout>() * bytes), stage = 0;
        // Pieces are found by exchanging bits of addresses.
        if ((queries & 255) != 0) Ptx.Trap();
        int length = rows.QueryCount, headSize = rows.Size;
        int beyond = firstQuery + (TTwo.Value ? 2 * HeadTile.Rows : HeadTile.Rows), endQuery = beyond < length ? beyond : length;
        KeyTiles<TMod> at = KeyTiles<TMod>.Of(mod, firstQuery, endQuery, rows.KeyCount);
        HeadTile.Load<THead>(rows.Queries, queries, firstQuery, length, headSize, rows.QueryStride);
        if (TTwo.Value) HeadTile.Load<THead>(rows.Queries, queries + bytes, firstQuery + HeadTile.Rows, length, headSize, rows.QueryStride);
        KeysValues<THead>(rows, tiles, at.Key, at.End);

        HeadPair result = default;
        RunningSoftmax upper = start, lower = start;
        int warpRow = Warp.Index * HeadTile.WarpRows, query = firstQuery + warpRow + WarpSums.Row;
        uint left = HeadTile.Lines<THead>(queries, warpRow);
        while (at.Key < at.End)
        {
            int key = at.Key, endKey = at.End;
            Ptx.WaitForCopies();
            Group.Barrier();
            uint keys = tiles + stage;
            stage = (2 * bytes) - stage;
            at = at.Behind(HeadTile.Rows);
            KeysValues<THead>(rows, tiles + stage, at.Key, at.End);
            ScorePair s = ScorePair.Products<THead, TTwo>(left, HeadTile.Columns<THead>(keys, 0));
            uint values = HeadTile.Lines<THead>(keys + bytes, 0);
            Scores p = upper.Weigh(s.Upper.Modified(mod, query, key + WarpSums.Column, endKey, scale)), q = default;
            if (TDropout.Value) p = p.Drop(dropout, query, key + WarpSums.Column);
            result.Upper = result.Upper.Scale(upper.ShrinkLow, upper.ShrinkHigh);
            if (TTwo.Value)
            {
                q = lower.Weigh(s.Lower.Modified(mod, query + HeadTile.Rows, key + WarpSums.Column, endKey, scale));
                if (TDropout.Value) q = q.Drop(dropout, query + HeadTile.Rows, key + WarpSums.Column);
                result.Lower = result.Lower.Scale(lower.ShrinkLow, lower.ShrinkHigh);
            }

            result = result.Add<THead, TTwo>(p.First.Left0(), q.First.Left0(), values);
            result = result.Add<THead, TTwo>(p.First.Left1(), q.First.Left1(), values + (bytes / 4));
            result = result.Add<THead, TTwo>(p.Second.Left0(), q.Second.Left0(), values + (bytes / 2));
            result = result.Add<THead, TTwo>(p.Second.Left1(), q.Second.Left1(), values + (bytes / 4 * 3));
        }

        Ptx.WaitForCopies();
        Group.Barrier();
        Finish<THead>(result.Upper, upper, shared, 0, logSumExp, y, firstQuery, length, headSize, hidden);
        if (TTwo.Value)
            Finish<THead>(result.Lower, lower, shared, (int)bytes, logSumExp, y, firstQuery + HeadTile.Rows, length, headSize, hidden);
    }

    /// <summary>Divides by the sums and writes a tile, and its log-sum-exp.</summary>
    private static void Finish<THead>(
        HeadSums result, RunningSoftmax softmax, ArrayView<UInt4> shared, int tile, ArrayView<float> logSumExp, ArrayView<ushort> y,
        int firstQuery, int length,
        int headSize, int hidden)
        where THead : struct, IHeadSize
    {
        float sumLow = WarpSums.RowSum(softmax.SumLow), sumHigh = WarpSums.RowSum(softmax.SumHigh);
        HeadTile.Write<THead>(result.Scale(Factor(sumLow), Factor(sumHigh)), shared, tile, y, firstQuery, length, headSize, hidden);
        if (logSumExp.Length == 0 || WarpSums.Column != 0) return;
        int query = firstQuery + (Warp.Index * HeadTile.WarpRows) + WarpSums.Row;
        if (query < length) logSumExp[query] = LogSumExp(softmax.MaximumLow, sumLow);
        if (query + 8 < length) logSumExp[query + 8] = LogSumExp(softmax.MaximumHigh, sumHigh);
    }

    /// <summary>The tiles of queries that a block takes.</summary>
    public static int QueryTiles<THead, TDropout>()
        where THead : struct, IHeadSize
        where TDropout : struct, IChoice
        => THead.Value > 64 || TDropout.Value ? 1 : 2;

    /// <summary>Starts to copy a tile of keys and, behind it, one of values; nothing where no key is left.</summary>
    public static void KeysValues<THead>(HeadRows<ushort> rows, uint tile, int key, int endKey)
        where THead : struct, IHeadSize
    {
        if (key < endKey)
        {
            HeadTile.Load<THead>(rows.Keys, tile, key, endKey, rows.Size, rows.KeyStride);
            HeadTile.Load<THead>(rows.Values, tile + (uint)HeadTile.Bytes<THead>(), key, endKey, rows.Size, rows.KeyStride);
        }

        Ptx.CommitCopies();
    }

    private static float Factor(float sum) => sum > 0f ? Ptx.Reciprocal(sum) : 0f;

    // A query that sees no key has a log-sum-exp of −∞.
    private static float LogSumExp(float maximum, float sum) =>
        sum > 0f ? Ptx.Fma(maximum, LogOf2, GpuMath.Log(sum)) : float.NegativeInfinity;

    private static void Add<THead, TDropout, TMod>(KernelList list, string family, Delegate kernel)
        where THead : struct, IHeadSize
        where TDropout : struct, IChoice
        where TMod : unmanaged, IScoreModification<TMod>
        => list.AddFamily<TMod>(
            family, HeadTile.Threads, bf16: kernel, dynamicShared: (QueryTiles<THead, TDropout>() + 4) * HeadTile.Bytes<THead>(),
            blocksPerMultiprocessor: 2);

    /// <summary>The scores, or the probabilities, of a warp's 16 queries and 64 keys.</summary>
    private struct Scores
    {
        public WarpSums First, Second;

        /// <summary>The scores modified; those of keys from <paramref name="end"/> on become −∞.</summary>
        public readonly Scores Modified<TMod>(TMod mod, int query, int key, int end, float scale)
            where TMod : unmanaged, IScoreModification<TMod>
        {
            WarpSums first = WarpScores.Modified<No, TMod>(First, mod, query, key, scale),
                second = WarpScores.Modified<No, TMod>(Second, mod, query, key + 32, scale);
            // The border of the keys, which only the last tile holds.
            if (key - WarpSums.Column + HeadTile.Rows > end)
            {
                first = first.Keep(end - key, float.NegativeInfinity);
                second = second.Keep(end - key - 32, float.NegativeInfinity);
            }

            return new() { First = first, Second = second };
        }

        /// <summary>The probabilities that are kept.</summary>
        public readonly Scores Drop(GpuAttentionDropout dropout, int query, int key) =>
            new() { First = dropout.Apply<No>(First, query, key), Second = dropout.Apply<No>(Second, query, key + 32) };
    }

    /// <summary>The scores of both tiles of queries.</summary>
    private struct ScorePair
    {
        public Scores Upper, Lower;

        public static ScorePair Products<THead, TTwo>(uint left, uint right)
            where THead : struct, IHeadSize
            where TTwo : struct, IChoice
        {
            ScorePair r = default;
            for (uint k = 0; k < THead.Value * 2; k += 32)
            {
                uint at = right ^ k, step = (uint)(HeadTile.WarpRows * THead.Value * 2);
                UInt4 b0 = Ptx.LoadMatrix(at), b1 = Ptx.LoadMatrix(at + step), b2 = Ptx.LoadMatrix(at + (2 * step)),
                    b3 = Ptx.LoadMatrix(at + (3 * step));
                UInt4 a = Ptx.LoadMatrix(left ^ k);
                r.Upper.First = r.Upper.First.Add(a, b0, b1);
                r.Upper.Second = r.Upper.Second.Add(a, b2, b3);
                if (TTwo.Value)
                {
                    a = Ptx.LoadMatrix((left ^ k) + (uint)HeadTile.Bytes<THead>());
                    r.Lower.First = r.Lower.First.Add(a, b0, b1);
                    r.Lower.Second = r.Lower.Second.Add(a, b2, b3);
                }
            }

            return r;
        }
    }

    /// <summary>The results of both tiles.</summary>
    private struct HeadPair
    {
        public HeadSums Upper, Lower;

        /// <summary>The sums with 16 rows of values added, weighted for either tile.</summary>
        public readonly HeadPair Add<THead, TTwo>(UInt4 upper, UInt4 lower, uint rows)
            where THead : struct, IHeadSize
            where TTwo : struct, IChoice
        {
            HeadPair r = this;
            (r.Upper.S0, r.Lower.S0) = Add<THead, TTwo>(Upper.S0, Lower.S0, upper, lower, rows);
            if (THead.Value > 32) (r.Upper.S1, r.Lower.S1) = Add<THead, TTwo>(Upper.S1, Lower.S1, upper, lower, rows ^ 64);
            if (THead.Value > 64)
            {
                (r.Upper.S2, r.Lower.S2) = Add<THead, TTwo>(Upper.S2, Lower.S2, upper, lower, rows ^ 128);
                (r.Upper.S3, r.Lower.S3) = Add<THead, TTwo>(Upper.S3, Lower.S3, upper, lower, rows ^ 192);
            }

            return r;
        }

        private static (WarpSums Upper, WarpSums Lower) Add<THead, TTwo>(
            WarpSums sums, WarpSums lowerSums, UInt4 upper, UInt4 lower, uint rows)
            where THead : struct, IHeadSize
            where TTwo : struct, IChoice
        {
            UInt4 b0 = Ptx.LoadMatrixTransposed(rows), b1 = Ptx.LoadMatrixTransposed(rows ^ 32);
            return (sums.Add(upper, b0, b1), TTwo.Value ? lowerSums.Add(lower, b0, b1) : lowerSums);
        }
    }

    /// <summary>What the softmax of 16 queries has seen: the largest score, in units of log₂, and this lane's sums.</summary>
    private struct RunningSoftmax
    {
        public float MaximumLow, MaximumHigh, SumLow, SumHigh, ShrinkLow, ShrinkHigh;

        /// <summary>
        /// Before the first key. A sink is as good as one that was seen, with a value of 0; the first lane of a row counts it.
        /// </summary>
        public static RunningSoftmax Start(ArrayView<float> sinks, int head)
        {
            bool sunk = sinks.Length > 0;
            float maximum = sunk ? sinks[head] * Log2OfE : Attention.LowestMaximum, sum = sunk & (WarpSums.Column == 0) ? 1f : 0f;
            return new() { MaximumLow = maximum, MaximumHigh = maximum, SumLow = sum, SumHigh = sum };
        }

        /// <summary>The weights of 64 keys more; what was summed up before is to be multiplied by the shrinking factors.</summary>
        public Scores Weigh(Scores s)
        {
            float low = Ptx.Max(MaximumLow, WarpSums.RowMax(Ptx.Max(s.First.MaxLow(), s.Second.MaxLow())) * Log2OfE);
            float high = Ptx.Max(MaximumHigh, WarpSums.RowMax(Ptx.Max(s.First.MaxHigh(), s.Second.MaxHigh())) * Log2OfE);
            (ShrinkLow, ShrinkHigh) = (Ptx.Exp2(MaximumLow - low), Ptx.Exp2(MaximumHigh - high));
            (MaximumLow, MaximumHigh) = (low, high);
            var shift = WarpSums.OfRows(low, high);
            Scores p = new() { First = s.First.Exp2(Log2OfE, shift), Second = s.Second.Exp2(Log2OfE, shift) };
            SumLow = Ptx.Fma(SumLow, ShrinkLow, p.First.SumLow() + p.Second.SumLow());
            SumHigh = Ptx.Fma(SumHigh, ShrinkHigh, p.First.SumHigh() + p.Second.SumHigh());
            return p;
        }
    }
}
