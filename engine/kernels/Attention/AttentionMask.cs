using System.Runtime.Intrinsics;

namespace Engine.Kernels;

/// <summary>
/// What dropout keeps of attention's probabilities. The mask is never stored. Two queries and two keys whose positions in their sequence
/// differ in the lowest bit share a block of random words, number <c>head · 2⁵⁴ + (key / 2) · 2³² + row</c>, with the row of the even
/// query in the batch; word <c>2 · (key mod 2) + query mod 2</c> is theirs, and the probability is kept if it is at least <c>p · 2³²</c>.
/// So the mask is a function of seed, step, site, head, query and key alone, whatever the tiles, the threads and the backend.
/// </summary>
internal readonly struct AttentionMask
{
    /// <summary>The most heads, and tokens of a sequence, that have blocks of their own.</summary>
    public const int MostHeads = 1 << 10, MostTokens = 1 << 23;

    /// <param name="random">Draws the random words.</param>
    /// <param name="probability">p.</param>
    public AttentionMask(in Philox random, float probability) =>
        (Random, Threshold, Scale) = (random, (uint)(probability * 4294967296.0), 1 / (1 - probability));

    /// <summary>Whether anything is dropped.</summary>
    public bool IsActive => Threshold > 0;

    public Philox Random { get; }

    public uint Threshold { get; }

    public float Scale { get; }

    /// <summary>What a probability is multiplied by: 0 or <see cref="Scale"/>.</summary>
    /// <param name="start">The row in the batch of the sequence's first token.</param>
    /// <param name="head">The head.</param>
    /// <param name="query">The query's position.</param>
    /// <param name="key">The key's position.</param>
    public float Factor(int start, int head, int query, int key)
    {
        (uint x, uint y, uint z, uint w) = Random.Block(((ulong)Upper(head, key) << 32) | Row(start, query));
        uint word = (key % 2, query % 2) switch { (0, 0) => x, (0, 1) => y, (1, 0) => z, _ => w };
        return word >= Threshold ? Scale : 0;
    }

    /// <summary>The factors of a tile, keys down the rows.</summary>
    /// <param name="factors">[keys, queries].</param>
    /// <param name="queries">The length of a row, even.</param>
    /// <param name="start">The row in the batch of the sequence's first token.</param>
    /// <param name="head">The head.</param>
    /// <param name="firstQuery">The first query's position, even.</param>
    /// <param name="firstKey">The first key's position.</param>
    /// <param name="keys">The keys.</param>
    public unsafe void Fill(float* factors, int queries, int start, int head, int firstQuery, int firstKey, int keys)
    {
        const int Side = 8;
        float* even = stackalloc float[2 * Side], odd = even + Side;
        for (int key = firstKey & ~1; key < firstKey + keys; key += 2)
            for (int q = 0; q < queries; q += Side)
            {
                Vector256<ulong> rows = Vector256.Create((ulong)Row(start, firstQuery + q)) + (Vector256<ulong>.Indices * 2);
                (Vector256<ulong> left, Vector256<ulong> right) = Random.FourBlocks(rows, Vector256.Create((ulong)Upper(head, key)));
                Keep(left).Store(even);
                Keep(right).Store(odd);
                int count = Math.Min(Side, queries - q);
                float* row = factors + ((long)(key - firstKey) * queries) + q;
                if (key >= firstKey) new ReadOnlySpan<float>(even, count).CopyTo(new Span<float>(row, count));
                if (key + 1 < firstKey + keys) new ReadOnlySpan<float>(odd, count).CopyTo(new Span<float>(row + queries, count));
            }
    }

    private static uint Row(int start, int query) => (uint)(start + (query & ~1));

    private static uint Upper(int head, int key) => ((uint)head << 22) | (uint)(key >> 1);

    private Vector256<float> Keep(Vector256<ulong> words) =>
        Vector256.GreaterThanOrEqual(words.AsUInt32(), Vector256.Create(Threshold)).AsSingle() & Vector256.Create(Scale);
}
