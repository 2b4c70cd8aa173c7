using System.Globalization;

namespace Dnabert2.Sequences;

/// <summary>Reads regions as samtools does (hts_parse_region): a whole name goes before a name with places.</summary>
internal static class RegionText
{
    private const string Forms = "a region is NAME, NAME:START-END, NAME:START- or NAME:-END, counted from 1 with both ends included";

    public static GenomeRegion Parse(string text, Genome genome)
    {
        if (text.StartsWith('{')) return ParseBraced(text, genome);
        int colon = text.LastIndexOf(':');
        bool isName = genome.TryGetLength(text, out long whole);
        bool hasPlaces = colon > 0 && TryPlaces(text[(colon + 1)..], out _, out _);
        if (isName && hasPlaces && genome.TryGetLength(text[..colon], out _))
            throw Fault(text, $"both '{Faults.Show(text)}' and '{Faults.Show(text[..colon])}' are sequences: write "
                + $"{{{Faults.Show(text)}}} or {{{Faults.Show(text[..colon])}}}:{Faults.Show(text[(colon + 1)..])}");
        if (isName) return new GenomeRegion(text, 0, whole);
        if (!hasPlaces)
            throw Fault(text, colon < 0 || !genome.TryGetLength(text[..colon], out _) ? genome.UnknownName(text) : Forms);
        return Places(text, text[..colon], text[(colon + 1)..], genome);
    }

    private static GenomeRegion ParseBraced(string text, Genome genome)
    {
        int end = text.LastIndexOf('}');
        if (end < 2 || (end < text.Length - 1 && text[end + 1] != ':')) throw Fault(text, "a name in braces is {NAME} or {NAME}:START-END");
        string name = text[1..end];
        if (end < text.Length - 1) return Places(text, name, text[(end + 2)..], genome);
        return genome.TryGetLength(name, out long length) ? new GenomeRegion(name, 0, length) : throw Fault(text, genome.UnknownName(name));
    }

    private static GenomeRegion Places(string text, string name, string places, Genome genome)
    {
        if (!genome.TryGetLength(name, out long length)) throw Fault(text, genome.UnknownName(name));
        if (!TryPlaces(places, out long start, out long? end)) throw Fault(text, Forms);
        if (start == 0) throw Fault(text, "bases are counted from 1");
        var region = new GenomeRegion(name, start - 1, end ?? length);
        if (start > length) region = region with { End = Math.Max(region.End, start) };
        return genome.FaultOf(region) is { } fault ? throw Fault(text, fault) : region;
    }

    private static bool TryPlaces(string text, out long start, out long? end)
    {
        (start, end) = (1, null);
        int hyphen = text.IndexOf('-', StringComparison.Ordinal);
        string first = hyphen < 0 ? text : text[..hyphen], last = hyphen < 0 ? "" : text[(hyphen + 1)..];
        if (first.Length + last.Length == 0) return false;
        if (first.Length > 0 && !TryNumber(first, out start)) return false;
        if (last.Length == 0) return true;
        if (!TryNumber(last, out long value)) return false;
        end = value;
        return true;
    }

    private static bool TryNumber(string text, out long number)
    {
        number = 0;
        return text[0] != ',' && long.TryParse(
            text.Replace(",", "", StringComparison.Ordinal), NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    private static ArgumentException Fault(string text, string what) => new($"region '{Faults.Show(text, 100)}': {what}");
}
