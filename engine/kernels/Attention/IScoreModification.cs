namespace Engine.Kernels;

/// <summary>
/// A modification of attention scores: <c>score' = f(score, query position, key position)</c>, where <c>score = q·k / sqrt(head
/// size)</c>. It is a type parameter of the attention kernels, so each variant is compiled into them at no cost, and its single source
/// serves the scalar form, every SIMD width, the GPU and the float64 reference. Positions are counted within the sequence.
/// </summary>
/// <typeparam name="TSelf">The struct that implements it; its fields are the parameters.</typeparam>
public interface IScoreModification<TSelf>
    where TSelf : unmanaged, IScoreModification<TSelf>
{
    /// <summary>The modified score; <c>float.NegativeInfinity</c> hides the key from the query.</summary>
    /// <param name="mod">The parameters, after <see cref="ForHead"/>.</param>
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
    /// The keys [first, end) that any query of [firstQuery, endQuery) may see, within a sequence of <paramref name="length"/>; tiles
    /// outside are skipped. All unless given.
    /// </summary>
    static virtual (int First, int End) Keys(in TSelf mod, int firstQuery, int endQuery, int length) => (0, length);
}
