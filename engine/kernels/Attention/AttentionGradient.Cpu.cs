using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>The operands of the backward pass of attention; see <see cref="AttentionGradientJob{T, TMod}"/>.</summary>
internal unsafe struct AttentionGradientArguments
{
    /// <summary>The operands of the forward pass, with its result and log-sum-exp.</summary>
    public AttentionArguments Forward;

    /// <summary>The gradient of the result, [tokens, hidden].</summary>
    public float* ResultGradient;

    /// <summary>The gradients of queries, keys and values, with the strides of those; overwritten.</summary>
    public float* QueryGradient, KeyGradient, ValueGradient;

    /// <summary>The most keys of a sequence.</summary>
    public int LongestKeys;

    /// <summary>
    /// For each table 0, or the address of zeros [sequences, heads, entries] that receive the sums of the gradients of its entries, the
    /// last entry first.
    /// </summary>
    public fixed long Tables[TableGradients.Most];
}

/// <summary>
/// The backward pass of attention (FlashAttention-2, arXiv 2307.08691), with scores recomputed tile by tile from the log-sum-exp:
/// <c>P = exp(S' − lse)</c>, <c>D = rowsum(dO ∘ O)</c>, <c>dS = P ∘ (dO Vᵀ − D) ∘ mod'(S)</c>, <c>dQ = dS K / sqrt(d)</c>,
/// <c>dK = dSᵀ Q / sqrt(d)</c>, <c>dV = Pᵀ dO</c>. One sequence and one head of keys, with all heads of queries that share it, are the work
/// of one worker, so sums have one order. With dropout of mask M, P in dV and dO Vᵀ in dS are multiplied by M; D stays as it is.
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

    private int Panels => (a.HeadSize + Block - 1) / Block;

    /// <summary>Floats of scratch memory that each worker needs.</summary>
    public static long ScratchPerWorker(in AttentionGradientArguments g) => new Buffers(null, g).Length;

    public void Run(int worker, int workers)
    {
        var buffers = new Buffers(scratch + (worker * ScratchPerWorker(g)), g);
        double total = 0, before = 0;
        int keyHeads = a.Heads / a.Group;
        for (int s = 0; s < a.Sequences; s++) total += Cost(s) * keyHeads;
        double from = total * worker / workers, to = worker == workers - 1 ? double.PositiveInfinity : total * (worker + 1) / workers;
        for (int s = 0; s < a.Sequences; s++)
            for (int head = 0; head < keyHeads; head++, before += Cost(s))
                if (before >= from && before < to) Group(s, head * a.Group, buffers);
    }

    // Queries without keys, and keys without queries, have gradients of 0, which are to be written.
    private double Cost(int sequence) => Math.Max(1, (double)a.Length(sequence) * a.KeyLength(sequence));

    /// <summary>A head of keys, and those of queries from <paramref name="first"/> on that share it.</summary>
    private void Group(int sequence, int first, in Buffers b)
    {
        int keys = a.KeyLength(sequence);
        new Span<float>(b.KeyGradient, checked(Panels * keys * Block)).Clear();
        new Span<float>(b.ValueGradient, Panels * keys * Block).Clear();
        new Span<float>(b.Zeros, Block).Clear();
        for (int head = first; head < first + a.Group; head++) Head(HeadOf(sequence, head), b);
        long offset = a.KeyOffset(sequence, first);
        Unpack(b.KeyGradient, keys, g.KeyGradient + offset);
        Unpack(b.ValueGradient, keys, g.ValueGradient + offset);
    }

    private void Head(in HeadOfSequence h, in Buffers b)
    {
        for (int first = 0; first < h.Queries; first += Block) QueryBlock(h, first, b);
    }

    private HeadOfSequence HeadOf(int sequence, int head)
    {
        var h = new HeadOfSequence
        {
            Mod = TMod.ForSequence(TMod.ForHead(mod, head, a.Heads), sequence),
            Sequence = sequence,
            Number = head,
            Start = a.CuSeqlens[sequence],
            Queries = a.Length(sequence),
            Keys = a.KeyLength(sequence),
        };
        for (int table = 0; table < TMod.Tables; table++)
            if (g.Tables[table] != 0)
                h.Tables[table] = (long)((float*)g.Tables[table] + ((((long)sequence * a.Heads) + head) * TMod.Table(mod, table).Entries));
        return h;
    }

    private void QueryBlock(in HeadOfSequence h, int first, in Buffers b)
    {
        int queries = Math.Min(Block, h.Queries - first);
        PackQueries(h, first, queries, b);
        bool begun = false;
        for ((int key, int end) = VisibleKeys.Next(h.Mod, 0, first, first + queries, h.Keys); key < h.Keys;
             (key, end) = VisibleKeys.Next(h.Mod, end, first, first + queries, h.Keys))
            for (; key < end; key += Attention.KeyTile, begun = true)
                KeyTile(h, first, queries, key, Math.Min(Attention.KeyTile, end - key), begun, b);

        if (!begun) new Span<float>(b.QueryGradient, Block * a.HeadSize).Clear();
        float* gradient = g.QueryGradient + ((long)(h.Start + first) * a.QueryStride) + ((long)h.Number * a.HeadSize);
        MatMul.PackRows(b.QueryGradient, Block, a.HeadSize, queries, gradient, a.HeadSize, a.QueryStride);
    }

    /// <summary>Adds the gradients of one tile of scores.</summary>
    private void KeyTile(in HeadOfSequence h, int first, int queries, int key, int keys, bool begun, in Buffers b)
    {
        long offset = a.KeyOffset(h.Sequence, h.Number) + ((long)key * a.KeyStride);
        float* keyRows = a.Keys + offset, valueRows = a.Values + offset;
        AttentionProduct.Run<T>(a.Tile, keys, keyRows, a.KeyStride, false, b.Query, a.HeadSize, b.Zeros, b.Scores);
        AttentionProduct.Run<T>(a.Tile, keys, valueRows, a.KeyStride, false, b.OutputGradient, a.HeadSize, b.Zeros, b.ScoreGradient);
        if (a.Dropout.IsActive)
        {
            a.Dropout.Fill(b.Factors, Block, h.Start, h.Number, first, key, keys);
            Multiply(b.ScoreGradient, b.Factors, keys * Block);
        }

        Scores(h, b, first, key, keys);
        if (a.Dropout.IsActive) Multiply(b.Scores, b.Factors, keys * Block);
        AttentionProduct.Run<T>(
            a.Tile, a.HeadSize, keyRows, a.KeyStride, true, b.ScoreGradient, keys, begun ? b.QueryGradient : b.Zeros, b.QueryGradient);
        for (int p = 0; p < Panels; p++)
        {
            long place = (((long)p * h.Keys) + key) * Block, panel = (long)p * Block * Block;
            float* keyGradient = b.KeyGradient + place, valueGradient = b.ValueGradient + place;
            AttentionProduct.Run<T>(
                a.Tile, keys, b.Scores, Block, false, b.OutputGradientRows + panel, queries, valueGradient, valueGradient);
            AttentionProduct.Run<T>(
                a.Tile, keys, b.ScoreGradient, Block, false, b.QueryRows + panel, queries, keyGradient, keyGradient);
        }
    }

    /// <summary>
    /// The block's queries and output gradients, once as columns and once as rows of a right factor, its log-sum-exp and D.
    /// </summary>
    private void PackQueries(in HeadOfSequence h, int first, int queries, in Buffers b)
    {
        float* query = a.Query(h.Sequence, h.Number) + ((long)first * a.QueryStride);
        long row = h.Start + first, offset = (row * a.Hidden) + ((long)h.Number * a.HeadSize);
        float* gradient = g.ResultGradient + offset, result = a.Result + offset;
        MatMul.PackRows(query, a.QueryStride, queries, a.HeadSize, b.Query, Block, Block);
        MatMul.PackRows(gradient, a.Hidden, queries, a.HeadSize, b.OutputGradient, Block, Block);
        for (int p = 0; p < Panels; p++)
        {
            int columns = Math.Min(Block, a.HeadSize - (p * Block));
            MatMul.PackColumns(query + (p * Block), a.QueryStride, columns, queries, b.QueryRows + (p * Block * Block), Block);
            MatMul.PackColumns(gradient + (p * Block), a.Hidden, columns, queries, b.OutputGradientRows + (p * Block * Block), Block);
        }

        for (int q = 0; q < Block; q++)
        {
            float logSumExp = q < queries ? a.LogSumExp[((long)h.Number * a.Tokens) + row + q] : float.NegativeInfinity;
            float sum = q < queries ? AttentionProduct.Dot<T>(gradient + ((long)q * a.Hidden), result + ((long)q * a.Hidden),
                a.HeadSize) : 0;
            // A lane without a query, or a query that sees no key, has weights exp(score − ∞) = 0.
            (b.LogSumExp[q], b.Delta[q]) = (float.IsNegativeInfinity(logSumExp) ? float.PositiveInfinity : logSumExp, sum);
        }
    }

    /// <summary>Turns scores into P, and dO Vᵀ into dS / sqrt(d).</summary>
    private void Scores(in HeadOfSequence h, in Buffers b, int firstQuery, int firstKey, int keys)
    {
        T scale = (float)(1 / Math.Sqrt(a.HeadSize));
        T leftQuery = T.LaneIndices + firstQuery, rightQuery = leftQuery + T.Lanes;
        T leftLogSumExp = T.Load(b.LogSumExp), rightLogSumExp = T.Load(b.LogSumExp + T.Lanes);
        T leftDelta = T.Load(b.Delta), rightDelta = T.Load(b.Delta + T.Lanes);
        for (int k = 0; k < keys; k++)
        {
            T key = firstKey + k;
            float* score = b.Scores + (k * Block), gradient = b.ScoreGradient + (k * Block);
            Score(h, score, gradient, scale, leftQuery, key, leftLogSumExp, leftDelta);
            Score(h, score + T.Lanes, gradient + T.Lanes, scale, rightQuery, key, rightLogSumExp, rightDelta);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Score(in HeadOfSequence h, float* score, float* gradient, T scale, T query, T key, T logSumExp, T delta)
    {
        T raw = T.Load(score) * scale, difference = T.Load(gradient) - delta;
        T weight = T.Exp(TMod.Score<T>(h.Mod, raw, query, key) - logSumExp);
        T slope = TMod.Derivative<T>(h.Mod, raw, query, key) * scale;
        T.Store(score, weight);
        T.Store(gradient, weight * slope * difference);
        if (TMod.Tables > 0) AddToTables(h, weight * difference, raw, query, key);
    }

    private static void Multiply(float* tile, float* factors, int count)
    {
        for (int i = 0; i < count; i += T.Lanes) T.Store(tile + i, T.Load(tile + i) * T.Load(factors + i));
    }

    /// <summary>
    /// Adds the gradients of a register of scores, as they are after the modification, to those of the entries that they looked up.
    /// </summary>
    private static void AddToTables(in HeadOfSequence h, T modified, T raw, T query, T key)
    {
        float* entries = stackalloc float[2 * T.Lanes], gradients = entries + T.Lanes;
        for (int table = 0; table < TMod.Tables; table++)
        {
            var sums = (float*)h.Tables[table];
            if (sums == null) continue;
            int last = TMod.Table(h.Mod, table).Entries - 1;
            T entry = T.Min(T.Max(TMod.Entry<T>(h.Mod, table, query, key), 0f), last);
            T gradient = modified * TMod.EntryDerivative<T>(h.Mod, table, raw, query, key);
            T.Store(entries, entry);
            // The last entry comes first: distances of queries next to each other fall by one, so their sums lie next to each other.
            float* place = sums + (last - (int)entries[0]);
            if (T.Sum(T.Abs(entry + T.LaneIndices - entries[0])) == 0)
            {
                T.Store(place, T.Load(place) + gradient);
                continue;
            }

            T.Store(gradients, gradient);
            for (int lane = 0; lane < T.Lanes; lane++) sums[last - (int)entries[lane]] += gradients[lane];
        }
    }

    /// <summary>Copies panels [panels][length, Block] to rows.</summary>
    private void Unpack(float* panels, int length, float* destination)
    {
        for (int p = 0; p < Panels; p++)
        {
            int columns = Math.Min(Block, a.HeadSize - (p * Block));
            for (int k = 0; k < length; k++, panels += Block)
                new ReadOnlySpan<float>(panels, columns).CopyTo(new Span<float>(destination + ((long)k * a.KeyStride) + (p * Block),
                    columns));
        }
    }

    /// <summary>One head of one sequence.</summary>
    private struct HeadOfSequence
    {
        public TMod Mod;

        /// <summary>The head's number, the row of the first query, and how many queries and keys there are.</summary>
        public int Sequence, Number, Start, Queries, Keys;

        /// <summary>For each table 0, or the address of the sums of its entries' gradients.</summary>
        public fixed long Tables[TableGradients.Most];
    }

    /// <summary>A worker's scratch memory.</summary>
    private readonly struct Buffers
    {
        public readonly float* KeyGradient, ValueGradient, Zeros;
        public readonly float* Query, OutputGradient, QueryRows, OutputGradientRows, QueryGradient, Scores, ScoreGradient, LogSumExp, Delta;

        /// <summary>Null without dropout.</summary>
        public readonly float* Factors;

        public readonly long Length;

        public Buffers(float* start, in AttentionGradientArguments g)
        {
            int headSize = g.Forward.HeadSize, longest = g.LongestKeys, panels = (headSize + Block - 1) / Block;
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
            Length = next - start;
        }

        // Rounded to whole cache lines.
        private static float* Take(ref float* next, long count)
        {
            float* taken = next;
            next += (count + 15) / 16 * 16;
            return taken;
        }
    }
}

/// <summary>
/// Adds the sums of the sequences and heads that look up a row of a table to the row's gradient, in one order whatever the number of
/// workers: each takes a range of entries. The gradient is [rows, entries].
/// </summary>
internal readonly unsafe struct TableGradientJob<T, TMod>(AttentionGradientArguments g, TMod mod, int table, float* gradient) : IJob
    where T : unmanaged, ISimd<T>
    where TMod : unmanaged, IScoreModification<TMod>
{
    public void Run(int worker, int workers)
    {
        BiasTable whole = TMod.Table(mod, table);
        (int start, int end) = Partition.Share(whole.Entries, T.Lanes, worker, workers);
        int last = whole.Entries - 1, heads = g.Forward.Heads;
        var sums = (float*)g.Tables[table];
        for (int sequence = 0; sequence < g.Forward.Sequences; sequence++)
            for (int head = 0; head < heads; head++, sums += whole.Entries)
            {
                TMod of = TMod.ForSequence(TMod.ForHead(mod, head, heads), sequence);
                float* row = gradient + ((TMod.Table(of, table).Address - whole.Address) / sizeof(float));
                for (int entry = start; entry < end; entry++) row[entry] += sums[last - entry];
            }
    }
}

/// <summary>
/// The gradient of attention's sinks, <c>dsink = −Σ exp(sink − lse) · D</c> over the queries of a head with <c>D = Σ dO ∘ O</c>: that of a
/// key whose value is 0. A head is the work of one worker, so sums have one order.
/// </summary>
internal readonly unsafe struct SinkGradientJob<T>(AttentionGradientArguments g, float* gradient) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        AttentionArguments a = g.Forward;
        (int first, int end) = Partition.Share(a.Heads, 1, worker, workers);
        for (int head = first; head < end; head++)
        {
            float* logSumExp = a.LogSumExp + ((long)head * a.Tokens);
            double sum = 0;
            for (int row = 0; row < a.Tokens; row++)
            {
                long offset = ((long)row * a.Hidden) + ((long)head * a.HeadSize);
                sum += Math.Exp(a.Sinks[head] - logSumExp[row]) * AttentionProduct.Dot<T>(g.ResultGradient + offset, a.Result + offset,
                    a.HeadSize);
            }

            gradient[head] -= (float)sum;
        }
    }
}
