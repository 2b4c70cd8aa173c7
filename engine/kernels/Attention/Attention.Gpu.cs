using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>
/// Attention over packed sequences on the GPU in fp32 arithmetic; see <see cref="Attention"/>. A block takes 64 queries of a head and
/// passes over the keys in tiles of 64 with a running softmax; see <see cref="AttentionTile"/> for what each thread holds.
/// </summary>
internal static class AttentionKernels
{
    /// <summary>
    /// queries: [tokens, queryStride], of which a head takes headSize columns; keys, values: [keys, keyStride]; cuSeqlens, keyCuSeqlens:
    /// [sequences + 1]; mods: [heads], after ForHead; sinks: [heads] or empty; logSumExp: [heads, tokens] or empty; y: [tokens, heads ·
    /// headSize]; group: heads that share one of keys; randomState to site: dropout, <see cref="GpuAttentionDropout"/>, unread without
    /// it. Grid: (⌈longest / 64⌉, heads, sequences); shared memory for three tiles.
    /// </summary>
    public static void Forward<TE, T, TMod, TDropout>(
        ArrayView<T> queries, ArrayView<T> keys, ArrayView<T> values, ArrayView<int> cuSeqlens, ArrayView<int> keyCuSeqlens,
        ArrayView<TMod> mods, ArrayView<float> sinks, ArrayView<float> logSumExp, ArrayView<T> y, int headSize, int tokens, int queryStride,
        int keyStride, int group, float scale,
        ArrayView<uint> randomState, uint threshold, float keptScale, uint site)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
        => ForwardBlock<TE, T, TMod, TDropout>(
            HeadRows<T>.Of(queries, keys, values, cuSeqlens, keyCuSeqlens, Grid.IdxY, group, headSize, queryStride, keyStride),
            mods, sinks, logSumExp, y, tokens, scale, GpuAttentionDropout.Of<TDropout>(randomState, threshold, keptScale, site));

    private static void ForwardBlock<TE, T, TMod, TDropout>(
        HeadRows<T> rows, ArrayView<TMod> mods, ArrayView<float> sinks, ArrayView<float> logSumExp, ArrayView<T> y, int tokens, float scale,
        GpuAttentionDropout dropout)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        int head = Grid.IdxY, start = rows.Start, length = rows.QueryCount, firstQuery = Grid.IdxX * AttentionTile.Rows,
            headSize = rows.Size;
        if (firstQuery >= length) return;
        int hidden = Grid.DimY * headSize, quads = (headSize + 3) >> 2, tile = AttentionTile.Rows * (quads + 1);
        ArrayView<Float4> queries = SharedMemory.GetDynamic<Float4>();
        ArrayView<Float4> keys = queries.SubView(tile, tile), values = queries.SubView(2 * tile, tile);
        ArrayView<Float4> probabilities = queries.SubView(3 * tile, AttentionTile.Rows * AttentionTile.ScoreStride / 4);
        AttentionTile.Fill<TE, T>(queries, rows.Queries, firstQuery, length, headSize, rows.QueryStride);

        TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
        int endQuery = firstQuery + AttentionTile.Rows < length ? firstQuery + AttentionTile.Rows : length;
        var result = default(ResultTile);
        // A sink is as good as a key that was seen before all others, with a value of 0.
        bool sunk = sinks.Length > 0;
        Float4 maximum = Float4.Broadcast(sunk ? sinks[head] : Attention.LowestMaximum), sum = Float4.Broadcast(sunk ? 1f : 0f);
        for (KeyTiles<TMod> at = KeyTiles<TMod>.Of(mod, firstQuery, endQuery, rows.KeyCount);
             at.Key < at.End; at = at.Behind(AttentionTile.Rows))
        {
            int key = at.Key, endKey = at.End;
            Group.Barrier();
            AttentionTile.Fill<TE, T>(keys, rows.Keys, key, endKey, headSize, rows.KeyStride);
            AttentionTile.Fill<TE, T>(values, rows.Values, key, endKey, headSize, rows.KeyStride);
            Group.Barrier();
            ScoreTile scores = Modified(
                ScoreTile.Products(queries, keys, quads), mod, firstQuery + (AttentionTile.I * 4), key + AttentionTile.J, endKey, scale);
            Float4 higher = Float4.Max(maximum, scores.RowMax()), shrink = AttentionTile.Exp(maximum - higher);
            maximum = higher;
            scores.S0 = AttentionTile.Exp(scores.S0 - Float4.Broadcast(maximum.X));
            scores.S1 = AttentionTile.Exp(scores.S1 - Float4.Broadcast(maximum.Y));
            scores.S2 = AttentionTile.Exp(scores.S2 - Float4.Broadcast(maximum.Z));
            scores.S3 = AttentionTile.Exp(scores.S3 - Float4.Broadcast(maximum.W));
            sum = Float4.Fma(sum, shrink, scores.RowSum());
            result.Scale(shrink);
            if (TDropout.Value) scores = dropout.For(start, head).Apply(scores, firstQuery + (AttentionTile.I * 4), key + AttentionTile.J);
            scores.Store(probabilities.Cast<float>());
            Group.Barrier();
            result.Add(probabilities, values, quads);
        }

        result.Scale(new(Factor(sum.X), Factor(sum.Y), Factor(sum.Z), Factor(sum.W)));
        result.Write<TE, T>(y.SubView(((long)start * hidden) + ((long)head * headSize), headSize), firstQuery, length, hidden, headSize);
        if (logSumExp.Length > 0 && AttentionTile.J == 0)
            WriteLogSumExp(
                logSumExp.SubView(((long)head * tokens) + start, length), firstQuery + (AttentionTile.I * 4), length, maximum, sum);
    }

    /// <summary>Adds the kernels for a score modification, and those that drop probabilities.</summary>
    public static void Add<TMod>(KernelList list)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int shared = AttentionTile.SharedBytes(3, AttentionTile.LargestHead);
        list.AddFamily<TMod>(
            "attention_{0}", AttentionTile.Threads, f32: Forward<F32, float, TMod, No>, anyF32: Forward<F32Any, float, TMod, No>,
            dynamicShared: shared);
        list.AddFamily<TMod>(
            "attention_{0}_dropout", AttentionTile.Threads, f32: Forward<F32, float, TMod, Yes>,
            anyF32: Forward<F32Any, float, TMod, Yes>,
            dynamicShared: shared);
    }

    /// <summary>The scores scaled and modified; keys from <paramref name="end"/> on are hidden.</summary>
    private static ScoreTile Modified<TMod>(ScoreTile s, TMod mod, int query, int key, int end, float scale)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        s.S0 = Modified(s.S0, mod, query, key, end, scale);
        s.S1 = Modified(s.S1, mod, query + 1, key, end, scale);
        s.S2 = Modified(s.S2, mod, query + 2, key, end, scale);
        s.S3 = Modified(s.S3, mod, query + 3, key, end, scale);
        return s;
    }

    private static Float4 Modified<TMod>(Float4 s, TMod mod, int query, int key, int end, float scale)
        where TMod : unmanaged, IScoreModification<TMod>
        => new(Modified(s.X, mod, query, key, end, scale), Modified(s.Y, mod, query, key + 16, end, scale),
            Modified(s.Z, mod, query, key + 32, end, scale), Modified(s.W, mod, query, key + 48, end, scale));

    private static float Modified<TMod>(float score, TMod mod, int query, int key, int end, float scale)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        float modified = TMod.Score<GpuFloat>(mod, score * scale, query, key).Value;
        return key < end ? modified : float.NegativeInfinity;
    }

    private static float Factor(float sum) => sum > 0f ? Ptx.Reciprocal(sum) : 0f;

    private static void WriteLogSumExp(ArrayView<float> logSumExp, int query, int length, Float4 maximum, Float4 sum)
    {
        if (query < length) logSumExp[query] = LogSumExp(maximum.X, sum.X);
        if (query + 1 < length) logSumExp[query + 1] = LogSumExp(maximum.Y, sum.Y);
        if (query + 2 < length) logSumExp[query + 2] = LogSumExp(maximum.Z, sum.Z);
        if (query + 3 < length) logSumExp[query + 3] = LogSumExp(maximum.W, sum.W);
    }

    // A query that sees no key has a log-sum-exp of −∞.
    private static float LogSumExp(float maximum, float sum) => sum > 0f ? maximum + GpuMath.Log(sum) : float.NegativeInfinity;
}
