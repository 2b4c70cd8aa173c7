namespace Engine.Kernels;

/// <summary>
/// The attention of blocks of <c>2·Lanes</c> queries. Some blocks go through the keys together, so that of a long sequence a tile of keys
/// and values is brought into L2 once for all of them.
/// </summary>
internal readonly unsafe struct AttentionJob<T, TMod>(AttentionArguments a, TMod mod, float* scratch) : IJob
    where T : unmanaged, ISimd<T>
    where TMod : unmanaged, IScoreModification<TMod>
{
    private const int BlocksTogether = 8;

    private static int Block => 2 * T.Lanes;

    /// <summary>
    /// Floats of scratch memory that each worker needs: a score tile, zeros, a tile of dropout, query panels and accumulators of the
    /// results, and rounded keys and values.
    /// </summary>
    public static long ScratchPerWorker(in AttentionArguments a)
    {
        int longest = 0;
        for (int s = 0; s < a.Sequences; s++) longest = Math.Max(longest, a.KeyLength(s));
        return OfTile(a) + (BlocksTogether * OfBlock(a)) + AttentionFactors.Length(a.Tile, longest, a.HeadSize);
    }

    private static long OfTile(in AttentionArguments a) => Block * (Attention.KeyTile + 1L + (a.Dropout.IsActive ? Attention.KeyTile : 0));

    private static long OfBlock(in AttentionArguments a) => 2L * Block * a.HeadSize;

    public void Run(int worker, int workers)
    {
        // Cost of a query block ∝ the keys of its sequence; every worker takes the blocks whose cost falls into its share.
        double total = 0;
        for (int s = 0; s < a.Sequences; s++) total += Cost(s) * a.Heads * Blocks(s);
        double from = total * worker / workers, to = worker == workers - 1 ? double.PositiveInfinity : total * (worker + 1) / workers;
        float* tile = scratch + (worker * ScratchPerWorker(a));
        double before = 0;
        for (int s = 0; s < a.Sequences; s++)
        {
            double cost = Cost(s);
            for (int head = 0; head < a.Heads; head++)
            {
                TMod headMod = TMod.ForSequence(TMod.ForHead(mod, head, a.Heads), s);
                var factors = default(AttentionFactors);
                for (int b = 0, together; b < Blocks(s); b += together, before += together * cost)
                {
                    together = 0;
                    while (together < BlocksTogether && b + together < Blocks(s) && InShare(before + (together * cost))) together++;
                    if (together > 0 && factors.Keys == null) factors = Factors(s, head, tile + OfTile(a) + (BlocksTogether * OfBlock(a)));
                    if (together > 0) QueryBlocks(s, head, b * Block, together, headMod, factors, tile);
                    else together = 1;
                }
            }
        }

        bool InShare(double at) => at >= from && at < to;
    }

    private double Cost(int sequence) => a.KeyLength(sequence);

    private int Blocks(int sequence) => (a.Length(sequence) + Block - 1) / Block;

    private AttentionFactors Factors(int sequence, int head, float* memory)
    {
        long offset = a.KeyOffset(sequence, head);
        return AttentionFactors.Of(a.Tile, a.Keys + offset, a.Values + offset, a.KeyStride, a.KeyLength(sequence), a.HeadSize, memory);
    }

    /// <summary>Transposes the queries of a block to <c>[steps of the head, Block]</c>; there is none in the last columns.</summary>
    private void PackQueries(float* rows, int queries, float* query, float* words)
    {
        int steps = a.Tile.Steps(a.HeadSize);
        if (a.Tile.Elements == 1) MatMul.PackRows(rows, a.QueryStride, queries, steps, query, Block, Block);
        else
        {
            WordFormat format = MatMul.FormatOf(a.Tile, left: false);
            for (int q = 0; q < queries; q++) MatMul.ConvertRow(format, rows + ((long)q * a.QueryStride), a.HeadSize,
                (uint*)words + (q * steps), 0);
            MatMul.PackRows(words, steps, queries, steps, query, Block, Block);
        }
    }

    private void QueryBlocks(int sequence, int head, int first, int blocks, in TMod headMod, in AttentionFactors factors, float* scores)
    {
        float* zeros = scores + (Block * Attention.KeyTile);
        int start = a.CuSeqlens[sequence], length = a.KeyLength(sequence);
        new Span<float>(zeros, Block).Clear();
        QueryBlock* block = stackalloc QueryBlock[BlocksTogether];
        for (int i = 0; i < blocks; i++)
            block[i] = Begin(sequence, head, first + (i * Block), headMod, scores + OfTile(a) + (i * OfBlock(a)), scores);

        // Tiles begin where they do whichever blocks are together: the order of sums does not depend on the threads.
        for (int key = FirstKey(block, blocks); key < length && !StopFlag.IsRaised(a.Stop); key = FirstKey(block, blocks))
        {
            int end = ((key / Attention.KeyTile) + 1) * Attention.KeyTile;
            for (int i = 0; i < blocks; i++)
                while (block[i].FirstKey < Math.Min(end, length))
                {
                    int from = block[i].FirstKey, to = Math.Min(end, block[i].EndKey);
                    KeyTile(ref block[i], from, to - from, headMod, factors, scores, zeros, start, head);
                    block[i].Pass(headMod, to, length);
                }
        }

        for (int i = 0; i < blocks; i++) End(block[i], start, head);
    }

    /// <summary>The first key that any of the blocks has still to see.</summary>
    private static int FirstKey(QueryBlock* block, int blocks)
    {
        int first = int.MaxValue;
        for (int i = 0; i < blocks; i++) first = Math.Min(first, block[i].FirstKey);
        return first;
    }

    private QueryBlock Begin(int sequence, int head, int first, in TMod headMod, float* memory, float* words)
    {
        int queries = Math.Min(Block, a.Length(sequence) - first), length = a.KeyLength(sequence);
        // A sink is as good as a key that was seen before all others, with a value of 0.
        T maximum = a.Sinks == null ? Attention.LowestMaximum : a.Sinks[head], sum = a.Sinks == null ? 0f : 1f;
        var block = new QueryBlock
        {
            Query = memory,
            Result = memory + (Block * a.HeadSize),
            First = first,
            Queries = queries,
            Softmax = new RunningSoftmax
            {
                Scale = (float)(1 / Math.Sqrt(a.HeadSize)),
                LeftQuery = T.LaneIndices + first,
                RightQuery = T.LaneIndices + (first + T.Lanes),
                LeftMaximum = maximum,
                RightMaximum = maximum,
                LeftSum = sum,
                RightSum = sum,
            },
        };
        (block.FirstKey, block.EndKey) = VisibleKeys.Next(headMod, 0, first, first + queries, length);
        PackQueries(a.Query(sequence, head) + ((long)first * a.QueryStride), queries, block.Query, words);
        return block;
    }

    private void KeyTile(
        ref QueryBlock block, int key, int keys, in TMod headMod, in AttentionFactors factors, float* scores, float* zeros,
        int start, int head)
    {
        AttentionProduct.Run<T>(
            a.Tile, keys, factors.Keys + (key * factors.KeyLeading), factors.KeyLeading, false, block.Query, a.Tile.Steps(a.HeadSize),
            zeros, scores);
        (T leftShrink, T rightShrink) = block.Softmax.Apply(headMod, scores, key, keys);
        if (block.IsBegun) Rescale(block.Result, leftShrink, rightShrink);
        if (a.Dropout.IsActive) Drop(scores, zeros + Block, start, head, block.First, key, keys);
        RoundWeights(scores, keys);
        AttentionProduct.Run<T>(
            a.Tile, a.HeadSize, factors.Values + (a.Tile.Steps(key) * factors.ValueLeading), factors.ValueLeading, true, scores,
            a.Tile.Steps(keys), block.IsBegun ? block.Result : zeros, block.Result);
        block.IsBegun = true;
    }

    private void End(in QueryBlock block, int start, int head)
    {
        RunningSoftmax softmax = block.Softmax;
        if (!block.IsBegun) new Span<float>(block.Result, Block * a.HeadSize).Clear();
        Finish(
            block.Result, softmax.LeftSum, softmax.RightSum,
            a.Result + ((long)(start + block.First) * a.Hidden) + ((long)head * a.HeadSize), block.Queries);
        if (a.LogSumExp == null) return;
        float* logSumExp = a.LogSumExp + ((long)head * a.Tokens) + start + block.First;
        SaveLogSumExp(softmax.LeftMaximum, softmax.LeftSum, logSumExp, Math.Min(block.Queries, T.Lanes));
        SaveLogSumExp(softmax.RightMaximum, softmax.RightSum, logSumExp + T.Lanes, block.Queries - T.Lanes);
    }

    /// <summary>A block of queries, as far as it has come.</summary>
    private struct QueryBlock
    {
        /// <summary>[steps of the head, Block].</summary>
        public float* Query;

        /// <summary>[headSize, Block], not divided yet.</summary>
        public float* Result;

        public int First, Queries;

        /// <summary>The keys of the present interval that were not seen yet; both the number of keys where none is left.</summary>
        public int FirstKey, EndKey;

        /// <summary>Whether there is a result, to which to add.</summary>
        public bool IsBegun;

        public RunningSoftmax Softmax;

        /// <summary>Leaves the keys before <paramref name="key"/> behind.</summary>
        public void Pass(in TMod headMod, int key, int length)
        {
            FirstKey = key;
            if (key >= EndKey) (FirstKey, EndKey) = VisibleKeys.Next(headMod, EndKey, First, First + Queries, length);
        }
    }

    /// <summary>Maxima and sums of the scores so far, of a block of queries in two registers.</summary>
    private struct RunningSoftmax
    {
        public T Scale, LeftQuery, RightQuery, LeftMaximum, RightMaximum, LeftSum, RightSum;

        /// <summary>Turns scores into weights <c>exp(mod(score) − maximum)</c>.</summary>
        /// <returns>By how much the sums so far, and what belongs to them, have shrunk.</returns>
        public (T Left, T Right) Apply(in TMod headMod, float* scores, int firstKey, int keys)
        {
            T leftMaximum = LeftMaximum, rightMaximum = RightMaximum;
            float* row = scores;
            for (int k = 0; k < keys; k++, row += Block)
            {
                T key = firstKey + k;
                T left = TMod.Score<T>(headMod, T.Load(row) * Scale, LeftQuery, key);
                T right = TMod.Score<T>(headMod, T.Load(row + T.Lanes) * Scale, RightQuery, key);
                T.Store(row, left);
                T.Store(row + T.Lanes, right);
                leftMaximum = T.Max(leftMaximum, left);
                rightMaximum = T.Max(rightMaximum, right);
            }

            T leftSum = 0f, rightSum = 0f;
            row = scores;
            for (int k = 0; k < keys; k++, row += Block)
            {
                T left = T.Exp(T.Load(row) - leftMaximum), right = T.Exp(T.Load(row + T.Lanes) - rightMaximum);
                T.Store(row, left);
                T.Store(row + T.Lanes, right);
                leftSum += left;
                rightSum += right;
            }

            T leftShrink = T.Exp(LeftMaximum - leftMaximum), rightShrink = T.Exp(RightMaximum - rightMaximum);
            (LeftMaximum, RightMaximum) = (leftMaximum, rightMaximum);
            (LeftSum, RightSum) = (T.MultiplyAdd(LeftSum, leftShrink, leftSum), T.MultiplyAdd(RightSum, rightShrink, rightSum));
            return (leftShrink, rightShrink);
        }
    }

    /// <summary>Drops weights of a tile, which the sums have counted.</summary>
    private void Drop(float* scores, float* factors, int start, int head, int first, int key, int keys)
    {
        a.Dropout.Fill(factors, Block, start, head, first, key, keys);
        for (int i = 0; i < keys * Block; i += T.Lanes) T.Store(scores + i, T.Load(scores + i) * T.Load(factors + i));
    }

    /// <summary>Makes rows of words of a tile's weights, in place.</summary>
    private void RoundWeights(float* scores, int keys)
    {
        if (a.Tile.Elements == 1) return;
        WordFormat format = MatMul.FormatOf(a.Tile, left: false);
        for (int k = 0; k < keys; k += a.Tile.Elements)
            MatMul.InterleaveRows(
                format, scores + (k * Block), Block, Math.Min(a.Tile.Elements, keys - k), Block, (uint*)scores + (a.Tile.Steps(k) * Block));
    }

    private void Rescale(float* result, T left, T right)
    {
        for (int d = 0; d < a.HeadSize; d++, result += Block)
        {
            T.Store(result, T.Load(result) * left);
            T.Store(result + T.Lanes, T.Load(result + T.Lanes) * right);
        }
    }

    /// <summary>Divides the accumulated <c>[headSize, Block]</c> by the sums and writes it, transposed, to the result's rows.</summary>
    private void Finish(float* accumulated, T leftSum, T rightSum, float* destination, int queries)
    {
        T zero = 0f, one = 1f;
        T left = T.IfLess(zero, leftSum, one / leftSum, zero), right = T.IfLess(zero, rightSum, one / rightSum, zero);
        Rescale(accumulated, left, right);
        MatMul.PackRows(accumulated, Block, a.HeadSize, queries, destination, a.HeadSize, a.Hidden);
    }

    private static void SaveLogSumExp(T maximum, T sum, float* destination, int count)
    {
        float* values = stackalloc float[2 * T.Lanes];
        T.Store(values, maximum);
        T.Store(values + T.Lanes, sum);
        for (int i = 0; i < count; i++) destination[i] = values[i] + MathF.Log(values[T.Lanes + i]);
    }
}
