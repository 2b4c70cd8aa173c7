using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The gradient of attention on the GPU in fp32 arithmetic, without atomic sums: scores are computed again from the saved log-sum-exp,
/// once by blocks that own 64 keys (gradients of keys and values) and once by blocks that own 64 queries. With P the probabilities,
/// <c>dV = Pᵀ dY</c>, <c>dS = P ∘ (dY Vᵀ − δ) ∘ mod'</c>, <c>dQ = scale · dS K</c>, <c>dK = scale · dSᵀ Q</c>, and
/// <c>δ = Σ dY ∘ Y</c> for each query (Dao et al., arXiv 2205.14135).
/// </summary>
internal static class AttentionGradientKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("attention_delta", Flat.Threads, f32: Delta<F32, float>, anyF32: Delta<F32Any, float>, bf16: Delta<BF16, ushort>);
        list.Add("attention_sinks_gradient", Sinks, Flat.Threads);
    }

    /// <summary>delta[h, t] = Σ dy ∘ y over the columns of head h. y, dy: [tokens, heads · headSize]. Grid: (tokens / 8, heads).</summary>
    public static void Delta<TE, T>(ArrayView<T> y, ArrayView<T> dy, ArrayView<float> delta, int tokens, int headSize)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int token = (Grid.IdxX * (Flat.Threads / Warp.Size)) + Warp.Index, column = Warp.Lane * 4;
        if (token >= tokens) return;
        long offset = ((long)token * Grid.DimY * headSize) + ((long)Grid.IdxY * headSize);
        bool inside = column < headSize;
        float sum = Warp.Sum(
            Float4.Dot(
                TE.LoadQuad(y.SubView(offset, headSize), column, inside), TE.LoadQuad(dy.SubView(offset, headSize), column, inside)));
        if (Warp.Lane == 0) delta[((long)Grid.IdxY * tokens) + token] = sum;
    }

    /// <summary>dsinks[h] −= Σ exp(sinks[h] − logSumExp[h, t]) · delta[h, t] over the tokens, in one order. Grid: heads.</summary>
    public static void Sinks(ArrayView<float> sinks, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<float> dsinks,
        int tokens)
    {
        int head = Grid.IdxX;
        long row = (long)head * tokens;
        float sink = sinks[head], sum = 0;
        for (int token = Group.IdxX; token < tokens; token += Flat.Threads)
            sum += GpuMath.Exp(sink - logSumExp[row + token]) * delta[row + token];
        ArrayView<float> warps = SharedMemory.Allocate1D<float>(Flat.Threads / Warp.Size);
        sum = Warp.Sum(sum);
        if (Warp.Lane == 0) warps[Warp.Index] = sum;
        Group.Barrier();
        if (Group.IdxX > 0) return;
        for (int warp = 1; warp < Flat.Threads / Warp.Size; warp++) sum += warps[warp];
        dsinks[head] -= sum;
    }

    /// <summary>
    /// The gradients of keys and values, summed over the heads of queries that share them. Operands as for <see cref="AttentionKernels"/>;
    /// delta: [heads, tokens]; dy: [tokens, heads · headSize]; dKeys, dValues: as keys and values. Grid: (⌈longest / 64⌉ of keys, heads of
    /// keys, sequences); shared memory for four tiles.
    /// </summary>
    public static void KeysValues<TE, T, TMod, TDropout>(
        ArrayView<T> queries, ArrayView<T> keys, ArrayView<T> values, ArrayView<int> cuSeqlens, ArrayView<int> keyCuSeqlens,
        ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy, ArrayView<T> dKeys, ArrayView<T> dValues,
        int headSize, int tokens, int queryStride, int keyStride, int group, float scale,
        ArrayView<uint> randomState, uint threshold, float keptScale, uint site)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        GpuAttentionDropout dropout = GpuAttentionDropout.Of<TDropout>(randomState, threshold, keptScale, site);
        int head = Grid.IdxY * group, firstKey = Grid.IdxX * AttentionTile.Rows, quads = (headSize + 3) >> 2;
        HeadRows<T> rows = HeadRows<T>.Of(queries, keys, values, cuSeqlens, keyCuSeqlens, head, group, headSize, queryStride, keyStride);
        if (firstKey >= rows.KeyCount) return;
        int hidden = Grid.DimY * group * headSize, start = rows.Start, length = rows.QueryCount, tile = AttentionTile.Rows * (quads + 1);
        ArrayView<Float4> keyTile = SharedMemory.GetDynamic<Float4>();
        ArrayView<Float4> valueTile = keyTile.SubView(tile, tile), queryTile = keyTile.SubView(2 * tile, tile),
        gradients = keyTile.SubView(3 * tile, tile);
        ArrayView<Float4> scores = keyTile.SubView(4 * tile, AttentionTile.Rows * AttentionTile.ScoreStride / 4);
        AttentionTile.Fill<TE, T>(keyTile, rows.Keys, firstKey, rows.KeyCount, headSize, keyStride);
        AttentionTile.Fill<TE, T>(valueTile, rows.Values, firstKey, rows.KeyCount, headSize, keyStride);

        var keySums = default(ResultTile);
        var valueSums = default(ResultTile);
        for (int last = head + group; head < last; head++)
        {
            TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
            ArrayView<T> ofQueries = rows.OfQuery(queries, head),
            dySource = dy.SubView(((long)start * hidden) + ((long)head * headSize), headSize);
            long statistics = ((long)head * tokens) + start;
            ArrayView<float> rowLogSumExp = logSumExp.SubView(statistics, length), rowDelta = delta.SubView(statistics, length);
            for (int query = 0; query < length; query += AttentionTile.Rows)
            {
                int endQuery = query + AttentionTile.Rows < length ? query + AttentionTile.Rows : length;
                if (KeyTiles<TMod>.Any(mod, firstKey, AttentionTile.Rows, query, endQuery, rows.KeyCount))
                {
                    Group.Barrier();
                    AttentionTile.Fill<TE, T>(queryTile, ofQueries, query, length, headSize, queryStride);
                    AttentionTile.Fill<TE, T>(gradients, dySource, query, length, headSize, hidden);
                    Group.Barrier();
                    AttentionGradientTile<TMod> g = AttentionGradientTile<TMod>.Compute<TDropout>(
                        queryTile, keyTile, gradients, valueTile, quads, mod, rowLogSumExp, rowDelta, query, firstKey, rows.KeyCount, scale,
                        dropout.For(start, head));
                    g.Probabilities.Store(scores.Cast<float>());
                    Group.Barrier();
                    valueSums.AddTransposed(scores, gradients, quads);
                    Group.Barrier();
                    g.Scores.Store(scores.Cast<float>());
                    Group.Barrier();
                    keySums.AddTransposed(scores, queryTile, quads);
                }
            }
        }

        keySums.Write<TE, T>(rows.OfKey(dKeys, Grid.IdxY), firstKey, rows.KeyCount, keyStride, headSize);
        valueSums.Write<TE, T>(rows.OfKey(dValues, Grid.IdxY), firstKey, rows.KeyCount, keyStride, headSize);
    }

    /// <summary>The gradients of queries; operands as for <see cref="KeysValues{TE, T, TMod, TDropout}"/>.</summary>
    public static void Queries<TE, T, TMod, TDropout>(
        ArrayView<T> queries, ArrayView<T> keys, ArrayView<T> values, ArrayView<int> cuSeqlens, ArrayView<int> keyCuSeqlens,
        ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy, ArrayView<T> dQueries, int headSize,
        int tokens, int queryStride, int keyStride, int group, float scale,
        ArrayView<uint> randomState, uint threshold, float keptScale, uint site)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
        => QueriesBlock<TE, T, TMod, TDropout>(
            HeadRows<T>.Of(queries, keys, values, cuSeqlens, keyCuSeqlens, Grid.IdxY, group, headSize, queryStride, keyStride),
            mods, logSumExp, delta, dy, dQueries, tokens, scale, GpuAttentionDropout.Of<TDropout>(randomState, threshold, keptScale, site));

    private static void QueriesBlock<TE, T, TMod, TDropout>(
        HeadRows<T> rows, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy, ArrayView<T> dQueries,
        int tokens, float scale, GpuAttentionDropout dropout)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        int head = Grid.IdxY, start = rows.Start, length = rows.QueryCount, query = Grid.IdxX * AttentionTile.Rows, headSize = rows.Size;
        if (query >= length) return;
        int hidden = Grid.DimY * headSize, quads = (headSize + 3) >> 2, tile = AttentionTile.Rows * (quads + 1);
        ArrayView<Float4> keys = SharedMemory.GetDynamic<Float4>();
        ArrayView<Float4> values = keys.SubView(tile, tile), queries = keys.SubView(2 * tile, tile),
            gradients = keys.SubView(3 * tile, tile);
        ArrayView<Float4> scores = keys.SubView(4 * tile, AttentionTile.Rows * AttentionTile.ScoreStride / 4);
        long statistics = ((long)head * tokens) + start;
        ArrayView<float> rowLogSumExp = logSumExp.SubView(statistics, length), rowDelta = delta.SubView(statistics, length);
        AttentionTile.Fill<TE, T>(queries, rows.Queries, query, length, headSize, rows.QueryStride);
        AttentionTile.Fill<TE, T>(gradients, dy.SubView(((long)start * hidden) + ((long)head * headSize), headSize), query, length,
            headSize, hidden);

        TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
        int endQuery = query + AttentionTile.Rows < length ? query + AttentionTile.Rows : length;
        var sums = default(ResultTile);
        for (KeyTiles<TMod> at = KeyTiles<TMod>.Of(mod, query, endQuery, rows.KeyCount);
             at.Key < at.End; at = at.Behind(AttentionTile.Rows))
        {
            int key = at.Key, endKey = at.End;
            Group.Barrier();
            AttentionTile.Fill<TE, T>(keys, rows.Keys, key, endKey, headSize, rows.KeyStride);
            AttentionTile.Fill<TE, T>(values, rows.Values, key, endKey, headSize, rows.KeyStride);
            Group.Barrier();
            AttentionGradientTile<TMod> g = AttentionGradientTile<TMod>.Compute<TDropout>(
                queries, keys, gradients, values, quads, mod, rowLogSumExp, rowDelta, query, key, endKey, scale, dropout.For(start, head));
            g.Scores.Store(scores.Cast<float>());
            Group.Barrier();
            sums.Add(scores, keys, quads);
        }

        sums.Write<TE, T>(rows.OfQuery(dQueries, head), query, length, rows.QueryStride, headSize);
    }

    /// <summary>Adds the kernels for a score modification, and those that drop probabilities.</summary>
    public static void Add<TMod>(KernelList list)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int shared = AttentionTile.SharedBytes(4, AttentionTile.LargestHead);
        list.AddFamily<TMod>(
            "attention_keys_values_gradient_{0}", AttentionTile.Threads, f32: KeysValues<F32, float, TMod, No>,
            anyF32: KeysValues<F32Any, float, TMod, No>, dynamicShared: shared);
        list.AddFamily<TMod>(
            "attention_keys_values_gradient_{0}_dropout", AttentionTile.Threads, f32: KeysValues<F32, float, TMod, Yes>,
            anyF32: KeysValues<F32Any, float, TMod, Yes>, dynamicShared: shared);
        list.AddFamily<TMod>(
            "attention_queries_gradient_{0}", AttentionTile.Threads, f32: Queries<F32, float, TMod, No>,
            anyF32: Queries<F32Any, float, TMod, No>, dynamicShared: shared);
        list.AddFamily<TMod>(
            "attention_queries_gradient_{0}_dropout", AttentionTile.Threads, f32: Queries<F32, float, TMod, Yes>,
            anyF32: Queries<F32Any, float, TMod, Yes>, dynamicShared: shared);
    }
}
