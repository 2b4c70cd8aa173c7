using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>The operands of the backward pass of attention; see <see cref="AttentionGradientJob{T, TMod}"/>.</summary>
internal unsafe struct AttentionGradientArguments
{
    /// <summary>The operands of the forward pass, with its result and log-sum-exp.</summary>
    public AttentionArguments Forward;

    /// <summary>The gradient of the result, [tokens, hidden].</summary>
    public float* ResultGradient;

    /// <summary>The gradient of qkv, [tokens, 3 · hidden]; overwritten.</summary>
    public float* QkvGradient;

    /// <summary>The length of the longest sequence.</summary>
    public int Longest;

    /// <summary>
    /// Null, or [sequences, heads, 2 · BiasRadius + 1]: receives the sums of the scores' gradients over each clipped distance key − query.
    /// </summary>
    public float* BiasGradients;

    public int BiasRadius;
}

/// <summary>
/// The backward pass of attention (FlashAttention-2, arXiv 2307.08691), with scores recomputed tile by tile from the log-sum-exp:
/// <c>P = exp(S' − lse)</c>, <c>D = rowsum(dO ∘ O)</c>, <c>dS = P ∘ (dO Vᵀ − D) ∘ mod'(S)</c>, <c>dQ = dS K / sqrt(d)</c>,
/// <c>dK = dSᵀ Q / sqrt(d)</c>, <c>dV = Pᵀ dO</c>. One (sequence, head) is the work of one worker, so sums have one order. With dropout of
/// mask M, P in dV and dO Vᵀ in dS are multiplied by M; D stays as it is.
///
/// As in the forward pass scores are held transposed, keys down the rows and queries in the lanes: dSᵀ is then a right factor as it
/// stands (<c>dQᵀ = Kᵀ dSᵀ</c>), and a left factor of dK and dV.
/// </summary>
internal readonly unsafe struct AttentionGradientJob<T, TMod>(AttentionGradientArguments g, TMod mod, float* scratch) : IJob
    where T : unmanaged, ISimd<T>
    where TMod : unmanaged, IScoreModification<TMod>
{
    private readonly AttentionArguments a = g.Forward;

    private static int Block => 2 * T.Lanes;

    private long Stride => 3L * a.Hidden;

    private int Panels => (a.HeadSize + Block - 1) / Block;

    /// <summary>Floats of scratch memory that each worker needs.</summary>
    public static long ScratchPerWorker(in AttentionGradientArguments g) => new Buffers(null, g).Length;

    public void Run(int worker, int workers)
    {
        var buffers = new Buffers(scratch + (worker * ScratchPerWorker(g)), g);
        double total = 0, before = 0;
        for (int s = 0; s < a.Sequences; s++) total += Cost(s) * a.Heads;
        double from = total * worker / workers, to = worker == workers - 1 ? double.PositiveInfinity : total * (worker + 1) / workers;
        for (int s = 0; s < a.Sequences; s++)
            for (int head = 0; head < a.Heads; head++, before += Cost(s))
                if (Cost(s) > 0 && before >= from && before < to) Head(s, head, TMod.ForSequence(TMod.ForHead(mod, head, a.Heads), s), buffers);
    }

    private double Cost(int sequence) => Math.Pow(a.CuSeqlens[sequence + 1] - a.CuSeqlens[sequence], 2);

    private void Head(int sequence, int head, in TMod headMod, in Buffers b)
    {
        int start = a.CuSeqlens[sequence], length = a.CuSeqlens[sequence + 1] - start;
        float* query = a.Qkv + (start * Stride) + ((long)head * a.HeadSize);
        new Span<float>(b.KeyGradient, checked(Panels * length * Block)).Clear();
        new Span<float>(b.ValueGradient, Panels * length * Block).Clear();
        new Span<float>(b.Zeros, Block).Clear();
        if (b.Distances != null) new Span<float>(b.Distances, Buffers.DistancesOf(g.Longest)).Clear();
        for (int first = 0; first < length; first += Block) QueryBlock(query, start, length, head, first, headMod, b);
        float* gradient = g.QkvGradient + (start * Stride) + ((long)head * a.HeadSize);
        Unpack(b.KeyGradient, length, gradient + a.Hidden);
        Unpack(b.ValueGradient, length, gradient + (2 * a.Hidden));
        if (b.Distances != null) Clip(b.Distances, length, g.BiasGradients + ((((long)sequence * a.Heads) + head) * ((2 * g.BiasRadius) + 1)));
    }

    private void QueryBlock(float* queryRows, int start, int length, int head, int first, in TMod headMod, in Buffers b)
    {
        int queries = Math.Min(Block, length - first);
        PackQueries(start + first, head, queries, b);
        bool begun = false;
        for ((int key, int end) = VisibleKeys.Next(headMod, 0, first, first + queries, length); key < length;
             (key, end) = VisibleKeys.Next(headMod, end, first, first + queries, length))
            for (; key < end; key += Attention.KeyTile, begun = true)
                KeyTile(queryRows, start, length, head, first, queries, key, Math.Min(Attention.KeyTile, end - key), begun, headMod, b);

        if (!begun) new Span<float>(b.QueryGradient, Block * a.HeadSize).Clear();
        float* gradient = g.QkvGradient + ((start + first) * Stride) + ((long)head * a.HeadSize);
        MatMul.PackRows(b.QueryGradient, Block, a.HeadSize, queries, gradient, a.HeadSize, (int)Stride);
    }

    /// <summary>Adds the gradients of one tile of scores.</summary>
    private void KeyTile(
        float* queryRows, int start, int length, int head, int first, int queries, int key, int keys, bool begun, in TMod headMod, in Buffers b)
    {
        T left = T.LaneIndices + first, right = left + T.Lanes;
        float* keyRows = queryRows + a.Hidden + (key * Stride), valueRows = keyRows + a.Hidden;
        AttentionProduct.Run<T>(a.Tile, keys, keyRows, Stride, false, b.Query, a.HeadSize, b.Zeros, b.Scores);
        AttentionProduct.Run<T>(a.Tile, keys, valueRows, Stride, false, b.OutputGradient, a.HeadSize, b.Zeros, b.ScoreGradient);
        if (a.Dropout.IsActive)
        {
            a.Dropout.Fill(b.Factors, Block, start, head, first, key, keys);
            Multiply(b.ScoreGradient, b.Factors, keys * Block);
        }

        Scores(headMod, b, key, keys, left, right);
        if (a.Dropout.IsActive) Multiply(b.Scores, b.Factors, keys * Block);
        if (b.Distances != null) SumByDistance(b, first, key, keys);
        AttentionProduct.Run<T>(
            a.Tile, a.HeadSize, keyRows, Stride, true, b.ScoreGradient, keys, begun ? b.QueryGradient : b.Zeros, b.QueryGradient);
        for (int p = 0; p < Panels; p++)
        {
            float* keyGradient = b.KeyGradient + ((((long)p * length) + key) * Block), valueGradient = b.ValueGradient + ((((long)p * length) + key) * Block);
            long panel = (long)p * Block * Block;
            AttentionProduct.Run<T>(
                a.Tile, keys, b.Scores, Block, false, b.OutputGradientRows + panel, queries, valueGradient, valueGradient);
            AttentionProduct.Run<T>(
                a.Tile, keys, b.ScoreGradient, Block, false, b.QueryRows + panel, queries, keyGradient, keyGradient);
        }
    }

    /// <summary>The block's queries and output gradients, once as columns and once as rows of a right factor, its log-sum-exp and D.</summary>
    private void PackQueries(int row, int head, int queries, in Buffers b)
    {
        float* query = a.Qkv + (row * Stride) + ((long)head * a.HeadSize);
        long offset = ((long)row * a.Hidden) + ((long)head * a.HeadSize);
        float* gradient = g.ResultGradient + offset, result = a.Result + offset;
        MatMul.PackRows(query, Stride, queries, a.HeadSize, b.Query, Block, Block);
        MatMul.PackRows(gradient, a.Hidden, queries, a.HeadSize, b.OutputGradient, Block, Block);
        for (int p = 0; p < Panels; p++)
        {
            int columns = Math.Min(Block, a.HeadSize - (p * Block));
            MatMul.PackColumns(query + (p * Block), Stride, columns, queries, b.QueryRows + (p * Block * Block), Block);
            MatMul.PackColumns(gradient + (p * Block), a.Hidden, columns, queries, b.OutputGradientRows + (p * Block * Block), Block);
        }

        for (int q = 0; q < Block; q++)
        {
            float logSumExp = q < queries ? a.LogSumExp[((long)head * a.Tokens) + row + q] : float.NegativeInfinity;
            float sum = q < queries ? Dot(gradient + ((long)q * a.Hidden), result + ((long)q * a.Hidden)) : 0;
            // A lane without a query, or a query that sees no key, has weights exp(score − ∞) = 0.
            (b.LogSumExp[q], b.Delta[q]) = (float.IsNegativeInfinity(logSumExp) ? float.PositiveInfinity : logSumExp, sum);
        }
    }

    private float Dot(float* x, float* y)
    {
        T sum = 0f;
        int d = 0;
        for (; d + T.Lanes <= a.HeadSize; d += T.Lanes) sum = T.MultiplyAdd(T.Load(x + d), T.Load(y + d), sum);
        float total = T.Sum(sum);
        for (; d < a.HeadSize; d++) total += x[d] * y[d];
        return total;
    }

    /// <summary>Turns scores into P, and dO Vᵀ into dS / sqrt(d).</summary>
    private void Scores(in TMod headMod, in Buffers b, int firstKey, int keys, T leftQuery, T rightQuery)
    {
        T scale = (float)(1 / Math.Sqrt(a.HeadSize));
        T leftLogSumExp = T.Load(b.LogSumExp), rightLogSumExp = T.Load(b.LogSumExp + T.Lanes);
        T leftDelta = T.Load(b.Delta), rightDelta = T.Load(b.Delta + T.Lanes);
        for (int k = 0; k < keys; k++)
        {
            T key = firstKey + k;
            float* score = b.Scores + (k * Block), gradient = b.ScoreGradient + (k * Block);
            Score(headMod, score, gradient, scale, leftQuery, key, leftLogSumExp, leftDelta);
            Score(headMod, score + T.Lanes, gradient + T.Lanes, scale, rightQuery, key, rightLogSumExp, rightDelta);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Score(in TMod headMod, float* score, float* gradient, T scale, T query, T key, T logSumExp, T delta)
    {
        T raw = T.Load(score) * scale;
        T weight = T.Exp(TMod.Score<T>(headMod, raw, query, key) - logSumExp);
        T slope = TMod.Derivative<T>(headMod, raw, query, key) * scale;
        T.Store(score, weight);
        T.Store(gradient, weight * slope * (T.Load(gradient) - delta));
    }

    private static void Multiply(float* tile, float* factors, int count)
    {
        for (int i = 0; i < count; i += T.Lanes) T.Store(tile + i, T.Load(tile + i) * T.Load(factors + i));
    }

    /// <summary>Adds the gradients of a tile's scores to those of their distances: query − key, counted from −Longest.</summary>
    private void SumByDistance(in Buffers b, int first, int firstKey, int keys)
    {
        T factor = MathF.Sqrt(a.HeadSize);
        for (int k = 0; k < keys; k++)
        {
            float* gradient = b.ScoreGradient + (k * Block), sums = b.Distances + (g.Longest + first - firstKey - k);
            T.Store(sums, T.MultiplyAdd(T.Load(gradient), factor, T.Load(sums)));
            T.Store(sums + T.Lanes, T.MultiplyAdd(T.Load(gradient + T.Lanes), factor, T.Load(sums + T.Lanes)));
        }
    }

    /// <summary>The sums over each distance key − query, those further away than the radius with the last.</summary>
    private void Clip(float* distances, int length, float* clipped)
    {
        new Span<float>(clipped, (2 * g.BiasRadius) + 1).Clear();
        for (int distance = 1 - length; distance < length; distance++)
            clipped[Math.Clamp(distance, -g.BiasRadius, g.BiasRadius) + g.BiasRadius] += distances[g.Longest - distance];
    }

    /// <summary>Copies panels [panels][length, Block] to rows.</summary>
    private void Unpack(float* panels, int length, float* destination)
    {
        for (int p = 0; p < Panels; p++)
        {
            int columns = Math.Min(Block, a.HeadSize - (p * Block));
            for (int k = 0; k < length; k++, panels += Block)
                new ReadOnlySpan<float>(panels, columns).CopyTo(new Span<float>(destination + (k * Stride) + (p * Block), columns));
        }
    }

    /// <summary>A worker's scratch memory.</summary>
    private readonly struct Buffers
    {
        public readonly float* KeyGradient, ValueGradient, Zeros;
        public readonly float* Query, OutputGradient, QueryRows, OutputGradientRows, QueryGradient, Scores, ScoreGradient, LogSumExp, Delta;

        /// <summary>Null where they are not needed.</summary>
        public readonly float* Factors, Distances;

        public readonly long Length;

        public Buffers(float* start, in AttentionGradientArguments g)
        {
            int headSize = g.Forward.HeadSize, longest = g.Longest, panels = (headSize + Block - 1) / Block;
            float* next = start;
            KeyGradient = Take(ref next, (long)longest * panels * Block);
            ValueGradient = Take(ref next, (long)longest * panels * Block);
            Zeros = Take(ref next, Block);
            Query = Take(ref next, (long)headSize * Block);
            OutputGradient = Take(ref next, (long)headSize * Block);
            QueryRows = Take(ref next, (long)panels * Block * Block);
            OutputGradientRows = Take(ref next, (long)panels * Block * Block);
            QueryGradient = Take(ref next, (long)headSize * Block);
            Scores = Take(ref next, (long)Attention.KeyTile * Block);
            ScoreGradient = Take(ref next, (long)Attention.KeyTile * Block);
            LogSumExp = Take(ref next, Block);
            Delta = Take(ref next, Block);
            if (g.Forward.Dropout.IsActive) Factors = Take(ref next, (long)Attention.KeyTile * Block);
            if (g.BiasGradients != null) Distances = Take(ref next, DistancesOf(longest));
            Length = next - start;
        }

        /// <summary>From −longest to longest, and a block past the end, whose queries are none.</summary>
        public static int DistancesOf(int longest) => checked((2 * longest) + Block + 1);

        // Rounded to whole cache lines.
        private static float* Take(ref float* next, long count)
        {
            float* taken = next;
            next += (count + 15) / 16 * 16;
            return taken;
        }
    }
}
