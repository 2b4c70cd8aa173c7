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
    /// <param name="layout">How windows lie.</param>
    public static VariantWindow Of(Variant variant, Genome genome, in WindowLayout layout)
    {
        if (Fault(variant.Alternative) is { } fault) return fault;
        if (variant.Alternative.StartsWith('<')) return OfSymbolic(variant, genome, layout);
        byte[] written = Encoding.ASCII.GetBytes(variant.Reference.ToUpperInvariant());
        byte[] reference = written, alternative = Encoding.ASCII.GetBytes(variant.Alternative.ToUpperInvariant());
        if (reference.AsSpan().SequenceEqual(alternative))
            return new(VariantStatus.NoAlternative, "both alleles are the same: nothing changes");
        int trimmed = NormalizedVariant.Trim(ref reference, ref alternative);
        if (!AreBases(alternative)) return NotBases("allele", variant.Alternative);
        if (!AreBases(reference)) return NotBases("reference allele", variant.Reference);
        if (FaultOfPlace(variant, variant.Position - 1, written.Length, "reference allele", genome) is { } place) return place;
        if (!genome.Matches(variant.Chromosome, variant.Position - 1, written))
            return Mismatch(variant, Bases(genome, variant.Chromosome, variant.Position - 1, written.Length));
        return OfAlleles(variant, variant.Position - 1 + trimmed, reference, alternative, genome, layout, "allele");
    }

    /// <summary>The window of an allele that is made from the genome; its bases are read only where a window holds them.</summary>
    private static VariantWindow OfSymbolic(Variant variant, Genome genome, in WindowLayout layout)
    {
        if (SymbolicAllele.FaultOf(variant, out SymbolicAllele allele) is { } fault)
            return new(VariantStatus.Symbolic, $"the allele {Show(variant.Alternative)} is symbolic: {fault}");
        byte[] written = Encoding.ASCII.GetBytes(variant.Reference.ToUpperInvariant());
        if (FaultOfPlace(variant, variant.Position - 1, written.Length, "reference allele", genome) is { } place) return place;
        // Files of such alleles often have N in place of the base before it.
        if (!written.AsSpan().SequenceEqual("N"u8) && !genome.Matches(variant.Chromosome, variant.Position - 1, written))
            return Mismatch(variant, Bases(genome, variant.Chromosome, variant.Position - 1, written.Length));
        if (FaultOfPlace(variant, variant.Position, allele.Length, allele.Name, genome) is { } end) return end;
        if (allele.Length > layout.Width) return TooLong(allele.Name, allele.Length, layout.Width);
        byte[] bases = new byte[allele.Length];
        genome.Read(variant.Chromosome, variant.Position, bases);
        if (!AreBases(bases))
            return new(
                VariantStatus.NotBases, $"the genome has other letters than A, C, G, T in the {allele.Name}, "
                + $"{Show(variant.Chromosome)}:{variant.Position + 1}-{variant.Position + allele.Length}");
        (byte[] reference, byte[] alternative) = allele.Of(bases);
        if (reference.AsSpan().SequenceEqual(alternative))
            return new(VariantStatus.NoAlternative, "the bases are their own reverse complement: nothing changes");
        int trimmed = NormalizedVariant.Trim(ref reference, ref alternative);
        return OfAlleles(variant, variant.Position + trimmed, reference, alternative, genome, layout, allele.Name);
    }

    /// <summary>The window of alleles that are known to agree with the genome.</summary>
    private static VariantWindow OfAlleles(
        Variant variant, long start, byte[] reference, byte[] alternative, Genome genome, in WindowLayout layout, string what)
    {
        var normalized = NormalizedVariant.Of(variant.Chromosome, start, reference, alternative, genome);
        int width = Math.Min(layout.Width, layout.Most - Math.Max(0, alternative.Length - reference.Length));
        int longest = Math.Max(reference.Length, alternative.Length) + normalized.Before + normalized.After;
        return longest > width ? TooLong(what, longest, width) : Cut(variant, normalized, width, genome, layout);
    }

    /// <summary>
    /// The window around the reference allele of the normal form, which depends on the variant alone and not on how it is written.
    /// </summary>
    private static VariantWindow Cut(
        Variant variant, in NormalizedVariant normalized, int width, Genome genome, in WindowLayout layout)
    {
        genome.TryGetLength(variant.Chromosome, out long length);
        long at = normalized.Start - normalized.Before, end = normalized.Start + normalized.Reference.Length + normalized.After;
        (long first, long last) = layout.Of(at, end, width, length);
        int change = (int)(normalized.Start - first);
        byte[] bases = new byte[last - first];
        genome.Read(variant.Chromosome, first, bases);
        foreach (ref byte b in bases.AsSpan())
            if (!Substitutions.IsKnown(b)) b = (byte)'N';
        // An ambiguity code stands for the base that the allele says is there.
        normalized.Reference.CopyTo(bases, change);
        byte[] changed = [.. bases[..change], .. normalized.Alternative, .. bases[(change + normalized.Reference.Length)..]];
        return new(normalized.Of(variant, genome), bases, changed);
    }

    /// <summary>What is wrong with a place on the genome; null where nothing is.</summary>
    private static VariantWindow? FaultOfPlace(Variant variant, long start, long bases, string what, Genome genome)
    {
        if (!genome.TryGetLength(variant.Chromosome, out long length)) return UnknownChromosome(variant.Chromosome, genome);
        return start >= 0 && start <= length - bases ? null : new(
            VariantStatus.OutOfRange,
            $"{Show(variant.Chromosome)} has {length} bases, the {what} would lie at {start + 1} to {start + bases}");
    }

    private static VariantWindow TooLong(string what, long bases, int width) => new(
        VariantStatus.TooLong,
        $"{(what[0] is 'a' or 'i' ? "an" : "a")} {what} of {bases} bases does not fit into a window of {Math.Max(0, width)}");

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
        _ when allele[0] == '<' => null,
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
