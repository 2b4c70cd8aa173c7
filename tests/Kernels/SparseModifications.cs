using AttentionVariant;
using Conformance.Cases;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Kernels;

/// <summary>Sequences of documents, for <see cref="Documents"/>.</summary>
internal sealed class DocumentTable
{
    private readonly ScoreTable _starts, _ends;

    /// <param name="documents">The lengths of the documents of each sequence.</param>
    public DocumentTable(params int[][] documents)
    {
        int longest = Math.Max(1, documents.Max(d => d.Sum()));
        var starts = new float[documents.Length * longest];
        var ends = new float[starts.Length];
        for (int s = 0; s < documents.Length; s++)
        {
            int position = 0;
            foreach (int length in documents[s])
            {
                starts.AsSpan((s * longest) + position, length).Fill(position);
                ends.AsSpan((s * longest) + position, length).Fill(position += length);
            }
        }

        (_starts, _ends) = (new(documents.Length, starts), new(documents.Length, ends));
        Lengths = [.. documents.Select(d => d.Sum())];
    }

    /// <summary>The lengths of the sequences.</summary>
    public int[] Lengths { get; }

    /// <summary>The modification where references are computed, which lives as long as this.</summary>
    public Documents Here => new(_starts.Here, _ends.Here);

    /// <summary>The modification on a backend.</summary>
    public Documents On(Backend backend, Rent rent) => new(_starts.On(backend, rent), _ends.On(backend, rent));
}

/// <summary>Blocks of which a token sees every other one, its own among them: as many intervals as there are such blocks.</summary>
internal readonly struct EveryOtherBlock(int size) : IScoreModification<EveryOtherBlock>
{
    private readonly float _size = size;

    public static T Score<T>(in EveryOtherBlock mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => T.IfLess(Parity(mod, query, key), 0.25f, score, float.NegativeInfinity);

    public static (T First, T End) Keys<T>(in EveryOtherBlock mod, T from, T firstQuery, T endQuery, T length)
        where T : unmanaged, IReal<T>
    {
        // The block of the next key, or the one behind it. Queries of two blocks see all.
        T block = T.Floor(from / mod._size) + T.IfLess(0.25f, Parity(mod, firstQuery, from), 1f, 0f);
        T oneBlock = T.Floor(firstQuery / mod._size) - T.Floor((endQuery - 1f) / mod._size);
        return (T.IfLess(oneBlock, 0f, from, T.Max(from, block * mod._size)), T.IfLess(oneBlock, 0f, length, (block + 1f) * mod._size));
    }

    // 0 where the numbers of the blocks differ by an even number, else 1/2.
    private static T Parity<T>(in EveryOtherBlock mod, T query, T key)
        where T : unmanaged, IReal<T>
    {
        T half = (T.Floor(query / mod._size) - T.Floor(key / mod._size)) * 0.5f;
        return half - T.Floor(half);
    }
}

/// <summary>A strength of its own for each sequence: <c>score · table[sequence, 0]</c>.</summary>
internal readonly struct SequenceScale(BiasTable table) : IScoreModification<SequenceScale>
{
    private readonly BiasTable _table = table;

    public static SequenceScale ForSequence(in SequenceScale mod, int sequence) => new(mod._table.Row(sequence));

    public static T Score<T>(in SequenceScale mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => score * T.Lookup(mod._table, 0f);

    public static T Derivative<T>(in SequenceScale mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => T.Lookup(mod._table, 0f);
}

/// <summary>A modification that counts the pairs whose scores are computed, on one thread.</summary>
internal readonly unsafe struct Counted<TMod>(TMod mod, long* pairs) : IScoreModification<Counted<TMod>>
    where TMod : unmanaged, IScoreModification<TMod>
{
    private readonly TMod _mod = mod;
    private readonly long* _pairs = pairs;

    public static Counted<TMod> ForHead(in Counted<TMod> mod, int head, int heads) => new(TMod.ForHead(mod._mod, head, heads), mod._pairs);

    public static Counted<TMod> ForSequence(in Counted<TMod> mod, int sequence) => new(TMod.ForSequence(mod._mod, sequence), mod._pairs);

    public static T Score<T>(in Counted<TMod> mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
    {
        *mod._pairs += sizeof(T) / sizeof(float);
        return TMod.Score(mod._mod, score, query, key);
    }

    public static T Derivative<T>(in Counted<TMod> mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => TMod.Derivative(mod._mod, score, query, key);

    public static (T First, T End) Keys<T>(in Counted<TMod> mod, T from, T firstQuery, T endQuery, T length)
        where T : unmanaged, IReal<T>
        => TMod.Keys(mod._mod, from, firstQuery, endQuery, length);
}
