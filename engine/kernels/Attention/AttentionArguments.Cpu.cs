namespace Engine.Kernels;

/// <summary>The operands of attention; see <see cref="Attention"/>.</summary>
internal unsafe struct AttentionArguments
{
    /// <summary>The first query, key and value.</summary>
    public float* Queries, Keys, Values;

    /// <summary>Floats from a query to the next; from a key to the next, and from a value.</summary>
    public int QueryStride, KeyStride;

    /// <summary>The borders of queries and of keys, [sequences + 1].</summary>
    public int* CuSeqlens, KeyCuSeqlens;

    public int Sequences;

    /// <summary>Heads of queries.</summary>
    public int Heads;

    /// <summary>Heads of queries that share one of keys.</summary>
    public int Group;

    public int HeadSize;

    /// <summary>[tokens, heads · headSize].</summary>
    public float* Result;

    /// <summary>Null, or [heads, tokens].</summary>
    public float* LogSumExp;

    /// <summary>Null, or [heads].</summary>
    public float* Sinks;

    /// <summary>What is dropped of the probabilities.</summary>
    public AttentionMask Dropout;

    /// <summary>The tile of its products, of two registers.</summary>
    public MatMulTile Tile;

    /// <summary>See <see cref="CpuLauncher.Stop"/>.</summary>
    public int* Stop;

    /// <summary>Those of an operation's operands.</summary>
    public static AttentionArguments Of(
        in QueryKeyValue qkv, in AttentionSequences sequences, AttentionHeads heads, Tensor logSumExp, Tensor y, Tensor sinks,
        in AttentionDropout dropout, in MatMulTile tile)
    {
        int headSize = y.Shape[1] / heads.Queries;
        return new()
        {
            Queries = qkv.Pointer(QkvPart.Queries, heads, headSize),
            Keys = qkv.Pointer(QkvPart.Keys, heads, headSize),
            Values = qkv.Pointer(QkvPart.Values, heads, headSize),
            QueryStride = qkv.QueryStride,
            KeyStride = qkv.KeyStride,
            CuSeqlens = sequences.Queries.Borders.Pointer<int>(),
            KeyCuSeqlens = sequences.Keys.Borders.Pointer<int>(),
            Sequences = sequences.Count,
            Heads = heads.Queries,
            Group = heads.Group,
            HeadSize = headSize,
            Result = y.Pointer<float>(),
            LogSumExp = logSumExp.Pointer<float>(),
            Sinks = sinks.Pointer<float>(),
            Dropout = dropout.Mask(),
            Tile = tile,
        };
    }

    public readonly int Hidden => Heads * HeadSize;

    public readonly int Tokens => CuSeqlens[Sequences];

    /// <summary>The queries of a sequence.</summary>
    public readonly int Length(int sequence) => CuSeqlens[sequence + 1] - CuSeqlens[sequence];

    /// <summary>Its keys.</summary>
    public readonly int KeyLength(int sequence) => KeyCuSeqlens[sequence + 1] - KeyCuSeqlens[sequence];

    /// <summary>The first query of a head in a sequence.</summary>
    public readonly float* Query(int sequence, int head) => Queries + ((long)CuSeqlens[sequence] * QueryStride) + ((long)head * HeadSize);

    /// <summary>From the first key, or value, of the batch to that of a head of queries in a sequence.</summary>
    public readonly long KeyOffset(int sequence, int head) =>
        ((long)KeyCuSeqlens[sequence] * KeyStride) + ((long)(head / Group) * HeadSize);
}

/// <summary>
/// Keys and values of one head of one sequence as the tile kernels read them: where they are, or rounded to pairs of bfloat16.
/// </summary>
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
    /// <param name="keys">The first key of the head, [length, headSize].</param>
    /// <param name="values">The first value.</param>
    /// <param name="leading">From a key, or value, to the next.</param>
    /// <param name="length">Tokens of the sequence.</param>
    /// <param name="headSize">The head's size.</param>
    /// <param name="memory">Room for <see cref="Length"/> words.</param>
    public static AttentionFactors Of(in MatMulTile tile, float* keys, float* values, long leading, int length, int headSize, float* memory)
    {
        if (tile.Elements == 1) return new() { Keys = keys, KeyLeading = leading, Values = values, ValueLeading = leading };
        WordFormat format = MatMul.FormatOf(tile, left: true);
        int words = tile.Steps(headSize);
        float* rounded = memory + ((long)length * words);
        var factors = new AttentionFactors { Keys = memory, KeyLeading = words, Values = rounded, ValueLeading = headSize };
        for (int k = 0; k < length; k++) MatMul.ConvertRow(format, keys + (k * leading), headSize, (uint*)memory + ((long)k * words), 0);
        for (int k = 0; k < length; k += tile.Elements)
        {
            uint* step = (uint*)factors.Values + ((long)tile.Steps(k) * headSize);
            MatMul.InterleaveRows(format, values + (k * leading), leading, Math.Min(tile.Elements, length - k), headSize, step);
        }

        return factors;
    }
}
