using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>
/// A symbolic allele whose bases the genome has: <c>&lt;DEL&gt;</c> takes them away, <c>&lt;DUP&gt;</c> repeats them on the spot and
/// <c>&lt;INV&gt;</c> turns them, as VCF 4.4 defines these. They are those after the line's position, as many as <c>SVLEN</c> says, or up
/// to <c>END</c>.
/// </summary>
/// <param name="Kind">What becomes of the bases.</param>
/// <param name="Length">How many they are.</param>
internal readonly record struct SymbolicAllele(SymbolicAllele.Event Kind, long Length)
{
    /// <summary>What becomes of bases.</summary>
    public enum Event
    {
        /// <summary>They are lost.</summary>
        Deletion,

        /// <summary>They come twice, one after the other.</summary>
        Duplication,

        /// <summary>Their reverse complement takes their place.</summary>
        Inversion,
    }

    /// <summary>The event in words.</summary>
    public string Name => Kind switch
    {
        Event.Deletion => "deletion",
        Event.Duplication => "duplication",
        _ => "inversion",
    };

    /// <summary>Finds out what a symbolic allele stands for.</summary>
    /// <param name="variant">A variant with such an allele.</param>
    /// <param name="allele">What it stands for.</param>
    /// <returns>Why its bases cannot be known, in words; null where they can.</returns>
    public static string? FaultOf(Variant variant, out SymbolicAllele allele)
    {
        allele = default;
        string name = variant.Alternative;
        Event kind;
        // Of subtypes a deletion is one whatever it deletes; a duplication that is not in place says not where.
        if (name == "<DEL>" || name.StartsWith("<DEL:", StringComparison.Ordinal)) kind = Event.Deletion;
        else if (name is "<DUP>" or "<DUP:TANDEM>") kind = Event.Duplication;
        else if (name == "<INV>") kind = Event.Inversion;
        else return "its bases are not given";
        long position = Bounded(variant.Position);
        // Some programs give inversions, which change no length, the length 0.
        long? given = variant.Length is { } number && number != 0 ? Math.Abs(Bounded(number)) : null;
        if (given is null && variant.End is null) return "its bases are not given: the line has neither END nor SVLEN";
        long length = given ?? Bounded(variant.End!.Value) - position;
        if (length < 1) return $"END is {variant.End}, and that is not after its position {variant.Position}";
        // Of several alleles END is the last one's.
        if (variant.End < position + length)
            return $"END is {variant.End} and SVLEN {variant.Length}, and both cannot be: it would end at {position + length}";
        allele = new(kind, length);
        return null;

        // Further than any sequence reaches, and so that sums are exact.
        static long Bounded(long number) => Math.Clamp(number, -1L << 60, 1L << 60);
    }

    /// <summary>The alleles written out.</summary>
    /// <param name="bases">[<see cref="Length"/>]: what the genome has there.</param>
    public (byte[] Reference, byte[] Alternative) Of(byte[] bases) => Kind switch
    {
        Event.Deletion => (bases, []),
        Event.Duplication => ([], bases),
        _ => (bases, ReverseComplement.Of(bases)),
    };
}
