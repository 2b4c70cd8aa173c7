using System.Runtime.InteropServices;
using Dnabert2.Sequences;

namespace Dnabert2.Tool.Verbs;

/// <summary>The bases of some regions of a genome, to be asked whether a place is among them.</summary>
internal sealed class RegionSet
{
    private readonly Genome _genome;

    // Of each contig: stretches in order that do not overlap or touch.
    private readonly Dictionary<string, List<(long Start, long End)>> _stretches = new(StringComparer.Ordinal);

    public RegionSet(Genome genome, IEnumerable<GenomeRegion> regions)
    {
        _genome = genome;
        foreach (GenomeRegion region in regions)
        {
            ref List<(long, long)>? list = ref CollectionsMarshal.GetValueRefOrAddDefault(_stretches, region.Contig, out _);
            (list ??= []).Add((region.Start, region.End));
        }

        foreach ((string contig, List<(long Start, long End)> list) in _stretches) Merge(contig, list);
    }

    /// <summary>A place that two of the regions have in common, as samtools writes it; null: there is none.</summary>
    public string? Overlap { get; private set; }

    /// <summary>Whether a base from one place up to another is among them, of a sequence by any of its names.</summary>
    public bool Overlaps(string contig, long start, long end)
    {
        if (!_stretches.TryGetValue(_genome.NameOf(contig) ?? contig, out List<(long Start, long End)>? list)) return false;
        // The last stretch that begins before the end.
        int low = 0, high = list.Count;
        while (low < high)
        {
            int middle = (low + high) / 2;
            if (list[middle].Start < end) low = middle + 1;
            else high = middle;
        }

        return low > 0 && list[low - 1].End > start;
    }

    private void Merge(string contig, List<(long Start, long End)> list)
    {
        list.Sort();
        int last = 0;
        for (int i = 1; i < list.Count; i++)
        {
            if (list[i].Start < list[last].End)
                Overlap ??= new GenomeRegion(contig, list[i].Start, Math.Min(list[i].End, list[last].End)).ToString();
            if (list[i].Start > list[last].End) list[++last] = list[i];
            else list[last] = (list[last].Start, Math.Max(list[last].End, list[i].End));
        }

        list.RemoveRange(last + 1, list.Count - last - 1);
    }
}
