using System.Runtime.InteropServices;
using Dnabert2.Tokenizers;

namespace Dnabert2.FineTuning;

/// <summary>
/// Tokenised sequences, or pairs, one after the other, with the special tokens of the tokenizer's template and no more tokens than a
/// limit. Of what is too long the end is left out; of a pair, from the longer one first. Token types are all 0.
/// </summary>
public sealed class TokenSequences
{
    private readonly BpeTokenizer _tokenizer;
    private readonly SpecialTokenFrame _single, _pair;
    private readonly List<int> _ids = [], _ends = [], _first = [], _second = [];
    private readonly int _maxTokens;

    /// <summary>No sequences yet.</summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="maxTokens">The most tokens of a sequence or pair, special ones included.</param>
    /// <exception cref="ArgumentException">The limit leaves no room beside the special tokens.</exception>
    public TokenSequences(BpeTokenizer tokenizer, int maxTokens)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        (_tokenizer, _maxTokens, _single, _pair) = (tokenizer, maxTokens, tokenizer.Frame(pair: false), tokenizer.Frame(pair: true));
        if (maxTokens <= Special(_pair))
            throw new ArgumentException($"at most {maxTokens} tokens: with [CLS] and [SEP] more than {Special(_pair)} is meant");
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
    public static TokenSequences Of(IReadOnlyList<LabelledSequence> set, BpeTokenizer tokenizer, int maxTokens)
    {
        ArgumentNullException.ThrowIfNull(set);
        var sequences = new TokenSequences(tokenizer, maxTokens);
        foreach (LabelledSequence row in set)
        {
            if (row.Second is { } second) sequences.Add(row.First, second);
            else sequences.Add(row.First);
        }

        return sequences;
    }

    /// <summary>Adds a sequence.</summary>
    /// <param name="sequence">Bases, upper case.</param>
    /// <returns>Whether it was truncated.</returns>
    public bool Add(ReadOnlySpan<byte> sequence)
    {
        int room = _maxTokens - Special(_single), length = Encode(sequence, _first);
        Append(_single.Before.Span, Beginning(_first, Math.Min(length, room)), _single.Between.Span, [], _single.After.Span);
        return Note(length > room);
    }

    /// <summary>Adds a pair of sequences.</summary>
    /// <param name="first">Bases, upper case.</param>
    /// <param name="second">Bases, upper case.</param>
    /// <returns>Whether it was truncated.</returns>
    public bool Add(ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
    {
        int room = _maxTokens - Special(_pair), a = Encode(first, _first), b = Encode(second, _second);
        bool tooLong = a + b > room;
        // The longer one gives way, until both are of one length.
        int shorter = Math.Min(Math.Min(a, b), room / 2), rest = room - shorter;
        if (tooLong) (a, b) = a <= b ? (shorter, Math.Min(b, rest)) : (Math.Min(a, rest), shorter);
        Append(_pair.Before.Span, Beginning(_first, a), _pair.Between.Span, Beginning(_second, b), _pair.After.Span);
        return Note(tooLong);
    }

    /// <summary>Removes all sequences.</summary>
    public void Clear()
    {
        _ids.Clear();
        _ends.Clear();
        Truncated = 0;
    }

    private static int Special(in SpecialTokenFrame frame) => frame.Before.Length + frame.Between.Length + frame.After.Length;

    private static ReadOnlySpan<int> Beginning(List<int> tokens, int count) => CollectionsMarshal.AsSpan(tokens)[..count];

    private int Encode(ReadOnlySpan<byte> sequence, List<int> tokens)
    {
        tokens.Clear();
        _tokenizer.EncodeSequence(sequence, tokens);
        return tokens.Count;
    }

    private void Append(
        ReadOnlySpan<int> before, ReadOnlySpan<int> first, ReadOnlySpan<int> between, ReadOnlySpan<int> second, ReadOnlySpan<int> after)
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
