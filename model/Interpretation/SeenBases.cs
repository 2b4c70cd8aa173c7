namespace Dnabert2.Interpretation;

/// <summary>What a model sees of a sequence that is cut to its first tokens.</summary>
internal static class SeenBases
{
    /// <summary>The bases that lie in the first tokens; of a k-mer that overlaps the next one, all.</summary>
    /// <param name="bases">The bases of the sequence.</param>
    /// <param name="starts">The first base of each token.</param>
    /// <param name="tokens">How many tokens are seen.</param>
    /// <param name="overlap">The bases that a token shares with the one before it.</param>
    public static int Of(int bases, List<int> starts, int tokens, int overlap) =>
        starts.Count <= tokens ? bases : Math.Min(bases, starts[tokens] + overlap);
}
