using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The gradient of attention on tensor cores, with the formulas of <see cref="AttentionGradientKernels"/> and, like it, without atomic
/// sums: blocks that own 64 keys compute the scores transposed, blocks that own 64 queries compute them as they are, so that in either the
/// probabilities and the gradients of the scores leave registers only as operands of the next product. Scores are taken 32 columns at a
/// time. Operands are in bf16, arithmetic and sums in fp32; probabilities and gradients of scores are rounded like operands as factors.
/// </summary>
internal static class AttentionTensorCoreGradientKernels
{
    // In place of the log-sum-exp of a query that sees no key, so that its probabilities are 0.
    private const float NoKey = 1e30f;

    // For each of two stages, log-sum-exp and delta of 64 queries.
    private const int StatisticsBytes = 2 * HeadTile.Rows * sizeof(float);

    /// <summary>Adds the kernels for a score modification, and those that drop probabilities.</summary>
    public static void Add<TMod>(KernelList list)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        Add<Size32, TMod>(list, "{0}_32", KeysValues<Size32, TMod, No>, Queries<Size32, TMod, No>);
        Add<Size64, TMod>(list, "{0}_64", KeysValues<Size64, TMod, No>, Queries<Size64, TMod, No>);
        Add<Size128, TMod>(list, "{0}_128", KeysValues<Size128, TMod, No>, Queries<Size128, TMod, No>);
        Add<Size32, TMod>(list, "{0}_dropout_32", KeysValues<Size32, TMod, Yes>, Queries<Size32, TMod, Yes>);
        Add<Size64, TMod>(list, "{0}_dropout_64", KeysValues<Size64, TMod, Yes>, Queries<Size64, TMod, Yes>);
        Add<Size128, TMod>(list, "{0}_dropout_128", KeysValues<Size128, TMod, Yes>, Queries<Size128, TMod, Yes>);
    }

    /// <summary>
    /// The gradients of keys and values, summed over the heads of queries that share them; operands as for
    /// <see cref="AttentionGradientKernels"/>. The head size is a multiple of eight, and at most the kernel's. Grid: (⌈longest / 64⌉ of
    /// keys, heads of keys, sequences).
    /// </summary>
    public static void KeysValues<THead, TMod, TDropout>(
        ArrayView<ushort> queries, ArrayView<ushort> keys, ArrayView<ushort> values, ArrayView<int> cuSeqlens, ArrayView<int> keyCuSeqlens,
        ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<ushort> dy, ArrayView<ushort> dKeys,
        ArrayView<ushort> dValues, int headSize, int tokens, int queryStride, int keyStride, int group, float scale,
        ArrayView<uint> randomState, uint threshold, float keptScale, uint site)
        where THead : struct, IHeadSize
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        GpuAttentionDropout dropout = GpuAttentionDropout.Of<TDropout>(randomState, threshold, keptScale, site);
        int head = Grid.IdxY * group, firstKey = Grid.IdxX * HeadTile.Rows;
        HeadRows<ushort> rows = HeadRows<ushort>.Of(queries, keys, values, cuSeqlens, keyCuSeqlens, head, group, headSize, queryStride,
        keyStride);
        if (firstKey >= rows.KeyCount) return;
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        uint keyTile = Ptx.SharedAddress(ref shared[0]), bytes = (uint)HeadTile.Bytes<THead>();
        if ((keyTile & 255) != 0) Ptx.Trap();
        int hidden = Grid.DimY * group * headSize, length = rows.QueryCount;
        TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
        QueryTiles<THead> tiles = QueryTiles<THead>.Open(rows, queries, dy, logSumExp, delta, head, tokens, hidden);
        AttentionTensorCoreKernels.KeysValues<THead>(rows, keyTile, firstKey, rows.KeyCount);
        int query = Next(mod, 0, firstKey, rows), stage = 0, endHead = head + group;
        dropout = dropout.For(rows.Start, head);
        tiles.Load(keyTile + (2 * bytes), keyTile + (6 * bytes), query);

        HeadSums keySums = default, valueSums = default;
        int warpRow = Warp.Index * HeadTile.WarpRows, key = firstKey + warpRow + WarpSums.Row;
        Ptx.WaitForCopies();
        Group.Barrier();
        uint lines = HeadTile.Lines<THead>(keyTile, warpRow);
        HeadFactor leftKeys = HeadFactor.Read<THead>(lines), leftValues = HeadFactor.Read<THead>(lines + bytes);
        while (head < endHead)
        {
            while (query < length)
            {
                Ptx.WaitForCopies();
                Group.Barrier();
                uint tile = keyTile + (uint)(2 + (2 * stage)) * bytes;
                int floats = ((6 * (int)bytes) + (stage * StatisticsBytes)) >> 2;
                int next = Next(mod, query + HeadTile.Rows, firstKey, rows);
                stage ^= 1;
                tiles.Load(keyTile + (uint)(2 + (2 * stage)) * bytes, keyTile + (6 * bytes) + (uint)(stage * StatisticsBytes), next);
                for (int half = 0; half < HeadTile.Rows; half += 32)
                {
                    ArrayView<Float2> pairs = shared.Cast<Float2>().SubView((floats + half + WarpSums.Column) >> 1, 64);
                    uint at = tile + (uint)(half * HeadTile.Bytes<THead>() / HeadTile.Rows), right = HeadTile.Columns<THead>(at, 0);
                    lines = HeadTile.Lines<THead>(at, 0);
                    WarpSums s = leftKeys.Products<THead>(right), dp = leftValues.Products<THead>(right + bytes);
                    int first = query + half + WarpSums.Column;
                    WarpSums p = WarpScores.Modified<Yes, TMod>(s, mod, key, first, scale);
                    p = p.Exp2(AttentionTensorCoreKernels.Log2OfE, Shifts(pairs));
                    // Behind the last query stand zeros; a modification may give them so large a score that the product with 0 would be
                    // NaN.
                    if (query + HeadTile.Rows > length) p = p.Keep(length - first, 0);
                    valueSums = valueSums.Add<THead>(TDropout.Value ? dropout.Apply<Yes>(p, key, first) : p, lines + bytes);
                    if (TDropout.Value) dp = dropout.Apply<Yes>(dp, key, first);
                    WarpSums ds = WarpScores.Gradients<Yes, TMod>(
                        p, dp, OfColumns(pairs.SubView(HeadTile.Rows / 2, 32)), s, mod, key, first, scale);
                    keySums = keySums.Add<THead>(ds, lines);
                }

                query = next;
            }

            Ptx.WaitForCopies();
            Group.Barrier();
            head++;
            if (head < endHead)
            {
                mod = TMod.ForSequence(mods[head], Grid.IdxZ);
                tiles = QueryTiles<THead>.Open(rows, queries, dy, logSumExp, delta, head, tokens, hidden);
                dropout = dropout.For(rows.Start, head);
                query = Next(mod, 0, firstKey, rows);
                stage = 0;
                tiles.Load(keyTile + (2 * bytes), keyTile + (6 * bytes), query);
            }
        }

        HeadTile.Write<THead>(keySums.Scale(scale, scale), shared, 0, rows.OfKey(dKeys, Grid.IdxY), firstKey, rows.KeyCount, headSize,
            keyStride);
        HeadTile.Write<THead>(valueSums, shared, (int)bytes, rows.OfKey(dValues, Grid.IdxY), firstKey, rows.KeyCount, headSize, keyStride);
    }

    /// <summary>The gradients of queries; operands as for <see cref="KeysValues{THead, TMod, TDropout}"/>.</summary>
    public static void Queries<THead, TMod, TDropout>(
        ArrayView<ushort> queries, ArrayView<ushort> keys, ArrayView<ushort> values, ArrayView<int> cuSeqlens, ArrayView<int> keyCuSeqlens,
        ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<ushort> dy, ArrayView<ushort> dQueries,
        int headSize, int tokens, int queryStride, int keyStride, int group, float scale,
        ArrayView<uint> randomState, uint threshold, float keptScale, uint site)
        where THead : struct, IHeadSize
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
        => QueriesBlock<THead, TMod, TDropout>(
            HeadRows<ushort>.Of(queries, keys, values, cuSeqlens, keyCuSeqlens, Grid.IdxY, group, headSize, queryStride, keyStride),
            mods, logSumExp, delta, dy, dQueries, tokens, scale, GpuAttentionDropout.Of<TDropout>(randomState, threshold, keptScale, site));

    private static void QueriesBlock<THead, TMod, TDropout>(
        HeadRows<ushort> rows, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<ushort> dy,
        ArrayView<ushort> dQueries, int tokens, float scale, GpuAttentionDropout dropout)
        where THead : struct, IHeadSize
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        int head = Grid.IdxY, start = rows.Start, length = rows.QueryCount, firstQuery = Grid.IdxX * HeadTile.Rows, headSize = rows.Size;
        if (firstQuery >= length) return;
        ArrayView<UInt4> shared = SharedMemory.GetDynamic<UInt4>();
        uint queries = Ptx.SharedAddress(ref shared[0]), bytes = (uint)HeadTile.Bytes<THead>();
        if ((queries & 255) != 0) Ptx.Trap();
        int hidden = Grid.DimY * headSize, endQuery = firstQuery + HeadTile.Rows < length ? firstQuery + HeadTile.Rows : length;
        long statistics = ((long)head * tokens) + start;
        TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
        KeyTiles<TMod> at = KeyTiles<TMod>.Of(mod, firstQuery, endQuery, rows.KeyCount);
        dropout = dropout.For(start, head);
        HeadTile.Load<THead>(rows.Queries, queries, firstQuery, length, headSize, rows.QueryStride);
        HeadTile.Load<THead>(
            dy.SubView(((long)start * hidden) + ((long)head * headSize), headSize), queries + bytes, firstQuery, length, headSize, hidden);
        AttentionTensorCoreKernels.KeysValues<THead>(rows, queries + (2 * bytes), at.Key, at.End);

        HeadSums sums = default;
        int warpRow = Warp.Index * HeadTile.WarpRows, query = firstQuery + warpRow + WarpSums.Row;
        ArrayView<float> rowShift = logSumExp.SubView(statistics, length), rowDelta = delta.SubView(statistics, length);
        var shift = WarpSums.OfRows(Shift(Ptx.LoadConstant(ref rowShift[query], query < length)),
            Shift(Ptx.LoadConstant(ref rowShift[query + 8], query + 8 < length)));
        var d = WarpSums.OfRows(
            Ptx.LoadConstant(ref rowDelta[query], query < length), Ptx.LoadConstant(ref rowDelta[query + 8], query + 8 < length));
        Ptx.WaitForCopies();
        Group.Barrier();
        uint lines = HeadTile.Lines<THead>(queries, warpRow), stage = 0;
        HeadFactor leftQueries = HeadFactor.Read<THead>(lines), leftGradients = HeadFactor.Read<THead>(lines + bytes);
        while (at.Key < at.End)
        {
            int key = at.Key, endKey = at.End;
            Ptx.WaitForCopies();
            Group.Barrier();
            uint tile = queries + (2 * bytes) + stage;
            stage = (2 * bytes) - stage;
            at = at.Behind(HeadTile.Rows);
            AttentionTensorCoreKernels.KeysValues<THead>(rows, queries + (2 * bytes) + stage, at.Key, at.End);
            for (int half = 0; half < HeadTile.Rows; half += 32)
            {
                uint line = tile + (uint)(half * HeadTile.Bytes<THead>() / HeadTile.Rows), right = HeadTile.Columns<THead>(line, 0);
                WarpSums s = leftQueries.Products<THead>(right), dp = leftGradients.Products<THead>(right + bytes);
                int first = key + half + WarpSums.Column;
                WarpSums p = WarpScores.Modified<No, TMod>(s, mod, query, first, scale);
                p = p.Exp2(AttentionTensorCoreKernels.Log2OfE, shift);
                if (key + HeadTile.Rows > endKey) p = p.Keep(endKey - first, 0);
                if (TDropout.Value) dp = dropout.Apply<No>(dp, query, first);
                WarpSums ds = WarpScores.Gradients<No, TMod>(p, dp, d, s, mod, query, first, scale);
                sums = sums.Add<THead>(ds, HeadTile.Lines<THead>(line, 0));
            }
        }

        Ptx.WaitForCopies();
        Group.Barrier();
        HeadTile.Write<THead>(
            sums.Scale(scale, scale), shared, 0, rows.OfQuery(dQueries, head), firstQuery, length, headSize, rows.QueryStride);
    }

    private static void Add<THead, TMod>(KernelList list, string name, Delegate keysValues, Delegate queries)
        where THead : struct, IHeadSize
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int shared = 6 * HeadTile.Bytes<THead>();
        list.AddFamily<TMod>(
            "attention_keys_values_gradient_" + name, HeadTile.Threads, bf16: keysValues, dynamicShared: shared + (2 * StatisticsBytes),
            blocksPerMultiprocessor: 2);
        list.AddFamily<TMod>(
            "attention_queries_gradient_" + name, HeadTile.Threads, bf16: queries, dynamicShared: shared, blocksPerMultiprocessor: 2);
    }

    /// <summary>The first tile of queries from <paramref name="query"/> on of which one may see one of the 64 keys; else the end.</summary>
    private static int Next<TMod>(TMod mod, int query, int firstKey, HeadRows<ushort> rows)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int length = rows.QueryCount;
        while (query < length)
        {
            int endQuery = query + HeadTile.Rows < length ? query + HeadTile.Rows : length;
            if (KeyTiles<TMod>.Any(mod, firstKey, HeadTile.Rows, query, endQuery, rows.KeyCount)) return query;
            query += HeadTile.Rows;
        }

        return query;
    }

    private static float Shift(float logSumExp) => logSumExp > float.MinValue ? logSumExp * AttentionTensorCoreKernels.Log2OfE : NoKey;

    private static WarpSums Shifts(ArrayView<Float2> logSumExp)
    {
        WarpSums s = OfColumns(logSumExp);
        return new() { C0 = Shifts(s.C0), C1 = Shifts(s.C1), C2 = Shifts(s.C2), C3 = Shifts(s.C3) };
    }

    private static Float4 Shifts(Float4 columns)
    {
        float x = Shift(columns.X), y = Shift(columns.Y);
        return new(x, y, x, y);
    }

    /// <summary>A number for each column, from this lane's first on.</summary>
    private static WarpSums OfColumns(ArrayView<Float2> numbers) =>
        new() { C0 = OfColumns(numbers[0]), C1 = OfColumns(numbers[4]), C2 = OfColumns(numbers[8]), C3 = OfColumns(numbers[12]) };

    private static Float4 OfColumns(Float2 pair) => new(pair.X, pair.Y, pair.X, pair.Y);

    /// <summary>The tiles of queries and of gradients of results, and this thread's half of log-sum-exp and delta.</summary>
    private struct QueryTiles<THead>
        where THead : struct, IHeadSize
    {
        public ArrayView<ushort> Queries, Gradients;
        public ArrayView<float> Statistics;
        public int Length, HeadSize, QueryStride, Hidden;

        public static QueryTiles<THead> Open(
            HeadRows<ushort> rows, ArrayView<ushort> queries, ArrayView<ushort> dy, ArrayView<float> logSumExp, ArrayView<float> delta,
            int head, int tokens, int hidden)
        {
            long statistics = ((long)head * tokens) + rows.Start;
            return new()
            {
                Queries = rows.OfQuery(queries, head),
                Gradients = dy.SubView(((long)rows.Start * hidden) + ((long)head * rows.Size), rows.Size),
                Statistics = (Group.IdxX < HeadTile.Rows ? logSumExp : delta).SubView(statistics, rows.QueryCount),
                Length = rows.QueryCount,
                HeadSize = rows.Size,
                QueryStride = rows.QueryStride,
                Hidden = hidden,
            };
        }

        /// <summary>Starts to copy a tile of either, and 64 numbers of both; nothing where no query is left.</summary>
        public readonly void Load(uint tile, uint statistics, int query)
        {
            if (query < Length)
            {
                HeadTile.Load<THead>(Queries, tile, query, Length, HeadSize, QueryStride);
                HeadTile.Load<THead>(Gradients, tile + (uint)HeadTile.Bytes<THead>(), query, Length, HeadSize, Hidden);
                int row = query + (Group.IdxX & (HeadTile.Rows - 1));
                Ptx.CopyAsyncWordPart(
                    statistics + (uint)(Group.IdxX * sizeof(float)), ref Statistics[row < Length ? row : 0], row < Length ? 4u : 0u);
            }

            Ptx.CommitCopies();
        }
    }
}
