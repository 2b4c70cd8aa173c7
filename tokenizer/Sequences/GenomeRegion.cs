namespace Dnabert2.Sequences;

/// <summary>The strand of a region.</summary>
public enum RegionStrand
{
    /// <summary>It is not said: <c>.</c>.</summary>
    Unknown,

    /// <summary>As the genome stands: <c>+</c>.</summary>
    Forward,

    /// <summary>The other one, the reverse complement: <c>-</c>.</summary>
    Reverse,
}

/// <summary>A stretch of a sequence of a genome.</summary>
/// <param name="Contig">The name of the sequence.</param>
/// <param name="Start">The first base, counted from 0, always on the forward strand.</param>
/// <param name="End">One past the last base.</param>
public sealed record GenomeRegion(string Contig, long Start, long End)
{
    /// <summary>A name of its own, as in the fourth column of BED; null where it has none.</summary>
    public string? Name { get; init; }

    /// <summary>Its strand.</summary>
    public RegionStrand Strand { get; init; }

    /// <summary>The line of the file that it was read from, from 1; 0 where it is of none.</summary>
    public long Line { get; init; }

    /// <summary>The number of bases.</summary>
    public long Length => End - Start;

    /// <summary><c>+</c>, <c>-</c> or <c>.</c>.</summary>
    public char StrandSign => Strand switch { RegionStrand.Forward => '+', RegionStrand.Reverse => '-', _ => '.' };

    /// <summary>Its place as samtools writes it: <c>chr1:1001-2000</c>, counted from 1 with both ends included.</summary>
    public override string ToString() => $"{Contig}:{Start + 1}-{End}";

    /// <summary>A part of it, in bases from the beginning of what was read: from its end where it was read on the other strand.</summary>
    internal GenomeRegion Part(long start, long length, bool reversed) => reversed
        ? this with { Start = End - start - length, End = End - start } : this with { Start = Start + start, End = Start + start + length };
}
