using Engine.Kernels;

namespace AttentionVariant;

/// <summary>
/// A sequence in blocks of tokens, of which a token sees its own and the neighbours on both sides (BigBird, arXiv 2007.14062).
/// </summary>
/// <param name="size">The tokens of a block.</param>
public readonly struct Blocks(int size) : IScoreModification<Blocks>
{
    private readonly float _size = size;

    /// <inheritdoc/>
    public static T Score<T>(in Blocks mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => T.IfLess(1f, T.Abs(T.Floor(query / mod._size) - T.Floor(key / mod._size)), float.NegativeInfinity, score);

    /// <inheritdoc/>
    public static (T First, T End) Keys<T>(in Blocks mod, T from, T firstQuery, T endQuery, T length)
        where T : unmanaged, IReal<T>
    {
        T first = T.Floor(firstQuery / mod._size) - 1f, end = T.Floor((endQuery - 1f) / mod._size) + 2f;
        return (T.Max(from, first * mod._size), T.Min(length, end * mod._size));
    }
}
