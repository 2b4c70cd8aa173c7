namespace Engine.Kernels;

/// <summary>Plain attention.</summary>
public readonly struct NoModification : IScoreModification<NoModification>
{
    /// <inheritdoc/>
    public static TV Score<TM, TV>(in NoModification mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
        => score;
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
    public static TV Score<TM, TV>(in Alibi mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
        => TM.MultiplyAdd(TM.Abs(TM.Subtract(query, key)), TM.Constant(-mod._slope), score);
}

/// <summary>A query sees itself and what stands before it.</summary>
public readonly struct Causal : IScoreModification<Causal>
{
    /// <inheritdoc/>
    public static TV Score<TM, TV>(in Causal mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
        => TM.IfLess(query, key, TM.Constant(double.NegativeInfinity), score);

    /// <inheritdoc/>
    public static (int First, int End) Keys(in Causal mod, int firstQuery, int endQuery, int length) => (0, endQuery);
}

/// <summary>A query sees the keys at most <paramref name="radius"/> positions away, on both sides.</summary>
/// <param name="radius">The largest distance, in tokens.</param>
public readonly struct SlidingWindow(int radius) : IScoreModification<SlidingWindow>
{
    private readonly int _radius = radius;

    /// <inheritdoc/>
    public static TV Score<TM, TV>(in SlidingWindow mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
        => TM.IfLess(TM.Constant(mod._radius), TM.Abs(TM.Subtract(query, key)), TM.Constant(double.NegativeInfinity), score);

    /// <inheritdoc/>
    public static (int First, int End) Keys(in SlidingWindow mod, int firstQuery, int endQuery, int length) =>
        ((int)Math.Max(0, (long)firstQuery - mod._radius), (int)Math.Min(length, (long)endQuery + mod._radius));
}

/// <summary>Scores are held within ±<paramref name="cap"/>: <c>cap · tanh(score / cap)</c>.</summary>
/// <param name="cap">The bound.</param>
public readonly struct SoftCap(float cap) : IScoreModification<SoftCap>
{
    private readonly float _cap = cap;

    /// <inheritdoc/>
    public static TV Score<TM, TV>(in SoftCap mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
        => TM.Multiply(TM.Constant(mod._cap), TM.Tanh(TM.Divide(score, TM.Constant(mod._cap))));

    /// <inheritdoc/>
    public static TV Derivative<TM, TV>(in SoftCap mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
    {
        TV t = TM.Tanh(TM.Divide(score, TM.Constant(mod._cap)));
        return TM.Subtract(TM.Constant(1), TM.Multiply(t, t));
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
        : throw new ArgumentException($"a table of relative biases has an odd number of entries for each head (−R … R), this one {table.Entries}");

    /// <summary>R, in tokens.</summary>
    public int Radius => _table.Entries / 2;

    /// <inheritdoc/>
    public static RelativeBias ForHead(in RelativeBias mod, int head, int heads) => new(mod._table.ForHead(head, heads));

    /// <inheritdoc/>
    public static TV Score<TM, TV>(in RelativeBias mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
        => TM.Add(score, TM.Lookup(mod._table, TM.Add(TM.Subtract(key, query), TM.Constant(mod.Radius))));
}
