namespace Dnabert2.Sequences;

/// <summary>
/// Words of a sequence, in the buffer one after the other: whether they are overlapping k-mers, each all but the first letter of the one
/// before and one more, as DNABERT-1 (Ji et al. 2021) wants its input.
/// </summary>
/// <param name="start">Where the first word begins in the buffer.</param>
internal struct Kmers(int start)
{
    /// <summary>The k-mers of DNABERT-1.</summary>
    public const int Shortest = 3, Longest = 6;

    private int _wordStart = start;

    /// <summary>Words that have ended.</summary>
    public int Count { get; private set; }

    /// <summary>The length of the first word.</summary>
    public int Length { get; private set; }

    /// <summary>Whether the words so far may be the first of overlapping k-mers; a single one may.</summary>
    public bool MayOverlap { get; private set; }

    /// <summary>Whether there are several words, and each overlaps the one before.</summary>
    public readonly bool AreOverlapping => MayOverlap && Count > 1;

    /// <summary>Ends a word, if one has begun.</summary>
    /// <param name="letters">The buffer.</param>
    /// <param name="end">One past the word's last letter.</param>
    public void End(byte[] letters, int end)
    {
        int length = end - _wordStart;
        if (length == 0) return;
        if (Count == 0) (Length, MayOverlap) = (length, length is >= Shortest and <= Longest);
        else if (MayOverlap)
            MayOverlap = length == Length
                && letters.AsSpan(_wordStart - length + 1, length - 1).SequenceEqual(letters.AsSpan(_wordStart, length - 1));
        Count++;
        _wordStart = end;
    }
}
