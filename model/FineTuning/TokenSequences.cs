using System.Runtime.InteropServices;
using Dnabert2.Tokenizers;

namespace Dnabert2.FineTuning;

/// <summary>
/// Tokenised sequences, or pairs, one after the other, with the special tokens of the tokenizer's template and no more tokens than a
/// limit. Of what is too long the end is left out; of a pair, from the longer one first. Token types are all 0.
/// </summary>
public sealed class TokenSequences
{
    private readonly ISequenceTokenizer _tokenizer;
    private readonly SpecialTokenFrame _single, _pair;
    private readonly List<int> _ids = [], _ends = [], _first = [], _second = [], _firstStarts = [], _secondStarts = [];
    private readonly int _maxTokens;

    /// <summary>No sequences yet.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="maxTokens">The most tokens of a sequence or pair, special ones included.</param>
    /// <exception cref="ArgumentException">The limit leaves no room beside the special tokens.</exception>
    public TokenSequences(ISequenceTokenizer tokenizer, int maxTokens)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        (_tokenizer, _maxTokens, _single, _pair) = (tokenizer, maxTokens, tokenizer.Frame(pair: false), tokenizer.Frame(pair: true));
        OptionRange.Check(nameof(maxTokens), maxTokens, Special(_pair) + 1, OptionRange.MostTogether);
    }

    /// <summary>The number of sequences or pairs.</summary>
    public int Count => _ends.Count;

    /// <summary>How many of them had more tokens than the limit and were truncated.</summary>
    public int Truncated { get; private set; }

    /// <summary>Tokens of all of them, special ones included.</summary>
    public int Tokens => _ids.Count;

    /// <summary>The token ids of a sequence or pair, special ones included.</summary>
    public ReadOnlySpan<int> this[int index]
    {
        get
        {
            int start = index == 0 ? 0 : _ends[index - 1];
            return CollectionsMarshal.AsSpan(_ids)[start.._ends[index]];
        }
    }

    /// <summary>Tokenises labelled sequences in their order.</summary>
    public static TokenSequences Of(IReadOnlyList<LabelledSequence> set, ISequenceTokenizer tokenizer, int maxTokens) =>
        Of(set, tokenizer, maxTokens, bothStrands: false);

    /// <summary>The same; on request each followed by its other strand.</summary>
    internal static TokenSequences Of(
        IReadOnlyList<LabelledSequence> set, ISequenceTokenizer tokenizer, int maxTokens, bool bothStrands)
    {
        ArgumentNullException.ThrowIfNull(set);
        var sequences = new TokenSequences(tokenizer, maxTokens);
        foreach (LabelledSequence row in set)
        {
            if (bothStrands && row.Second is { } other) sequences.AddBothStrands(row.First, other);
            else if (bothStrands) sequences.AddBothStrands(row.First);
            else if (row.Second is { } second) sequences.Add(row.First, second);
            else sequences.Add(row.First);
        }

        return sequences;
    }

    /// <summary>Adds a sequence.</summary>
    /// <param name="sequence">Bases, upper case.</param>
    /// <returns>Whether it was truncated.</returns>
    public bool Add(ReadOnlySpan<byte> sequence)
    {
        Encode(sequence, _first, _firstStarts);
        return AddBeginning(_maxTokens - Special(_single));
    }

    /// <summary>Adds a pair of sequences.</summary>
    /// <param name="first">Bases, upper case.</param>
    /// <param name="second">Bases, upper case.</param>
    /// <returns>Whether it was truncated.</returns>
    public bool Add(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        Encode(first, _first, _firstStarts);
        Encode(second, _second, _secondStarts);
        return AddBeginnings(_maxTokens - Special(_pair));
    }

    /// <summary>
    /// Adds a sequence, and after it its other strand: the reverse complement of the bases that were kept, all of them, even where they
    /// have more tokens than the limit on that strand.
    /// </summary>
    /// <param name="sequence">Bases, upper case.</param>
    /// <returns>Whether it was truncated.</returns>
    public bool AddBothStrands(ReadOnlySpan<byte> sequence)
    {
        bool truncated = Add(sequence);
        Encode(ReverseComplement.Of(sequence[..Kept(_first, _firstStarts, sequence.Length)]), _first, _firstStarts);
        AddBeginning(int.MaxValue);
        return truncated;
    }

    /// <summary>Adds a pair of sequences, and after it the pair of their other strands, as for a single sequence.</summary>
    /// <param name="first">Bases, upper case.</param>
    /// <param name="second">Bases, upper case.</param>
    /// <returns>Whether it was truncated.</returns>
    public bool AddBothStrands(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        bool truncated = Add(first, second);
        Encode(ReverseComplement.Of(first[..Kept(_first, _firstStarts, first.Length)]), _first, _firstStarts);
        Encode(ReverseComplement.Of(second[..Kept(_second, _secondStarts, second.Length)]), _second, _secondStarts);
        AddBeginnings(int.MaxValue);
        return truncated;
    }

    /// <summary>Adds a sequence or pair as others hold it.</summary>
    /// <param name="others">Of the same tokenizer.</param>
    /// <param name="index">Its place among them.</param>
    internal void Add(TokenSequences others, int index)
    {
        _ids.AddRange(others[index]);
        _ends.Add(_ids.Count);
    }

    /// <summary>Removes all sequences.</summary>
    public void Clear()
    {
        _ids.Clear();
        _ends.Clear();
        Truncated = 0;
    }

    private static int Special(in SpecialTokenFrame frame) => frame.Before.Length + frame.Between.Length + frame.After.Length;

    /// <summary>The bases that the tokens stand for, which may have been cut from more.</summary>
    private static int Kept(List<int> tokens, List<int> starts, int length) => tokens.Count < starts.Count ? starts[tokens.Count] : length;

    private void Encode(ReadOnlySpan<byte> sequence, List<int> tokens, List<int> starts)
    {
        tokens.Clear();
        starts.Clear();
        _tokenizer.EncodeSequence(sequence, tokens, starts);
    }

    /// <summary>Cuts the sequence that was encoded to the tokens there is room for, and adds it.</summary>
    private bool AddBeginning(int room)
    {
        bool tooLong = Cut(_first, room);
        Append(_single.Before.Span, _first, _single.Between.Span, [], _single.After.Span);
        return Note(tooLong);
    }

    /// <summary>Cuts the pair that was encoded to the tokens there is room for, and adds it.</summary>
    private bool AddBeginnings(int room)
    {
        int a = _first.Count, b = _second.Count;
        bool tooLong = a + b > room;
        // The longer one gives way, until both are of one length.
        int shorter = Math.Min(Math.Min(a, b), room / 2), rest = room - shorter;
        if (tooLong) (a, b) = a <= b ? (shorter, Math.Min(b, rest)) : (Math.Min(a, rest), shorter);
        Cut(_first, a);
        Cut(_second, b);
        Append(_pair.Before.Span, _first, _pair.Between.Span, _second, _pair.After.Span);
        return Note(tooLong);
    }

    private static bool Cut(List<int> tokens, int room)
    {
        if (tokens.Count <= room) return false;
        tokens.RemoveRange(room, tokens.Count - room);
        return true;
    }

    private void Append(ReadOnlySpan<int> before, List<int> first, ReadOnlySpan<int> between, List<int> second, ReadOnlySpan<int> after)
    {
        _ids.AddRange(before);
        _ids.AddRange(first);
        _ids.AddRange(between);
        _ids.AddRange(second);
        _ids.AddRange(after);
        _ends.Add(_ids.Count);
    }

    private bool Note(bool truncated)
    {
        if (truncated) Truncated++;
        return truncated;
    }
}
