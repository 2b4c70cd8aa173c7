using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>The operands of attention; see <see cref="Attention"/>.</summary>
internal unsafe struct AttentionArguments
{
    /// <summary>[tokens, 3 · heads · headSize].</summary>
    public float* Qkv;

    /// <summary>[sequences + 1].</summary>
    public int* CuSeqlens;

    public int Sequences;

    public int Heads;

    public int HeadSize;

    /// <summary>[tokens, heads · headSize].</summary>
    public float* Result;

    /// <summary>Null, or [heads, tokens].</summary>
    public float* LogSumExp;

    /// <summary>What is dropped of the probabilities.</summary>
    public AttentionMask Dropout;

    /// <summary>The tile of its products, of two registers.</summary>
    public MatMulTile Tile;

    /// <summary>Those of an operation's operands.</summary>
    public static AttentionArguments Of(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, Tensor logSumExp, Tensor y, in AttentionDropout dropout, in MatMulTile tile) => new()
        {
            Qkv = qkv.Pointer<float>(),
            CuSeqlens = cuSeqlens.Borders.Pointer<int>(),
            Sequences = cuSeqlens.Sequences,
            Heads = heads,
            HeadSize = y.Shape[1] / heads,
            Result = y.Pointer<float>(),
            LogSumExp = logSumExp.Pointer<float>(),
            Dropout = dropout.Mask(),
            Tile = tile,
        };

    public readonly int Hidden => Heads * HeadSize;

    public readonly int Tokens => CuSeqlens[Sequences];
}

/// <summary>Keys and values of one head of one sequence as the tile kernels read them: where they are, or rounded to pairs of bfloat16.</summary>
internal unsafe struct AttentionFactors
{
    /// <summary>Words of a key follow each other.</summary>
    public float* Keys;

    /// <summary>From a key to the next.</summary>
    public long KeyLeading;

    /// <summary>Values by columns: words of a step follow each other.</summary>
    public float* Values;

    /// <summary>From a step to the next: of one value, or of a pair of them.</summary>
    public long ValueLeading;

    /// <summary>Words for rounded factors of a sequence.</summary>
    public static long Length(in MatMulTile tile, int length, int headSize) =>
        tile.Elements == 1 ? 0 : ((long)length * tile.Steps(headSize)) + ((long)tile.Steps(length) * headSize);

    /// <summary>The factors of a head.</summary>
    /// <param name="tile">Whose kernels read them.</param>
    /// <param name="keys">The first key of the head, [length, headSize]; the values are <paramref name="toValues"/> floats behind.</param>
    /// <param name="toValues">See above.</param>
    /// <param name="leading">From a key, or value, to the next.</param>
    /// <param name="length">Tokens of the sequence.</param>
    /// <param name="headSize">The head's size.</param>
    /// <param name="memory">Room for <see cref="Length"/> words.</param>
    public static AttentionFactors Of(in MatMulTile tile, float* keys, long toValues, long leading, int length, int headSize, float* memory)
    {
        if (tile.Elements == 1) return new() { Keys = keys, KeyLeading = leading, Values = keys + toValues, ValueLeading = leading };
        WordFormat format = MatMul.FormatOf(tile, left: true);
        int words = tile.Steps(headSize);
        var factors = new AttentionFactors { Keys = memory, KeyLeading = words, Values = memory + ((long)length * words), ValueLeading = headSize };
        for (int k = 0; k < length; k++) MatMul.ConvertRow(format, keys + (k * leading), headSize, (uint*)memory + ((long)k * words), 0);
        for (int k = 0; k < length; k += tile.Elements)
        {
            uint* step = (uint*)factors.Values + ((long)tile.Steps(k) * headSize);
            MatMul.InterleaveRows(format, keys + toValues + (k * leading), leading, Math.Min(tile.Elements, length - k), headSize, step);
        }

        return factors;
    }
}

/// <summary>
/// The attention of blocks of <c>2·Lanes</c> queries. Some blocks go through the keys together, so that of a long sequence a tile of keys and
/// values is brought into L2 once for all of them.
/// </summary>
internal readonly unsafe struct AttentionJob<T, TMod>(AttentionArguments a, TMod mod, float* scratch) : IJob
    where T : unmanaged, ISimd<T>
    where TMod : unmanaged, IScoreModification<TMod>
{
    private const int BlocksTogether = 8;

    private static int Block => 2 * T.Lanes;

    /// <summary>
    /// Floats of scratch memory that each worker needs: a score tile, zeros, a tile of dropout, query panels and accumulators of the results,
    /// and rounded keys and values.
    /// </summary>
    public static long ScratchPerWorker(in AttentionArguments a)
    {
        int longest = 0;
        for (int s = 0; s < a.Sequences; s++) longest = Math.Max(longest, a.CuSeqlens[s + 1] - a.CuSeqlens[s]);
        return OfTile(a) + (BlocksTogether * OfBlock(a)) + AttentionFactors.Length(a.Tile, longest, a.HeadSize);
    }

    private static long OfTile(in AttentionArguments a) => Block * (Attention.KeyTile + 1L + (a.Dropout.IsActive ? Attention.KeyTile : 0));

    private static long OfBlock(in AttentionArguments a) => 2L * Block * a.HeadSize;

    public void Run(int worker, int workers)
    {
        // Cost of a query block ∝ the length of its sequence; every worker takes the blocks whose cost falls into its share.
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

    private double Cost(int sequence) => a.CuSeqlens[sequence + 1] - a.CuSeqlens[sequence];

    private int Blocks(int sequence) => (a.CuSeqlens[sequence + 1] - a.CuSeqlens[sequence] + Block - 1) / Block;

    private float* Query(int sequence, int head) => a.Qkv + (a.CuSeqlens[sequence] * 3L * a.Hidden) + ((long)head * a.HeadSize);

    private AttentionFactors Factors(int sequence, int head, float* memory) => AttentionFactors.Of(
        a.Tile, Query(sequence, head) + a.Hidden, a.Hidden, 3L * a.Hidden, a.CuSeqlens[sequence + 1] - a.CuSeqlens[sequence], a.HeadSize, memory);

    /// <summary>Transposes the queries of a block to <c>[steps of the head, Block]</c>; there is none in the last columns.</summary>
    private void PackQueries(float* rows, int queries, float* query, float* words)
    {
        int steps = a.Tile.Steps(a.HeadSize);
        if (a.Tile.Elements == 1) MatMul.PackRows(rows, 3L * a.Hidden, queries, steps, query, Block, Block);
        else
        {
            WordFormat format = MatMul.FormatOf(a.Tile, left: false);
            for (int q = 0; q < queries; q++) MatMul.ConvertRow(format, rows + (q * 3L * a.Hidden), a.HeadSize, (uint*)words + (q * steps), 0);
            MatMul.PackRows(words, steps, queries, steps, query, Block, Block);
        }
    }

    private void QueryBlocks(int sequence, int head, int first, int blocks, in TMod headMod, in AttentionFactors factors, float* scores)
    {
        float* zeros = scores + (Block * Attention.KeyTile);
        int start = a.CuSeqlens[sequence], length = a.CuSeqlens[sequence + 1] - start;
        new Span<float>(zeros, Block).Clear();
        QueryBlock* block = stackalloc QueryBlock[BlocksTogether];
        for (int i = 0; i < blocks; i++)
            block[i] = Begin(sequence, head, first + (i * Block), length, headMod, scores + OfTile(a) + (i * OfBlock(a)), scores);

        // Tiles begin where they do whichever blocks are together: the order of sums does not depend on the threads.
        for (int key = FirstKey(block, blocks); key < length; key = FirstKey(block, blocks))
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

    private QueryBlock Begin(int sequence, int head, int first, int length, in TMod headMod, float* memory, float* words)
    {
        int queries = Math.Min(Block, length - first);
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
                LeftMaximum = Attention.LowestMaximum,
                RightMaximum = Attention.LowestMaximum,
                LeftSum = 0f,
                RightSum = 0f,
            },
        };
        (block.FirstKey, block.EndKey) = VisibleKeys.Next(headMod, 0, first, first + queries, length);
        PackQueries(Query(sequence, head) + (first * 3L * a.Hidden), queries, block.Query, words);
        return block;
    }

    private void KeyTile(
        ref QueryBlock block, int key, int keys, in TMod headMod, in AttentionFactors factors, float* scores, float* zeros, int start, int head)
    {
        AttentionProduct.Run<T>(
            a.Tile, keys, factors.Keys + (key * factors.KeyLeading), factors.KeyLeading, false, block.Query, a.Tile.Steps(a.HeadSize), zeros, scores);
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
            block.Result, softmax.LeftSum, softmax.RightSum, a.Result + ((long)(start + block.First) * a.Hidden) + ((long)head * a.HeadSize), block.Queries);
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

/// <summary>The products of attention: a panel of <c>2·Lanes</c> columns times rows of any number.</summary>
internal static unsafe class AttentionProduct
{
    /// <summary><c>result[r, c] = start[r, c] + Σₛ left[r, s] · right[s, c]</c>, in strips of nearly equal height.</summary>
    /// <param name="tile">The tile; c runs over its width.</param>
    /// <param name="rows">Rows of the result.</param>
    /// <param name="left">The left factor.</param>
    /// <param name="leading">Words from one of its rows to the next; or, by columns, from a step to the next.</param>
    /// <param name="byColumns">Whether the rows of the left factor lie side by side.</param>
    /// <param name="right">[steps, width].</param>
    /// <param name="steps">Length of the reduction.</param>
    /// <param name="start">The result itself, or a row that all of its rows begin with.</param>
    /// <param name="result">[rows, width].</param>
    public static void Run<T>(
        in MatMulTile tile, int rows, float* left, long leading, bool byColumns, float* right, int steps, float* start, float* result)
        where T : unmanaged, ISimd<T>
    {
        int strips = (rows + tile.Rows - 1) / tile.Rows, row = 0;
        for (int strip = 0; strip < strips; strip++)
        {
            int height = (rows - row + strips - strip - 1) / (strips - strip);
            var arguments = new TileArguments
            {
                Left = (uint*)(left + (byColumns ? row : row * leading)),
                LeftStride = leading * sizeof(float),
                Right = (uint*)right,
                Steps = steps,
                Start = start == result ? result + ((long)row * tile.Width) : start,
                StartStride = start == result ? tile.Width * sizeof(float) : 0,
                Tile = result + ((long)row * tile.Width),
                Prefetch = right,
            };
            tile.Run<T>(height, &arguments, byColumns);
            row += height;
        }
    }
}
