using System.Runtime.InteropServices;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>The shapes of a batch by which captured passes are found.</summary>
/// <param name="Tokens">Tokens.</param>
/// <param name="Sequences">Sequences.</param>
/// <param name="Longest">The tokens of the longest sequence.</param>
/// <param name="Targets">Rows that the loss looks at.</param>
/// <param name="Updates">Whether the pass ends with an update of the parameters.</param>
internal readonly record struct PassShape(int Tokens, int Sequences, int Longest, int Targets = 0, bool Updates = false);

/// <summary>
/// Packed sequences on their way to a backend. Where that records, their shapes are rounded up, so that they repeat: the tokens are filled
/// up to whole tiles by sequences of their own, which no other one sees and no loss looks at, and the sequences by empty ones. So nothing
/// that is read is undefined, gradients of what was added are 0, and no result changes, not even in its last bit. Elsewhere nothing is
/// added.
/// </summary>
/// <param name="backend">Where it goes.</param>
/// <param name="mostTokens">The most tokens of a sequence of the model, or null.</param>
internal sealed class RoundedBatch(Backend backend, int? mostTokens)
{
    // Rows of a tile of matrix products, and of attention.
    private const int TokenStep = 128, LongestStep = 64, SequenceStep = 16;
    private readonly List<int> _ids = [], _lengths = [];

    /// <summary>Uploads a batch.</summary>
    /// <param name="arena">Where it lives.</param>
    /// <param name="ids">The token ids of all sequences, one after the other.</param>
    /// <param name="lengths">The number of tokens of each sequence.</param>
    public Batch Upload(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths)
    {
        if (!backend.CapturesGraphs) return new Batch(arena, ids, lengths);
        _ids.Clear();
        _lengths.Clear();
        _ids.AddRange(ids);
        _lengths.AddRange(lengths);
        int added = RoundUp(ids.Length, TokenStep) - ids.Length;
        CollectionsMarshal.SetCount(_ids, ids.Length + added);
        CollectionsMarshal.AsSpan(_ids)[ids.Length..].Clear();
        for (int left = added; left > 0; left -= _lengths[^1]) _lengths.Add(Math.Min(left, mostTokens ?? left));
        int present = _lengths.Count;
        CollectionsMarshal.SetCount(_lengths, RoundUp(present, SequenceStep));
        CollectionsMarshal.AsSpan(_lengths)[present..].Clear();
        return new Batch(arena, CollectionsMarshal.AsSpan(_ids), CollectionsMarshal.AsSpan(_lengths), longestStep: LongestStep);
    }

    /// <summary>The number of rows for so many targets, of which the others have no loss.</summary>
    public int Targets(int count) => backend.CapturesGraphs ? RoundUp(count, TokenStep) : count;

    private static int RoundUp(int value, int step) => (value + step - 1) / step * step;
}
