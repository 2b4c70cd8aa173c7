using System.Text;
using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>A variant held against the genome: either what is wrong with it, or the bases around it with both alleles.</summary>
internal readonly struct VariantWindow
{
    private const int MostShown = 24;

    private VariantWindow(VariantStatus status, string reason) =>
        (Status, Reason, Reference, Alternative) = (status, reason, [], []);

    private VariantWindow(byte[] reference, byte[] alternative) =>
        (Status, Reason, Reference, Alternative) = (VariantStatus.Scored, "", reference, alternative);

    /// <summary>Whether it can be scored, or why not.</summary>
    public VariantStatus Status { get; }

    /// <summary>Why not, in words.</summary>
    public string Reason { get; }

    /// <summary>The genome's bases.</summary>
    public byte[] Reference { get; }

    /// <summary>The same with the alternative allele.</summary>
    public byte[] Alternative { get; }

    /// <summary>Cuts the window of a variant.</summary>
    /// <param name="variant">The variant.</param>
    /// <param name="genome">The genome.</param>
    /// <param name="width">The bases of the window.</param>
    public static VariantWindow Of(Variant variant, Genome genome, int width)
    {
        if (Fault(variant.Alternative) is { } fault) return fault;
        byte[] reference = Encoding.ASCII.GetBytes(variant.Reference.ToUpperInvariant());
        byte[] alternative = Encoding.ASCII.GetBytes(variant.Alternative.ToUpperInvariant());
        if (!AreBases(reference)) return new(VariantStatus.NotBases, $"the reference allele {Show(variant.Reference)} holds other letters than A, C, G, T");
        if (reference.AsSpan().SequenceEqual(alternative)) return new(VariantStatus.NoAlternative, "both alleles are the same");
        if (!genome.TryGetLength(variant.Chromosome, out int length)) return UnknownChromosome(variant.Chromosome, genome);
        long start = variant.Position - 1;
        if (start < 0 || start > length - reference.Length)
            return new(VariantStatus.OutOfRange, $"{Show(variant.Chromosome)} has {length} bases, the reference allele would lie at {variant.Position} to {start + reference.Length}");
        byte[] found = new byte[reference.Length];
        genome.Read(variant.Chromosome, (int)start, found);
        if (!found.AsSpan().SequenceEqual(reference))
            return new(VariantStatus.ReferenceMismatch, $"the reference allele is {Show(variant.Reference)}, the genome has {Show(Encoding.ASCII.GetString(found))} at {Show(variant.Chromosome)}:{variant.Position}");
        if (Math.Max(reference.Length, alternative.Length) > width)
            return new(VariantStatus.TooLong, $"an allele of {Math.Max(reference.Length, alternative.Length)} bases does not fit into a window of {width}");
        return Cut(variant.Chromosome, (int)start, length, alternative, found, width, genome);
    }

    private static VariantWindow Cut(string chromosome, int at, int length, byte[] alternative, byte[] reference, int width, Genome genome)
    {
        int before = Math.Min(at, (width - reference.Length) / 2), end = at + reference.Length;
        int after = Math.Min(length - end, width - reference.Length - ((width - reference.Length) / 2));
        byte[] bases = new byte[before + reference.Length + after];
        genome.Read(chromosome, at - before, bases);
        return new(bases, [.. bases[..before], .. alternative, .. bases[(before + reference.Length)..]]);
    }

    private static VariantWindow? Fault(string allele) => allele switch
    {
        "*" => new(VariantStatus.SpanningDeletion, "the allele * stands for a deletion on another line"),
        "." => new(VariantStatus.NoAlternative, "there is no alternative allele"),
        _ when allele[0] == '<' => new(VariantStatus.Symbolic, $"the allele {Show(allele)} is symbolic: its bases are not given"),
        _ when allele.AsSpan().ContainsAny('[', ']') || allele[0] == '.' || allele[^1] == '.' => new(VariantStatus.Breakend, $"the allele {Show(allele)} is a breakend"),
        _ when !AreBases(Encoding.UTF8.GetBytes(allele.ToUpperInvariant())) => new(VariantStatus.NotBases, $"the allele {Show(allele)} holds other letters than A, C, G, T"),
        _ => null,
    };

    private static VariantWindow UnknownChromosome(string name, Genome genome) => new(
        VariantStatus.UnknownChromosome,
        genome.TryGetOtherName(name, out string? other) ? $"the genome has no '{Show(name)}', but '{other}': the names of chromosomes have to agree"
        : $"the genome has no '{Show(name)}'; it has {string.Join(", ", genome.Names.Take(5).Select(Show))}{(genome.Names.Count > 5 ? ", …" : "")}");

    private static bool AreBases(ReadOnlySpan<byte> allele) => !allele.ContainsAnyExcept(Substitutions.Bases);

    private static string Show(string text) => text.Length <= MostShown ? text : $"{text[..MostShown]}… ({text.Length} letters)";
}
