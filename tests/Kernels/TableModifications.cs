using Engine.Kernels;

namespace Tests.Kernels;

/// <summary>
/// A bias of each key, with a row for each sequence: <c>score + table[sequence, key]</c>. All queries of a key share an entry.
/// </summary>
internal readonly struct KeyBias(BiasTable table) : IScoreModification<KeyBias>
{
    private readonly BiasTable _table = table;

    public static int Tables => 1;

    public static BiasTable Table(in KeyBias mod, int table) => mod._table;

    public static T Entry<T>(in KeyBias mod, int table, T query, T key)
        where T : unmanaged, IReal<T>
        => key;

    public static KeyBias ForSequence(in KeyBias mod, int sequence) => new(mod._table.Row(sequence));

    public static T Score<T>(in KeyBias mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => score + T.Lookup(mod._table, key);
}

/// <summary>
/// Two tables behind a function that is not linear: <c>tanh(score · gate[query] + bias[head, |query − key|])</c>; all heads and sequences
/// share the one row of gates.
/// </summary>
internal readonly struct Gated(BiasTable gates, BiasTable biases) : IScoreModification<Gated>
{
    private readonly BiasTable _gates = gates, _biases = biases;

    public static int Tables => 2;

    public static BiasTable Table(in Gated mod, int table) => table == 0 ? mod._gates : mod._biases;

    public static T Entry<T>(in Gated mod, int table, T query, T key)
        where T : unmanaged, IReal<T>
        => table == 0 ? query : T.Abs(query - key);

    public static T EntryDerivative<T>(in Gated mod, int table, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => table == 0 ? Slope(mod, score, query, key) * score : Slope(mod, score, query, key);

    public static Gated ForHead(in Gated mod, int head, int heads) => new(mod._gates, mod._biases.ForHead(head, heads));

    public static T Score<T>(in Gated mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => T.Tanh((score * T.Lookup(mod._gates, query)) + T.Lookup(mod._biases, T.Abs(query - key)));

    public static T Derivative<T>(in Gated mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => Slope(mod, score, query, key) * T.Lookup(mod._gates, query);

    private static T Slope<T>(in Gated mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
    {
        T value = Score(mod, score, query, key);
        return 1f - (value * value);
    }
}
