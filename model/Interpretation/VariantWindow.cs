using System.Text;
using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>A variant held against the genome: either what is wrong with it, or the bases around it with both alleles.</summary>
internal readonly struct VariantWindow
{
    private const int MostShown = 24;

    private VariantWindow(VariantStatus status, string reason) =>
        (Status, Reason, Reference, Alternative) = (status, reason, [], []);

    private VariantWindow(Variant normalized, byte[] reference, byte[] alternative) =>
        (Status, Reason, Normalized, Reference, Alternative) = (VariantStatus.Scored, "", normalized, reference, alternative);

    /// <summary>Whether it can be scored, or why not.</summary>
    public VariantStatus Status { get; }

    /// <summary>Why not, in words.</summary>
    public string Reason { get; }

    /// <summary>The variant in the form that all its spellings have; null where it cannot be scored.</summary>
    public Variant? Normalized { get; }

    /// <summary>
    /// The genome's bases: A, C, G, T, and N for all that is not known exactly. Where the reference allele is, its own bases.
    /// </summary>
    public byte[] Reference { get; }

    /// <summary>The same with the alternative allele.</summary>
    public byte[] Alternative { get; }

    /// <summary>Cuts the window of a variant.</summary>
    /// <param name="variant">The variant.</param>
    /// <param name="genome">The genome.</param>
    /// <param name="width">The bases of the window.</param>
    /// <param name="most">The most bases that the model takes, of either allele with what is around it.</param>
    public static VariantWindow Of(Variant variant, Genome genome, int width, int most)
    {
        if (Fault(variant.Alternative) is { } fault) return fault;
        byte[] written = Encoding.ASCII.GetBytes(variant.Reference.ToUpperInvariant());
        byte[] reference = written, alternative = Encoding.ASCII.GetBytes(variant.Alternative.ToUpperInvariant());
        if (reference.AsSpan().SequenceEqual(alternative))
            return new(VariantStatus.NoAlternative, "both alleles are the same: nothing changes");
        int trimmed = NormalizedVariant.Trim(ref reference, ref alternative);
        if (!AreBases(alternative)) return NotBases("allele", variant.Alternative);
        if (!AreBases(reference)) return NotBases("reference allele", variant.Reference);
        if (!genome.TryGetLength(variant.Chromosome, out long length)) return UnknownChromosome(variant.Chromosome, genome);
        long start = variant.Position - 1;
        if (start < 0 || start > length - written.Length)
            return new(
                VariantStatus.OutOfRange,
                $"{Show(variant.Chromosome)} has {length} bases, the reference allele would lie at "
                + $"{variant.Position} to {start + written.Length}");
        if (!genome.Matches(variant.Chromosome, start, written))
            return Mismatch(variant, Bases(genome, variant.Chromosome, start, written.Length));
        var normalized = NormalizedVariant.Of(variant.Chromosome, start + trimmed, reference, alternative, genome);
        width = Math.Min(width, most - Math.Max(0, alternative.Length - reference.Length));
        int longest = Math.Max(reference.Length, alternative.Length) + normalized.Before + normalized.After;
        if (longest > width)
            return new(VariantStatus.TooLong, $"an allele of {longest} bases does not fit into a window of {Math.Max(0, width)}");
        return Cut(variant, normalized, length, width, genome);
    }

    /// <summary>
    /// The window around the reference allele of the normal form, which depends on the variant alone and not on how it is written.
    /// </summary>
    private static VariantWindow Cut(Variant variant, in NormalizedVariant normalized, long length, int width, Genome genome)
    {
        long at = normalized.Start - normalized.Before, end = normalized.Start + normalized.Reference.Length + normalized.After;
        int room = width - (int)(end - at), before = (int)Math.Min(at, room / 2), after = (int)Math.Min(length - end, room - (room / 2));
        int change = before + normalized.Before;
        byte[] bases = new byte[before + (int)(end - at) + after];
        genome.Read(variant.Chromosome, at - before, bases);
        foreach (ref byte b in bases.AsSpan())
            if (!Substitutions.IsKnown(b)) b = (byte)'N';
        // An ambiguity code stands for the base that the allele says is there.
        normalized.Reference.CopyTo(bases, change);
        byte[] changed = [.. bases[..change], .. normalized.Alternative, .. bases[(change + normalized.Reference.Length)..]];
        return new(normalized.Of(variant, genome), bases, changed);
    }

    private static VariantWindow Mismatch(Variant variant, string found) => new(
        VariantStatus.ReferenceMismatch,
        $"the reference allele is {Show(variant.Reference)}, the genome has {Show(found)} "
        + $"at {Show(variant.Chromosome)}:{variant.Position}");

    private static string Bases(Genome genome, string chromosome, long start, int count)
    {
        byte[] bases = new byte[count];
        genome.Read(chromosome, start, bases);
        return Encoding.ASCII.GetString(bases);
    }

    private static VariantWindow? Fault(string allele) => allele switch
    {
        "" => null,
        "*" => new(VariantStatus.SpanningDeletion, "the allele * stands for a deletion on another line"),
        "." => new(VariantStatus.NoAlternative, "there is no alternative allele"),
        _ when allele[0] == '<' => new(VariantStatus.Symbolic, $"the allele {Show(allele)} is symbolic: its bases are not given"),
        _ when allele.AsSpan().ContainsAny('[', ']') || allele[0] == '.' || allele[^1] == '.' =>
            new(VariantStatus.Breakend, $"the allele {Show(allele)} is a breakend"),
        _ => null,
    };

    private static VariantWindow NotBases(string which, string allele) =>
        new(VariantStatus.NotBases, $"the {which} {Show(allele)} holds other letters than A, C, G, T");

    private static VariantWindow UnknownChromosome(string name, Genome genome) => new(
        VariantStatus.UnknownChromosome,
        genome.TryGetOtherName(name, out string? other)
        ? $"the genome has no '{Show(name)}', but '{Show(other)}': the names of chromosomes have to agree"
        : $"the genome has no '{Show(name)}'; it has "
        + $"{string.Join(", ", genome.Names.Take(5).Select(Show))}{(genome.Names.Count > 5 ? ", …" : "")}");

    private static bool AreBases(ReadOnlySpan<byte> allele) => !allele.ContainsAnyExcept(Substitutions.Bases);

    private static string Show(string text) => text.Length <= MostShown ? text : $"{text[..MostShown]}… ({text.Length} letters)";
}
