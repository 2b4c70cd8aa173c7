using CommunityToolkit.HighPerformance;
using Dnabert2.Sequences;

namespace Dnabert2.Embeddings;

/// <summary>The vector of one sequence.</summary>
/// <param name="Id">The record's name.</param>
/// <param name="Number">The record's place in its file, from 1.</param>
/// <param name="Bases">The record's length.</param>
/// <param name="Tokens">Tokens that were embedded, special ones not counted; those in overlaps count once a chunk, and both strands where
/// both are embedded.</param>
/// <param name="Chunks">
/// Pieces that were embedded: more than one a strand where the record was too long, or was cut at unknown bases.
/// </param>
/// <param name="Truncated">Whether the record was too long and only its beginning was embedded.</param>
/// <param name="Vector">[hidden].</param>
public sealed record SequenceEmbedding(
    string Id, long Number, long Bases, long Tokens, int Chunks, bool Truncated, ReadOnlyMemory<float> Vector)
{
    /// <summary>The name of the record's file in messages.</summary>
    public string Source { get; init; } = "";

    /// <summary>Where the bases lie in a genome or a record; null of a whole record.</summary>
    public GenomeRegion? Region { get; init; }
}

/// <summary>The vectors of successive tokens of one sequence. A long sequence comes in several pieces, each token once: of
/// two chunks that overlap, from the one in which it is farther from the border.</summary>
/// <param name="Id">The record's name.</param>
/// <param name="Number">The record's place in its file, from 1.</param>
/// <param name="Truncated">Whether the record was too long and only its beginning was embedded.</param>
/// <param name="FirstToken">The place of the first of these tokens among the record's, counted from 0 without [CLS] and [SEP].</param>
/// <param name="Starts">[tokens]: the first base of each token, counted from 0 in the record.</param>
/// <param name="Ends">[tokens]: one past the last base of each token.</param>
/// <param name="Ids">[tokens]: the token ids.</param>
/// <param name="Vectors">[tokens, hidden].</param>
public sealed record TokenEmbeddings(
    string Id, long Number, bool Truncated, int FirstToken, ReadOnlyMemory<int> Starts, ReadOnlyMemory<int> Ends, ReadOnlyMemory<int> Ids,
    ReadOnlyMemory2D<float> Vectors)
{
    /// <summary>The name of the record's file in messages.</summary>
    public string Source { get; init; } = "";

    /// <summary>Where the bases lie in a genome or a record; null of a whole record.</summary>
    public GenomeRegion? Region { get; init; }
}

/// <summary>How far an embedding is. Tokens are counted as computed: once a chunk, special ones included.</summary>
/// <param name="TokensDone">Tokens that went through the encoder.</param>
/// <param name="TokensFound">Tokens of the records read so far.</param>
public readonly record struct EmbedProgress(long TokensDone, long TokensFound);
