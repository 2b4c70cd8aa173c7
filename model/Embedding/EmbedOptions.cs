using Dnabert2.Sequences;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>What happens to a sequence of more tokens than the limit. Nothing is ever cut silently.</summary>
public enum TooLong
{
    /// <summary>It is embedded in overlapping chunks, which are pooled over the whole record by their numbers of tokens.</summary>
    Chunk,

    /// <summary>Its first tokens are embedded; <see cref="SequenceEmbedding.Truncated"/> says so.</summary>
    Truncate,

    /// <summary>It is an error that names the record.</summary>
    Error,
}

/// <summary>How sequences become vectors.</summary>
public sealed record EmbedOptions
{
    /// <summary>How the vectors of a sequence's tokens become one. The authors advise the mean.</summary>
    public Pooling Pooling { get; init; } = Pooling.Mean;

    /// <summary>
    /// The most tokens that attend to each other, [CLS] and [SEP] included. The model has no limit of its own; it was trained on at
    /// most 128, and its authors use up to 512.
    /// </summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>Tokens that neighbouring chunks share, so that every token has context on both sides.</summary>
    public int Overlap { get; init; } = 64;

    /// <summary>What happens to longer sequences.</summary>
    public TooLong OnTooLong { get; init; } = TooLong.Chunk;

    /// <summary>What happens to bases that are not known exactly, when sequences are given as strings.</summary>
    public AmbiguousBases OnAmbiguous { get; init; } = AmbiguousBases.Split;

    /// <summary>The most tokens in a batch; memory grows with it, about 40 KB a token for the 117M model.</summary>
    public int BatchTokens { get; init; } = 4096;

    /// <summary>
    /// Whether the vector of a record is the average of those of its two strands, each pooled on its own: (v(bases) + v(reverse
    /// complement)) / 2. Both strands are of the same bases: where a record is truncated, the other strand is the reverse complement of the
    /// bases that were kept, all of them, even where they have more tokens than the limit on that strand.
    /// </summary>
    public bool AverageReverseComplement { get; init; }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        if (MaxTokens < 3) throw new ArgumentException($"at most {MaxTokens} tokens: [CLS], [SEP] and one token of the sequence need 3");
        if (Overlap < 0 || Overlap >= MaxTokens - 2)
            throw new ArgumentException($"an overlap of {Overlap} tokens in chunks of {MaxTokens - 2}: it is at least 0 and less than a chunk");
        if (BatchTokens < 1) throw new ArgumentException($"{BatchTokens} tokens in a batch: at least 1");
    }
}
