using Dnabert2.Sequences;
using Engine.Kernels;

namespace Dnabert2.Embeddings;

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
    /// The layer whose hidden states are the vectors of tokens, as <see cref="SequenceModel.EncodeLayer"/> counts them; null: the last.
    /// </summary>
    public int? Layer { get; init; }

    /// <summary>
    /// The most tokens that attend to each other, special ones included. DNABERT-2 has no limit of its own; it was trained on at most 128,
    /// and its authors use up to 512. Other models have positions for so many (<see cref="SequenceModel.MaxTokens"/>). From 3 to
    /// 16,777,216.
    /// </summary>
    public int MaxTokens { get; init; } = 512;

    /// <summary>
    /// Tokens that neighbouring chunks share, so that every token has context on both sides. From 0 to <see cref="MaxTokens"/> - 3.
    /// </summary>
    public int Overlap { get; init; } = 64;

    /// <summary>What happens to longer sequences.</summary>
    public TooLong OnTooLong { get; init; } = TooLong.Chunk;

    /// <summary>What happens to bases that are not known exactly, when sequences are given as strings.</summary>
    public AmbiguousBases OnAmbiguous { get; init; } = AmbiguousBases.Split;

    /// <summary>The most tokens in a batch; memory grows with it, about 40 KB a token for the 117M model. From 1 to 16,777,216.</summary>
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
        OptionRange.Check(nameof(Pooling), Pooling);
        OptionRange.Check(nameof(OnTooLong), OnTooLong);
        OptionRange.Check(nameof(OnAmbiguous), OnAmbiguous);
        if (Layer is { } layer) OptionRange.Check(nameof(Layer), layer, 0, OptionRange.MostTogether);
        OptionRange.Check(nameof(MaxTokens), MaxTokens, 3, OptionRange.MostTogether);
        OptionRange.Check(nameof(Overlap), Overlap, 0, MaxTokens - 3);
        OptionRange.Check(nameof(BatchTokens), BatchTokens, 1, OptionRange.MostTogether);
    }
}
