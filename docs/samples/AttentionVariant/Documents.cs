using Engine.Kernels;

namespace AttentionVariant;

/// <summary>A token sees the tokens of its own document: sequences that hold several, one behind the other.</summary>
/// <param name="starts">[sequences, tokens]: the position at which the document of each token begins.</param>
/// <param name="ends">[sequences, tokens]: the position behind its last token.</param>
public readonly struct Documents(BiasTable starts, BiasTable ends) : IScoreModification<Documents>
{
    private readonly BiasTable _starts = starts, _ends = ends;

    /// <inheritdoc/>
    public static Documents ForSequence(in Documents mod, int sequence) => new(mod._starts.Row(sequence), mod._ends.Row(sequence));

    /// <inheritdoc/>
    public static T Score<T>(in Documents mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
    {
        T before = T.IfLess(key, T.Lookup(mod._ends, query), score, float.NegativeInfinity);
        return T.IfLess(key, T.Lookup(mod._starts, query), float.NegativeInfinity, before);
    }

    /// <inheritdoc/>
    public static (T First, T End) Keys<T>(in Documents mod, T from, T firstQuery, T endQuery, T length)
        where T : unmanaged, IReal<T>
        => (T.Max(from, T.Lookup(mod._starts, firstQuery)), T.Lookup(mod._ends, endQuery - 1f));
}
