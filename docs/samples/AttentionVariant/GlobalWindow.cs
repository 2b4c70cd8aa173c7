using Engine.Kernels;

namespace AttentionVariant;

/// <summary>
/// A window on both sides, and global tokens at the sequence's begin that see all and are seen by all (Longformer, arXiv 2004.05150).
/// </summary>
/// <param name="global">The global tokens.</param>
/// <param name="radius">The largest distance within the window.</param>
public readonly struct GlobalWindow(int global, int radius) : IScoreModification<GlobalWindow>
{
    private readonly float _global = global, _radius = radius;

    /// <inheritdoc/>
    public static T Score<T>(in GlobalWindow mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
    {
        T windowed = T.IfLess(mod._radius, T.Abs(query - key), float.NegativeInfinity, score);
        return T.IfLess(T.Min(query, key), mod._global, score, windowed);
    }

    /// <inheritdoc/>
    public static (T First, T End) Keys<T>(in GlobalWindow mod, T from, T firstQuery, T endQuery, T length)
        where T : unmanaged, IReal<T>
    {
        // A block with a global query sees all; any other the global keys first, then its window.
        T first = T.Max(from, firstQuery - mod._radius), end = endQuery + mod._radius;
        T inGlobal = T.IfLess(from, mod._global, from, first), endGlobal = T.IfLess(from, mod._global, mod._global, end);
        return (T.IfLess(firstQuery, mod._global, from, inGlobal), T.IfLess(firstQuery, mod._global, length, endGlobal));
    }
}
