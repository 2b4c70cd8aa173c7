namespace Dnabert2.Sequences;

/// <summary>One alternative allele of a line of a variant file. The text is as it stands there; nothing is held against a genome.</summary>
/// <param name="Line">The line, from 1.</param>
/// <param name="Chromosome">The name of the sequence.</param>
/// <param name="Position">The place of the first base of <paramref name="Reference"/>, counted from 1 as in VCF.</param>
/// <param name="Id">The variant's name; "." where it has none.</param>
/// <param name="Reference">The reference allele.</param>
/// <param name="Alternative">The alternative allele; of a line with several, one of them.</param>
public sealed record Variant(long Line, string Chromosome, long Position, string Id, string Reference, string Alternative)
{
    /// <summary>
    /// Of a symbolic allele, <c>END</c> of the column INFO: the last base of the event, counted from 1; null where it is not given.
    /// </summary>
    public long? End { get; init; }

    /// <summary>
    /// Of a symbolic allele, its <c>SVLEN</c> of the column INFO: the bases of the event, below 0 where these are lost; null where it is
    /// not given.
    /// </summary>
    public long? Length { get; init; }

    /// <summary>[fields]: what stands in the fields that the reader was asked for; "" where the line has none.</summary>
    public IReadOnlyList<string> Fields { get; init; } = [];
}
