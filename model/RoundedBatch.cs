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

/// <summary>The length of all rows of a model.</summary>
/// <param name="Tokens">The tokens of a row, special ones included.</param>
/// <param name="Id">What shorter ones are filled up with; null: none are shorter.</param>
internal readonly record struct RowPadding(int Tokens, int? Id)
{
    /// <summary>What is wrong with a row of so many tokens, for people; null where nothing is.</summary>
    public string? FaultOf(int tokens) => tokens <= Tokens && (tokens == Tokens || Id is not null) ? null
        : $"{tokens} tokens, and this model takes {(Id is null ? "exactly" : "at most")} {Tokens}, as many as in its training";
}

/// <summary>
/// Packed sequences on their way to a backend. Where that records, their shapes are rounded up, so that they repeat: the tokens are
/// filled up to whole tiles by sequences of their own, which no other one sees and no loss looks at, and the sequences by empty ones.
/// So nothing that is read is undefined, gradients of what was added are 0, and no result changes, not even in its last bit. Nothing is
/// added elsewhere, nor for a model that does not take empty sequences. Rows of a model that has them of one length are filled up to it
/// everywhere, and others are not added: they would be part of its statistics.
/// </summary>
/// <param name="model">Whose batches they are.</param>
internal sealed class RoundedBatch(SequenceModel model)
{
    // Rows of a tile of matrix products, and of attention.
    private const int TokenStep = 128, LongestStep = 64, SequenceStep = 16;
    private readonly bool _rounds = model is { Padding: null, TakesEmptySequences: true, Backend.CapturesGraphs: true };
    private readonly int? _most = model.MaxTokens;
    private readonly List<int> _ids = [], _lengths = [];

    /// <summary>Uploads a batch.</summary>
    /// <param name="arena">Where it lives.</param>
    /// <param name="ids">The token ids of all sequences, one after the other.</param>
    /// <param name="lengths">The number of tokens of each sequence.</param>
    public Batch Upload(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths)
    {
        if (!_rounds) return UploadPlain(arena, ids, lengths);
        _ids.Clear();
        _lengths.Clear();
        _ids.AddRange(ids);
        _lengths.AddRange(lengths);
        int added = RoundUp(ids.Length, TokenStep) - ids.Length;
        CollectionsMarshal.SetCount(_ids, ids.Length + added);
        CollectionsMarshal.AsSpan(_ids)[ids.Length..].Clear();
        for (int left = added; left > 0; left -= _lengths[^1]) _lengths.Add(Math.Min(left, _most ?? left));
        int present = _lengths.Count;
        CollectionsMarshal.SetCount(_lengths, RoundUp(present, SequenceStep));
        CollectionsMarshal.AsSpan(_lengths)[present..].Clear();
        return new Batch(arena, CollectionsMarshal.AsSpan(_ids), CollectionsMarshal.AsSpan(_lengths), longestStep: LongestStep);
    }

    /// <summary>Uploads a batch without further tokens or sequences.</summary>
    /// <inheritdoc cref="Upload"/>
    /// <exception cref="ArgumentException">Rows have one length, and one cannot be filled up to it.</exception>
    public Batch UploadPlain(Arena arena, ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths)
    {
        if (model.Padding is not { } row) return new Batch(arena, ids, lengths);
        CollectionsMarshal.SetCount(_ids, lengths.Length * row.Tokens);
        CollectionsMarshal.SetCount(_lengths, lengths.Length);
        Span<int> padded = CollectionsMarshal.AsSpan(_ids);
        int start = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            if (row.FaultOf(lengths[i]) is { } fault) throw new ArgumentException($"a sequence has {fault}");
            Span<int> own = padded.Slice(i * row.Tokens, row.Tokens);
            ids.Slice(start, lengths[i]).CopyTo(own);
            own[lengths[i]..].Fill(row.Id ?? 0);
            start += lengths[i];
        }

        CollectionsMarshal.AsSpan(_lengths).Fill(row.Tokens);
        return new Batch(arena, padded, CollectionsMarshal.AsSpan(_lengths));
    }

    /// <summary>The number of rows for so many targets, of which the others have no loss.</summary>
    public int Targets(int count) => _rounds ? RoundUp(count, TokenStep) : count;

    private static int RoundUp(int value, int step) => (value + step - 1) / step * step;
}
