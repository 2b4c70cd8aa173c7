namespace Engine.Kernels;

/// <summary>Plain attention.</summary>
public readonly struct NoModification : IScoreModification<NoModification>
{
    /// <inheritdoc/>
    public static T Score<T>(in NoModification mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => score;
}

/// <summary>
/// All keys alike, <c>0</c>, whatever the score, whose derivative stays 1: what becomes of BERT's scores where every key is padding. The
/// mask that is added to them, the least number of its type, swallows them in the forward pass, and is a constant in the backward pass.
/// </summary>
public readonly struct UniformScores : IScoreModification<UniformScores>
{
    /// <inheritdoc/>
    public static T Score<T>(in UniformScores mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => 0f;
}

/// <summary>
/// Attention with linear biases, symmetric as in DNABERT-2: <c>score − slope · |query − key|</c> (Press et al., arXiv 2108.12409).
/// </summary>
public readonly struct Alibi : IScoreModification<Alibi>
{
    private readonly float _slope;

    private Alibi(float slope) => _slope = slope;

    /// <summary>
    /// The slope of a head. For 2^k heads it is <c>2^(−8 (head + 1) / heads)</c>; otherwise, with c the next lower power of two, the
    /// first c heads take the slopes for c heads and the rest every second slope for 2c heads, from the first.
    /// </summary>
    public static double Slope(int head, int heads)
    {
        int c = (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)heads + 1) / 2;
        return head < c ? Math.Pow(2, -8.0 * (head + 1) / c) : Math.Pow(2, -8.0 * ((2 * (head - c)) + 1) / (2 * c));
    }

    /// <inheritdoc/>
    public static Alibi ForHead(in Alibi mod, int head, int heads) => new((float)Slope(head, heads));

    /// <inheritdoc/>
    public static T Score<T>(in Alibi mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => T.MultiplyAdd(T.Abs(query - key), -mod._slope, score);
}

/// <summary>A query sees itself and what stands before it.</summary>
public readonly struct Causal : IScoreModification<Causal>
{
    /// <inheritdoc/>
    public static T Score<T>(in Causal mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => T.IfLess(query, key, float.NegativeInfinity, score);

    /// <inheritdoc/>
    public static (T First, T End) Keys<T>(in Causal mod, T from, T firstQuery, T endQuery, T length)
        where T : unmanaged, IReal<T>
        => (from, endQuery);
}

/// <summary>A query sees the keys at most <paramref name="radius"/> positions away, on both sides.</summary>
/// <param name="radius">The largest distance, in tokens.</param>
public readonly struct SlidingWindow(int radius) : IScoreModification<SlidingWindow>
{
    private readonly int _radius = radius;

    /// <inheritdoc/>
    public static T Score<T>(in SlidingWindow mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => T.IfLess(mod._radius, T.Abs(query - key), float.NegativeInfinity, score);

    /// <inheritdoc/>
    public static (T First, T End) Keys<T>(in SlidingWindow mod, T from, T firstQuery, T endQuery, T length)
        where T : unmanaged, IReal<T>
        => (T.Max(from, firstQuery - mod._radius), T.Min(length, endQuery + mod._radius));
}

/// <summary>Scores are held within ±<paramref name="cap"/>: <c>cap · tanh(score / cap)</c>.</summary>
/// <param name="cap">The bound.</param>
public readonly struct SoftCap(float cap) : IScoreModification<SoftCap>
{
    private readonly float _cap = cap;

    /// <inheritdoc/>
    public static T Score<T>(in SoftCap mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => mod._cap * T.Tanh(score / mod._cap);

    /// <inheritdoc/>
    public static T Derivative<T>(in SoftCap mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
    {
        T t = T.Tanh(score / mod._cap);
        return 1f - (t * t);
    }
}

/// <summary>
/// A learned bias for each head and clipped distance, <c>score + table[head, clamp(key − query, −R, R) + R]</c> (Shaw et al.,
/// arXiv 1803.02155, in the scalar form of T5, arXiv 1910.10683, with a bucket for each distance).
/// </summary>
public readonly struct RelativeBias : IScoreModification<RelativeBias>
{
    private readonly BiasTable _table;

    /// <param name="table">2R + 1 numbers for each head, that of distance −R first, where the key stands furthest before the query.</param>
    /// <exception cref="ArgumentException">The numbers of a head are even.</exception>
    public RelativeBias(BiasTable table) => _table = table.Entries % 2 == 1
        ? table
        : throw new ArgumentException(
            $"a table of relative biases has an odd number of entries for each head (−R … R), this one {table.Entries}");

    /// <summary>R, in tokens.</summary>
    public int Radius => _table.Entries / 2;

    /// <inheritdoc/>
    public static int Tables => 1;

    /// <inheritdoc/>
    public static BiasTable Table(in RelativeBias mod, int table) => mod._table;

    /// <inheritdoc/>
    public static T Entry<T>(in RelativeBias mod, int table, T query, T key)
        where T : unmanaged, IReal<T>
        => key - query + mod.Radius;

    /// <inheritdoc/>
    public static RelativeBias ForHead(in RelativeBias mod, int head, int heads) => new(mod._table.ForHead(head, heads));

    /// <inheritdoc/>
    public static T Score<T>(in RelativeBias mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => score + T.Lookup(mod._table, Entry(mod, 0, query, key));
}
