namespace Engine.Kernels;

/// <summary>
/// The heads of attention: each head of keys and values serves as many heads of queries that follow each other (grouped-query attention,
/// arXiv 2305.13245; with one head of keys, multi-query attention, arXiv 1911.02150).
/// </summary>
/// <param name="Queries">The heads of queries.</param>
/// <param name="Keys">The heads of keys and values, a divisor of those.</param>
public readonly record struct AttentionHeads(int Queries, int Keys)
{
    /// <summary>As many heads of keys as of queries.</summary>
    public static implicit operator AttentionHeads(int heads) => new(heads, heads);

    /// <summary>The heads of queries that share one of keys.</summary>
    internal int Group => Queries / Keys;

    /// <summary>The size of a head.</summary>
    /// <param name="hidden">The width of the result.</param>
    /// <exception cref="ArgumentException">The heads do not divide it, or each other.</exception>
    internal int SizeIn(int hidden)
    {
        if (Queries < 1 || hidden % Queries != 0) throw new ArgumentException($"{Queries} heads do not divide a width of {hidden}");
        if (Keys < 1 || Queries % Keys != 0) throw new ArgumentException($"{Keys} heads of keys do not divide {Queries} heads of queries");
        return hidden / Queries;
    }
}

/// <summary>
/// The borders of attention's sequences: those of the queries, and, in cross-attention, others for keys and values. A sequence of queries
/// sees the keys of the sequence of its number; either may be empty.
/// </summary>
public readonly struct AttentionSequences
{
    /// <summary>Borders for the queries and for the keys.</summary>
    /// <exception cref="ArgumentException">They have not as many sequences.</exception>
    public AttentionSequences(CuSeqlens queries, CuSeqlens keys)
    {
        if (queries.Sequences != keys.Sequences)
            throw new ArgumentException($"there are {queries.Sequences} sequences of queries and {keys.Sequences} of keys", nameof(keys));
        (Queries, Keys, IsCross) = (queries, keys, true);
    }

    private AttentionSequences(CuSeqlens both) => (Queries, Keys) = (both, both);

    /// <summary>Self-attention.</summary>
    public static implicit operator AttentionSequences(CuSeqlens both) => new(both);

    /// <summary>Of queries and results.</summary>
    public CuSeqlens Queries { get; }

    /// <summary>Of keys and values.</summary>
    public CuSeqlens Keys { get; }

    /// <summary>Whether they are two.</summary>
    internal bool IsCross { get; }

    /// <summary>The number of sequences.</summary>
    internal int Count => Queries.Sequences;

    /// <summary>The pairs of a query and a key of one sequence; of cross-attention, whose lengths lie on the backend, a bound.</summary>
    internal double Pairs => IsCross ? (double)Queries.Tokens * Keys.Longest : Queries.SquaredLengths;
}

/// <summary>
/// Queries, keys and values of attention, or their gradients: one tensor [tokens, (heads + 2 · key heads) · head size], laid out (queries,
/// keys, values), or one each: [tokens, heads · head size] and twice [keys, key heads · head size].
/// </summary>
public readonly struct QueryKeyValue
{
    private readonly Tensor _queries, _keys, _values;

    /// <summary>One tensor each.</summary>
    public QueryKeyValue(Tensor queries, Tensor keys, Tensor values) => (_queries, _keys, _values) = (queries, keys, values);

    /// <summary>All in one tensor.</summary>
    public static implicit operator QueryKeyValue(Tensor packed) => new(packed, default, default);

    /// <summary>Whether they are in one tensor.</summary>
    internal bool IsPacked => _keys.IsAbsent && _values.IsAbsent;

    /// <summary>The queries, or all.</summary>
    internal Tensor First => _queries;

    /// <summary>The values, or all: in their last columns are the values.</summary>
    internal Tensor WithValues => IsPacked ? _queries : _values;

    /// <summary>The same queries and keys with other values: a tensor as <see cref="WithValues"/> is.</summary>
    internal QueryKeyValue With(Tensor values) => IsPacked ? new(values, default, default) : new(_queries, _keys, values);

    /// <summary>Elements from a query to the next.</summary>
    internal int QueryStride => _queries.Shape[1];

    /// <summary>Elements from a key to the next, and from a value.</summary>
    internal int KeyStride => IsPacked ? QueryStride : _keys.Shape[1];

    /// <summary>One of the three, from its first element to the end of its tensor; rows keep the tensor's stride.</summary>
    internal Tensor Part(QkvPart part, AttentionHeads heads, int headSize)
    {
        if (!IsPacked) return part == QkvPart.Queries ? _queries : part == QkvPart.Keys ? _keys : _values;
        int offset = part == QkvPart.Queries ? 0 : (part == QkvPart.Keys ? heads.Queries : heads.Queries + heads.Keys) * headSize;
        long count = _queries.Count - offset;
        // An extent holds 2³¹ − 1 elements; kernels find rows by their stride, whatever the shape.
        return _queries.Count == 0 ? _queries
            : _queries.Slice(offset, count <= int.MaxValue ? new Shape((int)count) : new Shape((int)(count / QueryStride), QueryStride));
    }

    /// <summary>The address of a part, on the processor.</summary>
    internal unsafe float* Pointer(QkvPart part, AttentionHeads heads, int headSize) => Part(part, heads, headSize).Pointer<float>();

    /// <summary>Refuses tensors of other shapes.</summary>
    /// <param name="operands">Tells what is expected.</param>
    /// <param name="dtype">The type of the elements.</param>
    /// <param name="sequences">The borders.</param>
    /// <param name="heads">The heads.</param>
    /// <param name="headSize">Their size.</param>
    /// <param name="gradients">Whether these are gradients: messages name them so.</param>
    internal void Check(OperandCheck operands, DType dtype, in AttentionSequences sequences, AttentionHeads heads, int headSize,
        bool gradients)
    {
        if (!IsPacked)
        {
            operands.Expect(
                _queries, dtype, new Shape(sequences.Queries.Tokens, heads.Queries * headSize), gradients ? "dqueries" : "queries");
            operands.Expect(_keys, dtype, new Shape(sequences.Keys.Tokens, heads.Keys * headSize), gradients ? "dkeys" : "keys");
            operands.Expect(_values, dtype, _keys.Shape, gradients ? "dvalues" : "values");
            return;
        }

        if (sequences.IsCross)
            throw new ArgumentException(
                $"{(gradients ? "dqkv" : "qkv")} is one tensor, which keys with borders of their own do not fit; "
                + "give queries, keys and values");
        operands.Expect(_queries, dtype, new Shape(sequences.Queries.Tokens, (heads.Queries + (2 * heads.Keys)) * headSize),
            gradients ? "dqkv" : "qkv");
    }
}

/// <summary>Queries, keys or values.</summary>
internal enum QkvPart
{
    Queries,
    Keys,
    Values,
}
