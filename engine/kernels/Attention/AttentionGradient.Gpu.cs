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
        float sum = Warp.Sum(Float4.Dot(TE.LoadQuad(y.SubView(offset, headSize), column, inside), TE.LoadQuad(dy.SubView(offset, headSize), column, inside)));
        if (Warp.Lane == 0) delta[((long)Grid.IdxY * tokens) + token] = sum;
    }

    /// <summary>
    /// The gradients of keys and values. qkv, dqkv: [tokens, 3 · heads · headSize]; cuSeqlens: [sequences + 1]; mods: [heads], after ForHead;
    /// logSumExp, delta: [heads, tokens]; dy: [tokens, heads · headSize]. Grid: (⌈longest / 64⌉, heads, sequences); shared memory for four tiles.
    /// </summary>
    public static void KeysValues<TE, T, TMod>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy,
        ArrayView<T> dqkv, int headSize, int tokens, float scale)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        => KeysValues<TE, T, TMod, No>(qkv, cuSeqlens, mods, logSumExp, delta, dy, dqkv, headSize, tokens, scale, default);

    /// <summary>As <see cref="KeysValues{TE, T, TMod}"/>, for probabilities that were dropped; stream: seed, lower and upper word, and step.</summary>
    public static void KeysValuesDropout<TE, T, TMod>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy,
        ArrayView<T> dqkv, int headSize, int tokens, float scale,
        ArrayView<uint> stream, uint threshold, float keptScale, uint site)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        => KeysValues<TE, T, TMod, Yes>(qkv, cuSeqlens, mods, logSumExp, delta, dy, dqkv, headSize, tokens, scale, new GpuAttentionDropout(stream, threshold, keptScale, site));

    private static void KeysValues<TE, T, TMod, TDropout>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy,
        ArrayView<T> dqkv, int headSize, int tokens, float scale, GpuAttentionDropout dropout)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        int head = Grid.IdxY, start = cuSeqlens[Grid.IdxZ], length = cuSeqlens[Grid.IdxZ + 1] - start, firstKey = Grid.IdxX * AttentionTile.Rows;
        if (firstKey >= length) return;
        int hidden = Grid.DimY * headSize, quads = (headSize + 3) >> 2, tile = AttentionTile.Rows * (quads + 1);
        ArrayView<Float4> keys = SharedMemory.GetDynamic<Float4>();
        ArrayView<Float4> values = keys.SubView(tile, tile), queries = keys.SubView(2 * tile, tile), gradients = keys.SubView(3 * tile, tile);
        ArrayView<Float4> scores = keys.SubView(4 * tile, AttentionTile.Rows * AttentionTile.ScoreStride / 4);
        long column = (long)head * headSize;
        ArrayView<T> source = qkv.SubView(((long)start * 3 * hidden) + column, headSize), dySource = dy.SubView(((long)start * hidden) + column, headSize);
        ArrayView<float> rowLogSumExp = logSumExp.SubView(((long)head * tokens) + start, length), rowDelta = delta.SubView(((long)head * tokens) + start, length);
        AttentionTile.Fill<TE, T>(keys, source.SubView(hidden, headSize), firstKey, length, headSize, 3 * hidden);
        AttentionTile.Fill<TE, T>(values, source.SubView(2 * hidden, headSize), firstKey, length, headSize, 3 * hidden);

        TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
        var dKeys = default(ResultTile);
        var dValues = default(ResultTile);
        for (int query = 0; query < length; query += AttentionTile.Rows)
        {
            int endQuery = query + AttentionTile.Rows < length ? query + AttentionTile.Rows : length;
            if (KeyTiles<TMod>.Any(mod, firstKey, AttentionTile.Rows, query, endQuery, length))
            {
                Group.Barrier();
                AttentionTile.Fill<TE, T>(queries, source, query, length, headSize, 3 * hidden);
                AttentionTile.Fill<TE, T>(gradients, dySource, query, length, headSize, hidden);
                Group.Barrier();
                AttentionGradientTile<TMod> g = AttentionGradientTile<TMod>.Compute<TDropout>(
                    queries, keys, gradients, values, quads, mod, rowLogSumExp, rowDelta, query, firstKey, length, scale, dropout.For(start, head));
                g.Probabilities.Store(scores.Cast<float>());
                Group.Barrier();
                dValues.AddTransposed(scores, gradients, quads);
                Group.Barrier();
                g.Scores.Store(scores.Cast<float>());
                Group.Barrier();
                dKeys.AddTransposed(scores, queries, quads);
            }
        }

        ArrayView<T> target = dqkv.SubView(((long)start * 3 * hidden) + column, headSize);
        dKeys.Write<TE, T>(target.SubView(hidden, headSize), firstKey, length, 3 * hidden, headSize);
        dValues.Write<TE, T>(target.SubView(2 * hidden, headSize), firstKey, length, 3 * hidden, headSize);
    }

    /// <summary>The gradients of queries; operands as for <see cref="KeysValues{TE, T, TMod}"/>.</summary>
    public static void Queries<TE, T, TMod>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy,
        ArrayView<T> dqkv, int headSize, int tokens, float scale)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        => Queries<TE, T, TMod, No>(qkv, cuSeqlens, mods, logSumExp, delta, dy, dqkv, headSize, tokens, scale, default);

    /// <summary>As <see cref="Queries{TE, T, TMod}"/>, for probabilities that were dropped.</summary>
    public static void QueriesDropout<TE, T, TMod>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy,
        ArrayView<T> dqkv, int headSize, int tokens, float scale,
        ArrayView<uint> stream, uint threshold, float keptScale, uint site)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        => Queries<TE, T, TMod, Yes>(qkv, cuSeqlens, mods, logSumExp, delta, dy, dqkv, headSize, tokens, scale, new GpuAttentionDropout(stream, threshold, keptScale, site));

    private static void Queries<TE, T, TMod, TDropout>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy,
        ArrayView<T> dqkv, int headSize, int tokens, float scale, GpuAttentionDropout dropout)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
        where TDropout : struct, IChoice
    {
        int head = Grid.IdxY, start = cuSeqlens[Grid.IdxZ], length = cuSeqlens[Grid.IdxZ + 1] - start, query = Grid.IdxX * AttentionTile.Rows;
        if (query >= length) return;
        int hidden = Grid.DimY * headSize, quads = (headSize + 3) >> 2, tile = AttentionTile.Rows * (quads + 1);
        ArrayView<Float4> keys = SharedMemory.GetDynamic<Float4>();
        ArrayView<Float4> values = keys.SubView(tile, tile), queries = keys.SubView(2 * tile, tile), gradients = keys.SubView(3 * tile, tile);
        ArrayView<Float4> scores = keys.SubView(4 * tile, AttentionTile.Rows * AttentionTile.ScoreStride / 4);
        long column = (long)head * headSize;
        ArrayView<T> source = qkv.SubView(((long)start * 3 * hidden) + column, headSize);
        ArrayView<float> rowLogSumExp = logSumExp.SubView(((long)head * tokens) + start, length), rowDelta = delta.SubView(((long)head * tokens) + start, length);
        AttentionTile.Fill<TE, T>(queries, source, query, length, headSize, 3 * hidden);
        AttentionTile.Fill<TE, T>(gradients, dy.SubView(((long)start * hidden) + column, headSize), query, length, headSize, hidden);

        TMod mod = TMod.ForSequence(mods[head], Grid.IdxZ);
        int endQuery = query + AttentionTile.Rows < length ? query + AttentionTile.Rows : length;
        var dQueries = default(ResultTile);
        for (KeyTiles<TMod> at = KeyTiles<TMod>.Of(mod, query, endQuery, length); at.Key < at.End; at = at.Behind(AttentionTile.Rows))
        {
            int key = at.Key, endKey = at.End;
            Group.Barrier();
            AttentionTile.Fill<TE, T>(keys, source.SubView(hidden, headSize), key, endKey, headSize, 3 * hidden);
            AttentionTile.Fill<TE, T>(values, source.SubView(2 * hidden, headSize), key, endKey, headSize, 3 * hidden);
            Group.Barrier();
            AttentionGradientTile<TMod> g = AttentionGradientTile<TMod>.Compute<TDropout>(
                queries, keys, gradients, values, quads, mod, rowLogSumExp, rowDelta, query, key, endKey, scale, dropout.For(start, head));
            g.Scores.Store(scores.Cast<float>());
            Group.Barrier();
            dQueries.Add(scores, keys, quads);
        }

        dQueries.Write<TE, T>(dqkv.SubView(((long)start * 3 * hidden) + column, headSize), query, length, 3 * hidden, headSize);
    }

    /// <summary>Adds the kernels for a score modification, and those that drop probabilities.</summary>
    public static void Add<TMod>(KernelList list)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int shared = AttentionTile.SharedBytes(4, AttentionTile.LargestHead);
        list.AddFamily<TMod>(
            "attention_keys_values_gradient_{0}", AttentionTile.Threads, f32: KeysValues<F32, float, TMod>, anyF32: KeysValues<F32Any, float, TMod>,
            dynamicShared: shared);
        list.AddFamily<TMod>(
            "attention_keys_values_gradient_{0}_dropout", AttentionTile.Threads, f32: KeysValuesDropout<F32, float, TMod>, anyF32: KeysValuesDropout<F32Any, float, TMod>,
            dynamicShared: shared);
        list.AddFamily<TMod>(
            "attention_queries_gradient_{0}", AttentionTile.Threads, f32: Queries<F32, float, TMod>, anyF32: Queries<F32Any, float, TMod>,
            dynamicShared: shared);
        list.AddFamily<TMod>(
            "attention_queries_gradient_{0}_dropout", AttentionTile.Threads, f32: QueriesDropout<F32, float, TMod>, anyF32: QueriesDropout<F32Any, float, TMod>,
            dynamicShared: shared);
    }
}
