namespace Engine.Kernels;

/// <summary>
/// A modification of attention scores: <c>score' = f(score, query position, key position)</c>, where <c>score = q·k / sqrt(head
/// size)</c>. It is a type parameter of the attention kernels, so each variant is compiled into them at no cost, and its single source
/// serves the scalar form, every SIMD width, the GPU and the float64 reference. Positions are counted within the sequence; which sequence
/// of the batch it is, <see cref="ForSequence"/> is told.
/// </summary>
/// <typeparam name="TSelf">The struct that implements it; its fields are the parameters.</typeparam>
public interface IScoreModification<TSelf>
    where TSelf : unmanaged, IScoreModification<TSelf>
{
    /// <summary>The modified score; <c>float.NegativeInfinity</c> hides the key from the query.</summary>
    /// <param name="mod">The parameters, after <see cref="ForHead"/> and <see cref="ForSequence"/>.</param>
    /// <param name="score">The scaled product of query and key.</param>
    /// <param name="query">The query's position.</param>
    /// <param name="key">The key's position.</param>
    static abstract T Score<T>(in TSelf mod, T score, T query, T key)
        where T : unmanaged, IReal<T>;

    /// <summary>The derivative of <see cref="Score"/> by the score; 1 unless given.</summary>
    static virtual T Derivative<T>(in TSelf mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => 1f;

    /// <summary>The parameters for one head of so many; the same for all unless given.</summary>
    static virtual TSelf ForHead(in TSelf mod, int head, int heads) => mod;

    /// <summary>
    /// The parameters for one sequence of the packed batch; the same for all unless given. It runs within kernels, after
    /// <see cref="ForHead"/>, once for each block of scores.
    /// </summary>
    /// <param name="mod">The parameters of the head.</param>
    /// <param name="sequence">The sequence's number in the batch, from 0.</param>
    static virtual TSelf ForSequence(in TSelf mod, int sequence) => mod;

    /// <summary>
    /// The first interval [first, end) of keys at or after <paramref name="from"/> that any query of [firstQuery, endQuery) may see; one
    /// with first ≥ end says that there is none. It is asked again from the end of each interval, so the keys of all the answers are a
    /// union of intervals, in order, and tiles outside of it are skipped. All keys unless given. All numbers are whole.
    /// </summary>
    /// <param name="mod">The parameters, after <see cref="ForHead"/> and <see cref="ForSequence"/>.</param>
    /// <param name="from">Where to begin; an answer before it counts from here.</param>
    /// <param name="firstQuery">The first query's position.</param>
    /// <param name="endQuery">The position behind the last query.</param>
    /// <param name="length">The number of keys of the sequence; an answer beyond it ends there.</param>
    static virtual (T First, T End) Keys<T>(in TSelf mod, T from, T firstQuery, T endQuery, T length)
        where T : unmanaged, IReal<T>
        => (from, length);

    /// <summary>
    /// The tables that the score looks up and whose gradients may be wanted, at most four; 0 unless given. A
    /// table that is looked up at two places is listed twice.
    /// </summary>
    static virtual int Tables => 0;

    /// <summary>
    /// One of the tables: of the whole modification, and, after <see cref="ForHead"/> and <see cref="ForSequence"/>, the row in use.
    /// </summary>
    static virtual BiasTable Table(in TSelf mod, int table) => default;

    /// <summary>The position at which the score looks a table up, a whole number; one outside is held at the border, as there.</summary>
    static virtual T Entry<T>(in TSelf mod, int table, T query, T key)
        where T : unmanaged, IReal<T>
        => 0f;

    /// <summary>The derivative of <see cref="Score"/> by the number that it looks up in a table; 1 unless given, which is a sum.</summary>
    static virtual T EntryDerivative<T>(in TSelf mod, int table, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => 1f;
}
