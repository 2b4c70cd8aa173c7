namespace Dnabert2.Tokenizers;

/// <summary>
/// Which merges are left out (BPE-dropout; Provilkov et al., arXiv 1910.13267): pairs that come up are drawn for one after the other, so a
/// seed decides all of them. Of probability 0 nothing is drawn.
/// </summary>
/// <remarks>
/// A pair that is left out stays so while its two tokens stay as they are. The paper draws again for all pairs after each merge, which in
/// its words of a few letters is nearly the same. A genome is one word: there, a pair would be drawn again after each merge anywhere, until
/// it is merged, and little would be left out.
/// </remarks>
internal struct MergeDropout
{
    private readonly ulong _threshold;
    private ulong _state;

    /// <summary>The draws of a seed.</summary>
    /// <param name="probability">That of leaving out a pair, from 0 to 1.</param>
    /// <param name="seed">Decides.</param>
    public MergeDropout(double probability, ulong seed) => (_threshold, _state) = ((ulong)(probability * (1UL << 53)), seed);

    /// <summary>Whether the next pair is left out.</summary>
    public bool LeavesOut() => _threshold != 0 && Next() >> 11 < _threshold;

    // SplitMix64 (Steele et al., "Fast splittable pseudorandom number generators", 2014).
    private ulong Next()
    {
        ulong z = _state += 0x9E3779B97F4A7C15;
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
