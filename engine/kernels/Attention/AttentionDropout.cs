
namespace Engine.Kernels;

/// <summary>
/// Dropout of attention's probabilities: after the softmax each is kept, times <c>1 / (1 − p)</c>, or becomes 0. The mask is a function of
/// seed, step, site, head, query and key alone, whatever the tiles, the threads and the backend. The default value drops nothing.
/// </summary>
public readonly struct AttentionDropout
{
    /// <summary>Dropout that draws from a random state.</summary>
    /// <param name="randomState">I32 [3]: the lower and the upper word of the seed, and the step; see <see cref="Philox"/>.</param>
    /// <param name="site">Who draws; the backward pass gives the same.</param>
    /// <param name="probability">p, from 0 up to but not including 1.</param>
    /// <exception cref="ArgumentException">The probability is no such number, or the random state no such tensor.</exception>
    public AttentionDropout(Tensor randomState, int site, float probability)
    {
        if (!(probability >= 0 && probability < 1)) throw new ArgumentException($"a dropout probability of {probability} is not in [0, 1)");
        if (randomState.IsAbsent || randomState.DType != DType.I32 || randomState.Shape != new Shape(3))
            throw new ArgumentException($"a randomState of random numbers is I32 [3], not {randomState}");
        (RandomState, Site, Probability) = (randomState, site, probability);
    }

    /// <summary>Whether anything is dropped.</summary>
    public bool IsActive => Probability > 0;

    internal Tensor RandomState { get; }

    internal int Site { get; }

    internal float Probability { get; }

    internal void Check(int heads, in AttentionSequences sequences)
    {
        int longest = Math.Max(sequences.Queries.Longest, sequences.Keys.Longest);
        if (!IsActive || (heads <= AttentionMask.MostHeads && longest <= AttentionMask.MostTokens)) return;
        throw new NotSupportedException(
            $"dropout of attention's probabilities is for at most {AttentionMask.MostHeads} heads and {AttentionMask.MostTokens} " +
            $"tokens a sequence, not {heads} and {longest}");
    }

    /// <summary>The mask, on the processor.</summary>
    internal unsafe AttentionMask Mask()
    {
        if (!IsActive) return default;
        uint* words = RandomState.Pointer<uint>();
        return new(new Philox(words[0] | ((ulong)words[1] << 32), words[2], (uint)Site), Probability);
    }
}
