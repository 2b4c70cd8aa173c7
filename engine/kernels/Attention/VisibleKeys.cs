namespace Engine.Kernels;

/// <summary>The intervals of keys that a block of queries may see, as <see cref="IScoreModification{TSelf}.Keys"/> says.</summary>
internal static class VisibleKeys
{
    /// <summary>The next interval, on the processor; (length, length) where there is none.</summary>
    /// <param name="mod">The parameters, of a head and a sequence.</param>
    /// <param name="from">0, or the end of the interval before.</param>
    /// <param name="firstQuery">The first query.</param>
    /// <param name="endQuery">Behind the last query.</param>
    /// <param name="length">The keys of the sequence.</param>
    public static (int First, int End) Next<TMod>(in TMod mod, int from, int firstQuery, int endQuery, int length)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        (SimdScalar first, SimdScalar end) = TMod.Keys<SimdScalar>(mod, from, firstQuery, endQuery, length);
        return Attention.Interval((int)first.Value, (int)end.Value, from, length);
    }

    /// <summary>The pairs of a query and a key that it may see, of so many queries and keys.</summary>
    public static double Pairs<TMod>(in TMod mod, int queries, int length)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        double pairs = 0;
        for (int query = 0; query < queries; query++)
            for (float from = 0; from < length;)
            {
                (SimdScalar first, SimdScalar end) = TMod.Keys<SimdScalar>(mod, from, query, query + 1, length);
                float begin = Math.Max(first.Value, from), behind = Math.Min(end.Value, length);
                pairs += Math.Max(0, behind - begin);
                from = begin < behind ? behind : length;
            }

        return pairs;
    }
}
