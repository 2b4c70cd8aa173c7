namespace Engine.Runtime;

/// <summary>
/// The borders of packed sequences: sequence s holds the rows <c>[cu_seqlens[s], cu_seqlens[s + 1])</c> of a
/// <c>[total tokens, …]</c> tensor. There is no padding; sequences may be empty.
/// </summary>
public readonly struct CuSeqlens
{
    /// <summary>Uploads the borders of sequences of these lengths.</summary>
    /// <param name="arena">Where the borders are kept.</param>
    /// <param name="lengths">The number of tokens of each sequence.</param>
    /// <param name="longestStep">What <see cref="Longest"/> is rounded up to a multiple of.</param>
    /// <exception cref="ArgumentException">There is no sequence, a length is negative, or the sum exceeds 2³¹ − 1.</exception>
    public CuSeqlens(Arena arena, ReadOnlySpan<int> lengths, int longestStep = 1)
    {
        ArgumentNullException.ThrowIfNull(arena);
        if (lengths.IsEmpty) throw new ArgumentException("a batch has at least one sequence");
        Borders = arena.Rent(new Shape(lengths.Length + 1), DType.I32);
        Span<int> borders = lengths.Length < 1024 ? stackalloc int[lengths.Length + 1] : new int[lengths.Length + 1];
        long total = borders[0] = 0;
        for (int i = 0; i < lengths.Length; i++)
        {
            total += lengths[i];
            if (lengths[i] < 0 || total > int.MaxValue) throw new ArgumentException($"sequence {i}: a length of {lengths[i]} tokens after {total - lengths[i]}");
            borders[i + 1] = (int)total;
            Longest = Math.Max(Longest, lengths[i]);
            SquaredLengths += (double)lengths[i] * lengths[i];
        }

        Tokens = (int)total;
        Longest = (Longest + longestStep - 1) / longestStep * longestStep;
        Sequences = lengths.Length;
        arena.Backend.Upload<int>(borders, Borders);
    }

    /// <summary>The borders, I32 [sequences + 1].</summary>
    public Tensor Borders { get; }

    /// <summary>The number of sequences.</summary>
    public int Sequences { get; }

    /// <summary>The number of tokens of all sequences.</summary>
    public int Tokens { get; }

    /// <summary>The sum of the squares of the numbers of tokens: what attention's work is proportional to.</summary>
    internal double SquaredLengths { get; }

    /// <summary>The number of tokens of the longest sequence, or somewhat more.</summary>
    public int Longest { get; }
}
