using System.Runtime.InteropServices;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>The shapes of a batch by which captured passes are found.</summary>
/// <param name="Tokens">Tokens.</param>
/// <param name="Sequences">Sequences.</param>
/// <param name="Longest">The tokens of the longest sequence.</param>
/// <param name="Rows">Rows that were cut into sequences; 0 where none was.</param>
/// <param name="MostWindows">The most sequences of a row.</param>
/// <param name="Targets">Rows that the loss looks at.</param>
/// <param name="Updates">Whether the pass ends with an update of the parameters.</param>
internal readonly record struct PassShape(
    int Tokens, int Sequences, int Longest, int Rows, int MostWindows, int Targets, bool Updates)
{
    /// <summary>The shapes of a batch.</summary>
    public static PassShape Of(in Batch batch, int targets = 0, bool updates = false) => new(
        batch.CuSeqlens.Tokens, batch.CuSeqlens.Sequences, batch.CuSeqlens.Longest, batch.IsCut ? batch.Rows : 0,
        batch.IsCut ? batch.Windows.Longest : 0, targets, updates);
}

/// <summary>
/// Packed sequences on their way to a backend. Where that records, their shapes are rounded up, so that they repeat: the tokens are filled
/// up to whole tiles by sequences of their own, which no other one sees and no loss looks at, and the sequences by empty ones. So nothing
/// that is read is undefined, gradients of what was added are 0, and no result changes, not even in its last bit. Elsewhere nothing is
/// added.
/// </summary>
/// <param name="backend">Where it goes.</param>
/// <param name="mostTokens">The most tokens of a sequence of the model, or null.</param>
/// <param name="cutsRows">
/// Whether a row of more tokens is cut into windows of so many, as few as possible; they are the sequences then.
/// </param>
internal sealed class RoundedBatch(Backend backend, int? mostTokens, bool cutsRows = false)
{
    // Rows of a tile of matrix products, and of attention.
    private const int TokenStep = 128, LongestStep = 64, SequenceStep = 16;
    private readonly List<int> _ids = [], _lengths = [], _windows = [];

    /// <summary>Uploads a batch.</summary>
    /// <param name="arena">Where it lives.</param>
    /// <param name="ids">The token ids of all sequences, one after the other.</param>
    /// <param name="lengths">The number of tokens of each sequence.</param>
    public Batch Upload(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths)
    {
        bool isCut = Cut(lengths);
        if (!backend.CapturesGraphs) return Uploaded(arena, ids, isCut, longestStep: 1);
        _ids.Clear();
        _ids.AddRange(ids);
        int sequences = _lengths.Count, added = RoundUp(ids.Length, TokenStep) - ids.Length;
        CollectionsMarshal.SetCount(_ids, ids.Length + added);
        CollectionsMarshal.AsSpan(_ids)[ids.Length..].Clear();
        for (int left = added; left > 0; left -= _lengths[^1]) _lengths.Add(Math.Min(left, mostTokens ?? left));
        int present = _lengths.Count;
        CollectionsMarshal.SetCount(_lengths, RoundUp(present, SequenceStep));
        CollectionsMarshal.AsSpan(_lengths)[present..].Clear();
        for (int i = sequences; isCut && i < _lengths.Count; i++) _windows.Add(1);
        return Uploaded(arena, CollectionsMarshal.AsSpan(_ids), isCut, LongestStep);
    }

    /// <summary>Uploads a batch as it is, but for the windows of its rows.</summary>
    public Batch UploadPlain(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths) =>
        Uploaded(arena, ids, Cut(lengths), longestStep: 1);

    /// <summary>The number of rows for so many targets, of which the others have no loss.</summary>
    public int Targets(int count) => backend.CapturesGraphs ? RoundUp(count, TokenStep) : count;

    private static int RoundUp(int value, int step) => (value + step - 1) / step * step;

    private Batch Uploaded(Arena arena, ReadOnlySpan<int> ids, bool isCut, int longestStep)
    {
        var batch = new Batch(arena, ids, CollectionsMarshal.AsSpan(_lengths), longestStep: longestStep);
        return isCut ? batch with { Windows = arena.RentCuSeqlens(CollectionsMarshal.AsSpan(_windows)) } : batch;
    }

    /// <summary>Sets the lengths of the sequences, and the windows of each row where a row has several.</summary>
    private bool Cut(ReadOnlySpan<int> lengths)
    {
        _lengths.Clear();
        _windows.Clear();
        int window = cutsRows ? mostTokens ?? int.MaxValue : int.MaxValue;
        foreach (int length in lengths)
        {
            int before = _lengths.Count;
            for (int start = 0; start < length || start == 0; start += window)
            {
                _lengths.Add(Math.Min(window, length - start));
                if (length - start <= window) break;
            }

            _windows.Add(_lengths.Count - before);
        }

        return _lengths.Count > lengths.Length;
    }
}
