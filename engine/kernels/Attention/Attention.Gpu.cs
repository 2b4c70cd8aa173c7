using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// Attention over packed sequences on the GPU in fp32 arithmetic; see <see cref="Attention"/>. A block of 256 threads takes 64 queries
/// of a head and passes over the keys in tiles of 64 with a running softmax; thread (i, j) of 16 × 16 holds the scores of queries
/// 4i … 4i + 3 with keys j, j + 16, j + 32, j + 48, and of the result columns 4j … 4j + 3 and 64 more. Head sizes are multiples of
/// four up to 128. Queries, keys, values and probabilities of a tile lie in shared memory in rows that are four floats longer than
/// their content, so that reads meet no bank conflicts.
/// </summary>
internal static class AttentionKernels
{
    public const int Threads = 256, Tile = 64, LargestHead = 128;

    private const int ProbabilityStride = Tile + 4;

    /// <summary>Bytes of shared memory for a head size.</summary>
    public static int SharedBytes(int headSize) => 4 * Tile * ((3 * (headSize + 4)) + ProbabilityStride);

    public static void Register(KernelList list)
    {
        Add<Alibi>(list, "alibi");
        Add<NoModification>(list, "nomodification");
        Add<Causal>(list, "causal");
        Add<SlidingWindow>(list, "slidingwindow");
        Add<SoftCap>(list, "softcap");
    }

    /// <summary>
    /// qkv: [tokens, 3 · heads · headSize]; cuSeqlens: [sequences + 1]; mods: [heads], after ForHead; logSumExp: [heads, tokens] or empty;
    /// y: [tokens, heads · headSize]. Grid: (⌈longest / 64⌉, heads, sequences).
    /// </summary>
    public static void Forward<TE, T, TMod>(
        ArrayView<T> qkv, ArrayView<int> cuSeqlens, ArrayView<TMod> mods, ArrayView<float> logSumExp, ArrayView<T> y, int headSize, int tokens, float scale)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int head = Grid.IdxY, start = cuSeqlens[Grid.IdxZ], length = cuSeqlens[Grid.IdxZ + 1] - start, firstQuery = Grid.IdxX * Tile;
        if (firstQuery >= length) return;
        int hidden = Grid.DimY * headSize, quads = headSize >> 2, stride = quads + 1;
        ArrayView<Float4> queries = SharedMemory.GetDynamic<Float4>();
        ArrayView<Float4> keys = queries.SubView(Tile * stride, Tile * stride), values = keys.SubView(Tile * stride, Tile * stride);
        ArrayView<Float4> probabilities = values.SubView(Tile * stride, Tile * ProbabilityStride / 4);
        ArrayView<T> source = qkv.SubView(((long)start * 3 * hidden) + ((long)head * headSize), 1);
        Fill<TE, T>(queries, source, firstQuery, length, quads, 3 * hidden);

        TMod mod = mods[head];
        int lastQuery = firstQuery + Tile < length ? firstQuery + Tile : length;
        (int firstKey, int endKey) = TMod.Keys(mod, firstQuery, lastQuery, length);
        var rows = new QueryRows(scale, firstQuery + (Group.IdxX >> 4 << 2));
        for (int key = firstKey; key < endKey; key += Tile)
        {
            Group.Barrier();
            Fill<TE, T>(keys, source.SubView(hidden, 1), key, endKey, quads, 3 * hidden);
            Fill<TE, T>(values, source.SubView(2 * hidden, 1), key, endKey, quads, 3 * hidden);
            Group.Barrier();
            rows.Score(queries, keys, quads);
            rows.Modify(mod, key, endKey);
            rows.Soften(probabilities.Cast<float>());
            Group.Barrier();
            rows.Accumulate(probabilities, values, quads);
        }

        rows.Write<TE, T>(y.SubView(((long)start * hidden) + ((long)head * headSize), 1), hidden, headSize, length);
        if (logSumExp.Length > 0) rows.WriteLogSumExp(logSumExp.SubView(((long)head * tokens) + start, length), length);
    }

    private static void Add<TMod>(KernelList list, string name)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        list.Add($"attention_{name}_f32", Forward<F32, float, TMod>, Threads, SharedBytes(LargestHead));
        list.Add($"attention_{name}_bf16", Forward<BF16, ushort, TMod>, Threads, SharedBytes(LargestHead));
    }

    /// <summary>Reads 64 rows of a head, those from <paramref name="end"/> on as 0.</summary>
    private static void Fill<TE, T>(ArrayView<Float4> target, ArrayView<T> source, int first, int end, int quads, int sourceStride)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        for (int i = Group.IdxX; i < Tile * quads; i += Threads)
        {
            int row = i / quads, quad = i - (row * quads);
            target[(row * (quads + 1)) + quad] = TE.LoadQuad(source.SubView((long)(first + row) * sourceStride, 1), quad * 4, first + row < end);
        }
    }

    /// <summary>A thread's four queries: scores S (query, one component a key), running maximum and sum, results R (query, L or H).</summary>
    private struct QueryRows(float scale, int query)
    {
        private readonly float _scale = scale;
        private readonly int _query = query;
        private Float4 _s0, _s1, _s2, _s3;
        private Float4 _maximum = Float4.Broadcast(Attention.LowestMaximum), _sum = Float4.Broadcast(0);
        private Float4 R0L, R1L, R2L, R3L, R0H, R1H, R2H, R3H;

        private static int I => Group.IdxX >> 4;

        private static int J => Group.IdxX & 15;

        /// <summary>The products of queries and keys.</summary>
        public void Score(ArrayView<Float4> queries, ArrayView<Float4> keys, int quads)
        {
            int stride = quads + 1, q = I * 4 * stride, k = J * stride;
            _s0 = _s1 = _s2 = _s3 = Float4.Broadcast(0);
            for (int d = 0; d < quads; d++)
            {
                Float4 k0 = keys[k + d], k1 = keys[k + (16 * stride) + d], k2 = keys[k + (32 * stride) + d], k3 = keys[k + (48 * stride) + d];
                _s0 = Products(queries[q + d], k0, k1, k2, k3, _s0);
                _s1 = Products(queries[q + stride + d], k0, k1, k2, k3, _s1);
                _s2 = Products(queries[q + (2 * stride) + d], k0, k1, k2, k3, _s2);
                _s3 = Products(queries[q + (3 * stride) + d], k0, k1, k2, k3, _s3);
            }
        }

        /// <summary>Scales and modifies the scores, and hides the keys from <paramref name="end"/> on.</summary>
        public void Modify<TMod>(TMod mod, int firstKey, int end)
            where TMod : unmanaged, IScoreModification<TMod>
        {
            int key = firstKey + J;
            _s0 = Modify(mod, _s0, _query, key, end);
            _s1 = Modify(mod, _s1, _query + 1, key, end);
            _s2 = Modify(mod, _s2, _query + 2, key, end);
            _s3 = Modify(mod, _s3, _query + 3, key, end);
        }

        /// <summary>Turns scores into exp(score − maximum) under the new running maximum, and writes them for the other threads.</summary>
        public void Soften(ArrayView<float> probabilities)
        {
            Float4 old = _maximum;
            _maximum = Float4.Max(old, new(RowMax(_s0), RowMax(_s1), RowMax(_s2), RowMax(_s3)));
            Float4 shrink = Exp(old - _maximum);
            _s0 = Exp(_s0 - Float4.Broadcast(_maximum.X));
            _s1 = Exp(_s1 - Float4.Broadcast(_maximum.Y));
            _s2 = Exp(_s2 - Float4.Broadcast(_maximum.Z));
            _s3 = Exp(_s3 - Float4.Broadcast(_maximum.W));
            _sum = Float4.Fma(_sum, shrink, new(RowSum(_s0), RowSum(_s1), RowSum(_s2), RowSum(_s3)));
            (R0L, R0H, R1L, R1H) = (R0L * shrink.X, R0H * shrink.X, R1L * shrink.Y, R1H * shrink.Y);
            (R2L, R2H, R3L, R3H) = (R2L * shrink.Z, R2H * shrink.Z, R3L * shrink.W, R3H * shrink.W);
            int at = (I * 4 * ProbabilityStride) + J;
            Put(probabilities, at, _s0);
            Put(probabilities, at + ProbabilityStride, _s1);
            Put(probabilities, at + (2 * ProbabilityStride), _s2);
            Put(probabilities, at + (3 * ProbabilityStride), _s3);
        }

        /// <summary>Adds the values under these probabilities.</summary>
        public void Accumulate(ArrayView<Float4> probabilities, ArrayView<Float4> values, int quads)
        {
            int stride = quads + 1, row = I * ProbabilityStride;
            bool low = J < quads, high = J + 16 < quads;
            for (int k = 0; k < Tile / 4; k++)
            {
                Float4 p0 = probabilities[row + k], p1 = probabilities[row + (ProbabilityStride / 4) + k];
                Float4 p2 = probabilities[row + (2 * (ProbabilityStride / 4)) + k], p3 = probabilities[row + (3 * (ProbabilityStride / 4)) + k];
                int v = (k * 4 * stride) + J;
                if (low)
                {
                    Float4 v0 = values[v], v1 = values[v + stride], v2 = values[v + (2 * stride)], v3 = values[v + (3 * stride)];
                    R0L = Weighted(p0, v0, v1, v2, v3, R0L);
                    R1L = Weighted(p1, v0, v1, v2, v3, R1L);
                    R2L = Weighted(p2, v0, v1, v2, v3, R2L);
                    R3L = Weighted(p3, v0, v1, v2, v3, R3L);
                }

                if (high)
                {
                    v += 16;
                    Float4 v0 = values[v], v1 = values[v + stride], v2 = values[v + (2 * stride)], v3 = values[v + (3 * stride)];
                    R0H = Weighted(p0, v0, v1, v2, v3, R0H);
                    R1H = Weighted(p1, v0, v1, v2, v3, R1H);
                    R2H = Weighted(p2, v0, v1, v2, v3, R2H);
                    R3H = Weighted(p3, v0, v1, v2, v3, R3H);
                }
            }
        }

        public readonly void Write<TE, T>(ArrayView<T> y, int stride, int headSize, int length)
            where TE : struct, IElement<T>
            where T : unmanaged
        {
            Write<TE, T>(y, 0, R0L, R0H, _sum.X, stride, headSize, length);
            Write<TE, T>(y, 1, R1L, R1H, _sum.Y, stride, headSize, length);
            Write<TE, T>(y, 2, R2L, R2H, _sum.Z, stride, headSize, length);
            Write<TE, T>(y, 3, R3L, R3H, _sum.W, stride, headSize, length);
        }

        public readonly void WriteLogSumExp(ArrayView<float> logSumExp, int length)
        {
            if (J > 0) return;
            if (_query < length) logSumExp[_query] = LogSumExp(_maximum.X, _sum.X);
            if (_query + 1 < length) logSumExp[_query + 1] = LogSumExp(_maximum.Y, _sum.Y);
            if (_query + 2 < length) logSumExp[_query + 2] = LogSumExp(_maximum.Z, _sum.Z);
            if (_query + 3 < length) logSumExp[_query + 3] = LogSumExp(_maximum.W, _sum.W);
        }

        private readonly void Write<TE, T>(ArrayView<T> y, int r, Float4 low, Float4 high, float sum, int stride, int headSize, int length)
            where TE : struct, IElement<T>
            where T : unmanaged
        {
            if (_query + r >= length) return;
            float factor = sum > 0f ? Ptx.Reciprocal(sum) : 0f;
            ArrayView<T> row = y.SubView((long)(_query + r) * stride, headSize);
            if (J * 4 < headSize) TE.StoreQuad(row, J * 4, low * factor);
            if ((J * 4) + 64 < headSize) TE.StoreQuad(row, (J * 4) + 64, high * factor);
        }

        // A query that sees no key has a log-sum-exp of −∞.
        private static float LogSumExp(float maximum, float sum) => sum > 0f ? maximum + GpuMath.Log(sum) : float.NegativeInfinity;

        private readonly Float4 Modify<TMod>(TMod mod, Float4 s, int query, int key, int end)
            where TMod : unmanaged, IScoreModification<TMod>
            => new(Modify(mod, s.X, query, key, end), Modify(mod, s.Y, query, key + 16, end), Modify(mod, s.Z, query, key + 32, end),
                Modify(mod, s.W, query, key + 48, end));

        private readonly float Modify<TMod>(TMod mod, float score, int query, int key, int end)
            where TMod : unmanaged, IScoreModification<TMod>
        {
            float modified = TMod.Score<GpuMath, float>(mod, score * _scale, query, key);
            return key < end ? modified : float.NegativeInfinity;
        }

        private static Float4 Products(Float4 q, Float4 k0, Float4 k1, Float4 k2, Float4 k3, Float4 s) =>
            s + new Float4(Float4.Dot(q, k0), Float4.Dot(q, k1), Float4.Dot(q, k2), Float4.Dot(q, k3));

        private static Float4 Weighted(Float4 p, Float4 v0, Float4 v1, Float4 v2, Float4 v3, Float4 r) =>
            Float4.Fma(p.X, v0, Float4.Fma(p.Y, v1, Float4.Fma(p.Z, v2, Float4.Fma(p.W, v3, r))));

        private static Float4 Exp(Float4 v) => new(GpuMath.Exp(v.X), GpuMath.Exp(v.Y), GpuMath.Exp(v.Z), GpuMath.Exp(v.W));

        // The 16 threads of a row of scores are lanes next to each other.
        private static float RowMax(Float4 s)
        {
            float value = Float4.Max(s);
            value = Ptx.Max(value, Ptx.ShuffleXor(value, 8));
            value = Ptx.Max(value, Ptx.ShuffleXor(value, 4));
            value = Ptx.Max(value, Ptx.ShuffleXor(value, 2));
            return Ptx.Max(value, Ptx.ShuffleXor(value, 1));
        }

        private static float RowSum(Float4 s)
        {
            float value = Float4.Sum(s);
            value += Ptx.ShuffleXor(value, 8);
            value += Ptx.ShuffleXor(value, 4);
            value += Ptx.ShuffleXor(value, 2);
            return value + Ptx.ShuffleXor(value, 1);
        }

        private static void Put(ArrayView<float> probabilities, int at, Float4 p)
        {
            probabilities[at] = p.X;
            probabilities[at + 16] = p.Y;
            probabilities[at + 32] = p.Z;
            probabilities[at + 48] = p.W;
        }
    }
}
