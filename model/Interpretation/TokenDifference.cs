namespace Dnabert2.Interpretation;

/// <summary>
/// Where the tokens of two sequences differ: after a common beginning and before a common end. A substitution of one base changes the
/// tokens around it too where byte-pair encoding joins bases into other tokens then, all k of those that hold it where k-mers overlap, and
/// one where they lie one after the other.
/// </summary>
/// <param name="Prefix">Tokens that both begin with.</param>
/// <param name="Reference">Tokens of the first sequence that differ.</param>
/// <param name="Alternative">Tokens of the second sequence that differ.</param>
internal readonly record struct TokenDifference(int Prefix, int Reference, int Alternative)
{
    /// <summary>
    /// The difference of two strings of tokens. Each side has at least one token, where it has any: of a deletion that takes whole
    /// tokens away, a neighbour is counted as different.
    /// </summary>
    /// <param name="reference">The first string.</param>
    /// <param name="alternative">The second one.</param>
    /// <param name="overlap">
    /// The bases that a token shares with the one before it. Where bases are inserted or deleted, all tokens across the place count as
    /// different, though in a repeat some are the same: none of them is to show what the others are.
    /// </param>
    public static TokenDifference Between(ReadOnlySpan<int> reference, ReadOnlySpan<int> alternative, int overlap)
    {
        int least = Math.Min(reference.Length, alternative.Length);
        int prefix = reference.CommonPrefixLength(alternative), suffix = 0;
        int most = least - prefix - (reference.Length == alternative.Length ? 0 : overlap);
        while (suffix < most && reference[^(suffix + 1)] == alternative[^(suffix + 1)]) suffix++;
        if (prefix + suffix == least)
        {
            if (prefix > 0) prefix--;
            else if (suffix > 0) suffix--;
        }

        return new(prefix, reference.Length - prefix - suffix, alternative.Length - prefix - suffix);
    }

    /// <summary>
    /// How many of the tokens that differ hold one and the same base, in the middle of a sequence: all k where k-mers overlap, otherwise 1.
    /// </summary>
    public int TokensOfABase(int overlap) => Math.Clamp(Math.Max(Reference, Alternative), 1, overlap + 1);

    /// <summary>Appends the tokens of the first sequence with so many masks in place of those that differ.</summary>
    public void AppendMasked(ReadOnlySpan<int> reference, int masks, int maskId, List<int> destination)
    {
        destination.AddRange(reference[..Prefix]);
        for (int i = 0; i < masks; i++) destination.Add(maskId);
        destination.AddRange(reference[(Prefix + Reference)..]);
    }
}
