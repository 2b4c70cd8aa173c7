namespace Engine.Kernels;

/// <summary>
/// The borders of packed sequences: sequence s holds the rows <c>[cu_seqlens[s], cu_seqlens[s + 1])</c> of a
/// <c>[total tokens, …]</c> tensor. There is no padding; sequences may be empty.
/// </summary>
public readonly struct CuSeqlens
{
    internal CuSeqlens(Tensor borders, int tokens, int longest, int longestSequence, double squaredLengths) =>
        (Borders, Tokens, Longest, LongestSequence, SquaredLengths) = (borders, tokens, longest, longestSequence, squaredLengths);

    /// <summary>The borders, I32 [sequences + 1].</summary>
    public Tensor Borders { get; }

    /// <summary>The number of sequences.</summary>
    public int Sequences => Borders.Shape[0] - 1;

    /// <summary>The number of tokens of all sequences.</summary>
    public int Tokens { get; }

    /// <summary>The sum of the squares of the numbers of tokens: what attention's work is proportional to.</summary>
    public double SquaredLengths { get; }

    /// <summary>The number of tokens of the longest sequence, or somewhat more.</summary>
    public int Longest { get; }

    /// <summary>The number of tokens of the longest sequence.</summary>
    internal int LongestSequence { get; }
}
