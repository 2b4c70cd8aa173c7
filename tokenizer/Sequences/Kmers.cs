namespace Dnabert2.Sequences;

/// <summary>
/// Words of a sequence: whether they are overlapping k-mers, each all but the first letter of the one before and one more, as DNABERT-1
/// (Ji et al. 2021) wants its input. Of the letters no more than two words are kept, whatever becomes of the sequence.
/// </summary>
internal struct Kmers
{
    /// <summary>The k-mers of DNABERT-1.</summary>
    public const int Shortest = 3, Longest = 6;

    // A byte for each letter, the last one lowest.
    private ulong _word, _before;
    private long _length;

    /// <summary>Words that have ended.</summary>
    public int Count { get; private set; }

    /// <summary>The length of the first word.</summary>
    public int Length { get; private set; }

    /// <summary>Whether the words so far may be the first of overlapping k-mers; a single one may.</summary>
    public bool MayOverlap { get; private set; }

    /// <summary>Whether there are several words, and each overlaps the one before.</summary>
    public readonly bool AreOverlapping => MayOverlap && Count > 1;

    /// <summary>Goes on with a word, or begins one.</summary>
    public void Add(ReadOnlySpan<byte> letters)
    {
        for (int i = 0; i < letters.Length && _length + i < Longest; i++) _word = (_word << 8) | letters[i];
        _length += letters.Length;
    }

    /// <summary>Ends a word, if one has begun.</summary>
    public void End()
    {
        if (_length == 0) return;
        if (Count == 0) (Length, MayOverlap) = ((int)Math.Min(_length, int.MaxValue), _length is >= Shortest and <= Longest);
        else if (MayOverlap) MayOverlap = _length == Length && _word >> 8 == (_before & ((1UL << (8 * (Length - 1))) - 1));
        Count++;
        (_before, _word, _length) = (_word, 0, 0);
    }
}
