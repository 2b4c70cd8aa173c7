using System.Text;
using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>
/// The one form that all spellings of a variant have, that of <c>bcftools norm</c>: alleles without what they share at both ends, an
/// insertion or deletion as far to the left as the genome lets it be moved, and beside such a one the base before it, or the base after it
/// where the sequence begins there.
/// </summary>
internal readonly struct NormalizedVariant
{
    private NormalizedVariant(long start, byte[] reference, byte[] alternative, int before, int after) =>
        (Start, Reference, Alternative, Before, After) = (start, reference, alternative, before, after);

    /// <summary>The first base of <see cref="Reference"/>, counted from 0; of an insertion, the base it comes before.</summary>
    public long Start { get; }

    /// <summary>The bases that are replaced; none in an insertion.</summary>
    public byte[] Reference { get; }

    /// <summary>The bases that replace them; none in a deletion.</summary>
    public byte[] Alternative { get; }

    /// <summary>Bases before the change that the form shows, 0 or 1.</summary>
    public int Before { get; }

    /// <summary>Bases after the change that the form shows, 0 or 1.</summary>
    public int After { get; }

    /// <summary>Takes from two alleles what both end with, then what both begin with.</summary>
    /// <returns>The number of letters both begin with, which were taken.</returns>
    public static int Trim(ref byte[] reference, ref byte[] alternative)
    {
        int least = Math.Min(reference.Length, alternative.Length), end = 0;
        while (end < least && reference[^(end + 1)] == alternative[^(end + 1)]) end++;
        int begin = reference.AsSpan(0, least - end).CommonPrefixLength(alternative);
        reference = reference[begin..^end];
        alternative = alternative[begin..^end];
        return begin;
    }

    /// <summary>The form of a trimmed variant, which is not both alleles empty.</summary>
    /// <param name="chromosome">A sequence of the genome.</param>
    /// <param name="start">The first base of the reference allele, counted from 0.</param>
    /// <param name="reference">The reference allele, trimmed.</param>
    /// <param name="alternative">The alternative allele, trimmed.</param>
    /// <param name="genome">The genome; its letters other than A, C, G and T end the way to the left.</param>
    public static NormalizedVariant Of(string chromosome, long start, byte[] reference, byte[] alternative, Genome genome)
    {
        if (reference.Length > 0 && alternative.Length > 0) return new(start, reference, alternative, 0, 0);
        long steps = StepsLeft(chromosome, start, reference.Length > 0 ? reference : alternative, genome);
        start -= steps;
        genome.TryGetLength(chromosome, out long length);
        bool follows = start == 0 && reference.Length < length;
        return new(start, Rotated(reference, steps), Rotated(alternative, steps), start > 0 ? 1 : 0, follows ? 1 : 0);
    }

    /// <summary>The variant in this form, as a VCF would have it.</summary>
    public Variant Of(Variant written, Genome genome)
    {
        Span<byte> beside = stackalloc byte[1];
        if (Before + After > 0) genome.Read(written.Chromosome, Before > 0 ? Start - 1 : Start + Reference.Length, beside);
        string known = Substitutions.IsKnown(beside[0]) ? $"{(char)beside[0]}" : "N";
        string before = Before > 0 ? known : "", after = After > 0 ? known : "";
        return written with
        {
            Position = Start - Before + 1,
            Reference = before + Encoding.ASCII.GetString(Reference) + after,
            Alternative = before + Encoding.ASCII.GetString(Alternative) + after,
            End = null,
            Length = null,
        };
    }

    /// <summary>
    /// How far inserted or deleted bases can be moved to the left: by a base wherever the genome has before them what they end with, which
    /// then is their beginning.
    /// </summary>
    private static long StepsLeft(string chromosome, long start, ReadOnlySpan<byte> bases, Genome genome)
    {
        Span<byte> piece = stackalloc byte[256];
        long steps = 0;
        while (steps < start)
        {
            int count = (int)Math.Min(piece.Length, start - steps);
            genome.Read(chromosome, start - steps - count, piece[..count]);
            for (int i = count - 1; i >= 0; i--, steps++)
                if (piece[i] != bases[^((int)(steps % bases.Length) + 1)]) return steps;
        }

        return steps;
    }

    private static byte[] Rotated(byte[] bases, long steps)
    {
        if (bases.Length == 0) return bases;
        int turn = (int)(steps % bases.Length);
        return [.. bases[^turn..], .. bases[..^turn]];
    }
}
