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
        list.Add("attention_delta_f32", Delta<F32, float>, Flat.Threads);
        list.Add("attention_delta_any_f32", Delta<F32Any, float>, Flat.Threads);
        list.Add("attention_delta_bf16", Delta<BF16, ushort>, Flat.Threads);
        Add<Alibi>(list, "alibi");
        Add<NoModification>(list, "nomodification");
        Add<Causal>(list, "causal");
        Add<SlidingWindow>(list, "slidingwindow");
        Add<SoftCap>(list, "softcap");
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

        TMod mod = mods[head];
        var dKeys = default(ResultTile);
        var dValues = default(ResultTile);
        for (int query = 0; query < length; query += AttentionTile.Rows)
        {
            int lastQuery = query + AttentionTile.Rows < length ? query + AttentionTile.Rows : length;
            (int first, int end) = TMod.Keys(mod, query, lastQuery, length);
            if (end > firstKey && first < firstKey + AttentionTile.Rows)
            {
                Group.Barrier();
                AttentionTile.Fill<TE, T>(queries, source, query, length, headSize, 3 * hidden);
                AttentionTile.Fill<TE, T>(gradients, dySource, query, length, headSize, hidden);
                Group.Barrier();
                Gradients<TMod> g = Gradients<TMod>.Compute(queries, keys, gradients, values, quads, mod, rowLogSumExp, rowDelta, query, firstKey, length, scale);
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

    /// <summary>The gradients of queries; operands as for <see cref="KeysValues"/>.</summary>
    public static void Queries<TE, T, TMod>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<float> delta, ArrayView<T> dy,
        ArrayView<T> dqkv, int headSize, int tokens, float scale)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
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

        TMod mod = mods[head];
        int lastQuery = query + AttentionTile.Rows < length ? query + AttentionTile.Rows : length;
        (int firstKey, int endKey) = TMod.Keys(mod, query, lastQuery, length);
        var dQueries = default(ResultTile);
        for (int key = firstKey; key < endKey; key += AttentionTile.Rows)
        {
            Group.Barrier();
            AttentionTile.Fill<TE, T>(keys, source.SubView(hidden, headSize), key, endKey, headSize, 3 * hidden);
            AttentionTile.Fill<TE, T>(values, source.SubView(2 * hidden, headSize), key, endKey, headSize, 3 * hidden);
            Group.Barrier();
            Gradients<TMod> g = Gradients<TMod>.Compute(queries, keys, gradients, values, quads, mod, rowLogSumExp, rowDelta, query, key, endKey, scale);
            g.Scores.Store(scores.Cast<float>());
            Group.Barrier();
            dQueries.Add(scores, keys, quads);
        }

        dQueries.Write<TE, T>(dqkv.SubView(((long)start * 3 * hidden) + column, headSize), query, length, 3 * hidden, headSize);
    }

    /// <summary>Adds the kernels for a score modification, under its name.</summary>
    public static void Add<TMod>(KernelList list, string name)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int shared = AttentionTile.SharedBytes(4, AttentionTile.LargestHead);
        list.Add($"attention_keys_values_gradient_{name}_f32", KeysValues<F32, float, TMod>, AttentionTile.Threads, shared);
        list.Add($"attention_keys_values_gradient_{name}_any_f32", KeysValues<F32Any, float, TMod>, AttentionTile.Threads, shared);
        list.Add($"attention_queries_gradient_{name}_f32", Queries<F32, float, TMod>, AttentionTile.Threads, shared);
        list.Add($"attention_queries_gradient_{name}_any_f32", Queries<F32Any, float, TMod>, AttentionTile.Threads, shared);
    }

    /// <summary>A thread's probabilities and the gradients of its scores, of a tile of queries and keys.</summary>
    private struct Gradients<TMod>
        where TMod : unmanaged, IScoreModification<TMod>
    {
        public ScoreTile Probabilities, Scores;

        public static Gradients<TMod> Compute(
            ArrayView<Float4> queries, ArrayView<Float4> keys, ArrayView<Float4> gradients, ArrayView<Float4> values, int quads, TMod mod,
            ArrayView<float> logSumExp, ArrayView<float> delta, int firstQuery, int firstKey, int endKey, float scale)
        {
            ScoreTile s = ScoreTile.Products(queries, keys, quads), dp = ScoreTile.Products(gradients, values, quads);
            int query = firstQuery + (AttentionTile.I * 4), key = firstKey + AttentionTile.J;
            Gradients<TMod> g = default;
            (g.Probabilities.S0, g.Scores.S0) = Row(s.S0, dp.S0, mod, logSumExp, delta, query, key, endKey, scale);
            (g.Probabilities.S1, g.Scores.S1) = Row(s.S1, dp.S1, mod, logSumExp, delta, query + 1, key, endKey, scale);
            (g.Probabilities.S2, g.Scores.S2) = Row(s.S2, dp.S2, mod, logSumExp, delta, query + 2, key, endKey, scale);
            (g.Probabilities.S3, g.Scores.S3) = Row(s.S3, dp.S3, mod, logSumExp, delta, query + 3, key, endKey, scale);
            return g;
        }

        private static (Float4 Probabilities, Float4 Scores) Row(
            Float4 s, Float4 dp, TMod mod, ArrayView<float> logSumExp, ArrayView<float> delta, int query, int key, int endKey, float scale)
        {
            bool inside = query < (int)logSumExp.Length;
            float shift = Ptx.LoadConstant(ref logSumExp[query], inside), d = Ptx.LoadConstant(ref delta[query], inside);
            Float4 p = new(
                Probability(s.X, mod, shift, query, key, endKey, scale, inside), Probability(s.Y, mod, shift, query, key + 16, endKey, scale, inside),
                Probability(s.Z, mod, shift, query, key + 32, endKey, scale, inside), Probability(s.W, mod, shift, query, key + 48, endKey, scale, inside));
            Float4 ds = p * (dp - Float4.Broadcast(d)) * new Float4(
                Derivative(s.X, mod, query, key, scale), Derivative(s.Y, mod, query, key + 16, scale),
                Derivative(s.Z, mod, query, key + 32, scale), Derivative(s.W, mod, query, key + 48, scale));
            return (p, ds * scale);
        }

        // A hidden key has a score of −∞; where all are hidden, so is the log-sum-exp.
        private static float Probability(float s, TMod mod, float shift, int query, int key, int endKey, float scale, bool inside)
        {
            float modified = TMod.Score<GpuMath, float>(mod, s * scale, query, key);
            return inside & (key < endKey) & (modified > float.MinValue) ? GpuMath.Exp(modified - shift) : 0f;
        }

        private static float Derivative(float s, TMod mod, int query, int key, float scale) => TMod.Derivative<GpuMath, float>(mod, s * scale, query, key);
    }
}
