using Dnabert2.Sequences;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Where a row lies in a genome: the columns <c>contig</c>, <c>start</c> (from 0), <c>end</c> (left out) and <c>strand</c>.
/// </summary>
internal static class RegionColumns
{
    /// <summary>Their names.</summary>
    public static string[] Names { get; } = ["contig", "start", "end", "strand"];

    /// <summary>Adds them to a row.</summary>
    public static void Add(RowWriter row, GenomeRegion region)
    {
        row.Add(region.Contig);
        row.Add(region.Start);
        row.Add(region.End);
        row.Add([region.StrandSign]);
    }

    /// <summary>Where bases of a region lie, of which the first and one past the last are given as they were read.</summary>
    public static GenomeRegion PartOf(GenomeRegion region, int start, int end, bool turned) =>
        region.Part(start, end - start, turned && region.Strand == RegionStrand.Reverse);

    /// <summary>Adds where a token lies: its first base and one past its last one, and in a region its strand.</summary>
    /// <param name="row">The row.</param>
    /// <param name="start">The first base, in the bases that were read.</param>
    /// <param name="end">One past the last one.</param>
    /// <param name="region">Where those lie; null: they are the record.</param>
    /// <param name="turned">Whether a region of the other strand was read as its reverse complement.</param>
    public static void AddToken(RowWriter row, int start, int end, GenomeRegion? region, bool turned)
    {
        GenomeRegion? part = region is null ? null : PartOf(region, start, end, turned);
        row.Add(part?.Start ?? start);
        row.Add(part?.End ?? end);
        if (region is not null) row.Add([region.StrandSign]);
    }
}
