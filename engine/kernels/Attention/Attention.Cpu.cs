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

    /// <summary>Room for the packed keys, then the packed values: twice <see cref="AttentionPacking{TS, TV}.Length"/>.</summary>
    public float* Packed;

    public readonly int Hidden => Heads * HeadSize;

    public readonly int Tokens => CuSeqlens[Sequences];
}

/// <summary>Where the packed keys and values of a (sequence, head) lie.</summary>
internal static unsafe class AttentionPacking<TS, TV>
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    /// <summary>The head size, rounded up to whole strips of <c>Vᵀ</c>.</summary>
    public static int PaddedHead(int headSize) => (headSize + TS.TileRows - 1) / TS.TileRows * TS.TileRows;

    /// <summary>Floats for all keys, or all values: every sequence is padded to whole strips of keys.</summary>
    public static long Length(int tokens, int sequences, int heads, int headSize) =>
        (tokens + ((long)sequences * (TS.TileRows - 1))) * heads * PaddedHead(headSize);

    /// <summary>The packed keys of a head; the values lie <see cref="Length"/> further.</summary>
    public static float* At(in AttentionArguments a, int sequence, int head)
    {
        int length = a.CuSeqlens[sequence + 1] - a.CuSeqlens[sequence];
        long before = a.CuSeqlens[sequence] + ((long)sequence * (TS.TileRows - 1));
        return a.Packed + (((before * a.Heads) + ((long)head * (length + TS.TileRows - 1))) * PaddedHead(a.HeadSize));
    }
}

/// <summary>Packs keys (as strips of keys) and values (as strips of <c>Vᵀ</c>) of every sequence and head.</summary>
internal readonly unsafe struct PackKeysValuesJob<TS, TV>(AttentionArguments a) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        long valuesOffset = AttentionPacking<TS, TV>.Length(a.Tokens, a.Sequences, a.Heads, a.HeadSize);
        (int start, int end) = Partition.Share(a.Sequences * a.Heads, 1, worker, workers);
        for (int i = start; i < end; i++)
        {
            int sequence = i / a.Heads, head = i % a.Heads;
            int length = a.CuSeqlens[sequence + 1] - a.CuSeqlens[sequence];
            float* keys = a.Qkv + ((a.CuSeqlens[sequence] * 3L) + 1) * a.Hidden + ((long)head * a.HeadSize);
            float* packed = AttentionPacking<TS, TV>.At(a, sequence, head);
            for (int k = 0; k < length; k += TS.TileRows)
                MatMul.PackRows(keys + (k * 3L * a.Hidden), 3L * a.Hidden, Math.Min(TS.TileRows, length - k), a.HeadSize,
                    packed + ((long)k * a.HeadSize), TS.TileRows, TS.TileRows);
            for (int d = 0; d < a.HeadSize; d += TS.TileRows)
                MatMul.PackColumns(keys + a.Hidden + d, 3L * a.Hidden, Math.Min(TS.TileRows, a.HeadSize - d), length,
                    packed + valuesOffset + ((long)d * length), TS.TileRows);
        }
    }
}

/// <summary>The attention of blocks of <c>2·Lanes</c> queries over packed keys and values.</summary>
internal readonly unsafe struct AttentionJob<TS, TV, TMod>(AttentionArguments a, TMod mod, float* scratch) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
    where TMod : unmanaged, IScoreModification<TMod>
{
    private static int Block => 2 * TS.Lanes;

    /// <summary>Floats of scratch memory that each worker needs: a query panel, a score tile, the result's accumulator.</summary>
    public static long ScratchPerWorker(int headSize) =>
        Block * (headSize + Attention.KeyTile + (long)AttentionPacking<TS, TV>.PaddedHead(headSize));

    public void Run(int worker, int workers)
    {
        // Cost of a query block ∝ the length of its sequence; every worker takes the blocks whose cost falls into its share.
        double total = 0;
        for (int s = 0; s < a.Sequences; s++) total += Cost(s) * a.Heads * Blocks(s);
        double from = total * worker / workers, to = worker == workers - 1 ? double.PositiveInfinity : total * (worker + 1) / workers;
        float* query = scratch + (worker * ScratchPerWorker(a.HeadSize));
        double before = 0;
        for (int s = 0; s < a.Sequences; s++)
        {
            double cost = Cost(s);
            for (int head = 0; head < a.Heads; head++)
            {
                TMod headMod = TMod.ForHead(mod, head, a.Heads);
                for (int b = 0; b < Blocks(s); b++, before += cost)
                    if (before >= from && before < to) QueryBlock(s, head, b * Block, headMod, query);
            }
        }
    }

    private double Cost(int sequence) => a.CuSeqlens[sequence + 1] - a.CuSeqlens[sequence];

    private int Blocks(int sequence) => (a.CuSeqlens[sequence + 1] - a.CuSeqlens[sequence] + Block - 1) / Block;

    private void QueryBlock(int sequence, int head, int first, in TMod headMod, float* query)
    {
        float* scores = query + (Block * a.HeadSize);
        float* result = scores + (Block * Attention.KeyTile);
        int start = a.CuSeqlens[sequence], length = a.CuSeqlens[sequence + 1] - start;
        int queries = Math.Min(Block, length - first);
        float* packedKeys = AttentionPacking<TS, TV>.At(a, sequence, head);
        float* packedValues = packedKeys + AttentionPacking<TS, TV>.Length(a.Tokens, a.Sequences, a.Heads, a.HeadSize);
        MatMul.PackRows(a.Qkv + (((start + first) * 3L) * a.Hidden) + ((long)head * a.HeadSize), 3L * a.Hidden, queries, a.HeadSize, query, Block, Block);

        TV scale = TS.Broadcast((float)(1 / Math.Sqrt(a.HeadSize)));
        TV leftPosition = TS.Add(TS.LaneIndices(), TS.Broadcast(first)), rightPosition = TS.Add(leftPosition, TS.Broadcast(TS.Lanes));
        TV leftMaximum = TS.Broadcast(Attention.LowestMaximum), rightMaximum = leftMaximum;
        TV leftSum = TS.Constant(0), rightSum = TS.Constant(0);
        new Span<float>(result, Block * AttentionPacking<TS, TV>.PaddedHead(a.HeadSize)).Clear();

        (int firstKey, int endKey) = TMod.Keys(headMod, first, first + queries, length);
        firstKey -= firstKey % TS.TileRows;
        for (int key = firstKey; key < endKey; key += Attention.KeyTile)
        {
            int keys = Math.Min(Attention.KeyTile, endKey - key);
            for (int k = 0; k < keys; k += TS.TileRows)
                MatMul.Tile<TS, TV>(a.HeadSize, packedKeys + ((long)(key + k) * a.HeadSize), query, scores + (k * Block), accumulate: false);

            TV leftOld = leftMaximum, rightOld = rightMaximum;
            Modify(headMod, scores, key, keys, scale, leftPosition, ref leftMaximum);
            Modify(headMod, scores + TS.Lanes, key, keys, scale, rightPosition, ref rightMaximum);
            TV leftShrink = TS.Exp(TS.Subtract(leftOld, leftMaximum)), rightShrink = TS.Exp(TS.Subtract(rightOld, rightMaximum));
            leftSum = TS.Add(TS.Multiply(leftSum, leftShrink), Exponentiate(scores, keys, leftMaximum));
            rightSum = TS.Add(TS.Multiply(rightSum, rightShrink), Exponentiate(scores + TS.Lanes, keys, rightMaximum));
            for (int d = 0; d < a.HeadSize; d++)
            {
                float* row = result + (d * Block);
                TS.Store(row, TS.Multiply(TS.Load(row), leftShrink));
                TS.Store(row + TS.Lanes, TS.Multiply(TS.Load(row + TS.Lanes), rightShrink));
            }

            for (int d = 0; d < a.HeadSize; d += TS.TileRows)
                MatMul.Tile<TS, TV>(keys, packedValues + ((long)d * length) + ((long)key * TS.TileRows), scores, result + (d * Block), accumulate: true);
        }

        Finish(result, leftSum, rightSum, a.Result + ((long)(start + first) * a.Hidden) + ((long)head * a.HeadSize), queries);
        if (a.LogSumExp != null)
        {
            float* logSumExp = a.LogSumExp + ((long)head * a.Tokens) + start + first;
            SaveLogSumExp(leftMaximum, leftSum, logSumExp, Math.Min(queries, TS.Lanes));
            SaveLogSumExp(rightMaximum, rightSum, logSumExp + TS.Lanes, queries - TS.Lanes);
        }
    }

    /// <summary>Scales and modifies one register column of a score tile, and raises the running maximum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Modify(in TMod headMod, float* scores, int firstKey, int keys, TV scale, TV query, ref TV maximum)
    {
        TV max = maximum;
        for (int k = 0; k < keys; k++, scores += Block)
        {
            TV score = TMod.Score<TS, TV>(headMod, TS.Multiply(TS.Load(scores), scale), query, TS.Broadcast(firstKey + k));
            TS.Store(scores, score);
            max = TS.Max(max, score);
        }

        maximum = max;
    }

    /// <summary>Turns one register column of scores into exp(score − maximum) and returns their sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TV Exponentiate(float* scores, int keys, TV maximum)
    {
        TV sum = TS.Constant(0);
        for (int k = 0; k < keys; k++, scores += Block)
        {
            TV weight = TS.Exp(TS.Subtract(TS.Load(scores), maximum));
            TS.Store(scores, weight);
            sum = TS.Add(sum, weight);
        }

        return sum;
    }

    /// <summary>Divides the accumulated <c>[headSize, Block]</c> by the sums and writes it, transposed, to the result's rows.</summary>
    private void Finish(float* accumulated, TV leftSum, TV rightSum, float* destination, int queries)
    {
        TV zero = TS.Constant(0), one = TS.Constant(1);
        TV left = TS.IfLess(zero, leftSum, TS.Divide(one, leftSum), zero), right = TS.IfLess(zero, rightSum, TS.Divide(one, rightSum), zero);
        for (int d = 0; d < a.HeadSize; d++)
        {
            float* row = accumulated + (d * Block);
            TS.Store(row, TS.Multiply(TS.Load(row), left));
            TS.Store(row + TS.Lanes, TS.Multiply(TS.Load(row + TS.Lanes), right));
        }

        MatMul.PackRows(accumulated, Block, a.HeadSize, queries, destination, a.HeadSize, a.Hidden);
    }

    private static void SaveLogSumExp(TV maximum, TV sum, float* destination, int count)
    {
        float* values = stackalloc float[2 * TS.Lanes];
        TS.Store(values, maximum);
        TS.Store(values + TS.Lanes, sum);
        for (int i = 0; i < count; i++) destination[i] = values[i] + MathF.Log(values[TS.Lanes + i]);
    }
}
