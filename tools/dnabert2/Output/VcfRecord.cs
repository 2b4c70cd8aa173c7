using System.Buffers.Text;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>What an index, and values for alleles, need of a line of a VCF that was read before.</summary>
/// <param name="Line">The line, from 1.</param>
/// <param name="Contig">The sequence.</param>
/// <param name="Start">The first base, counted from 0; -1 before the first one.</param>
/// <param name="End">One past the last base that the record is of, by its reference allele, END and SVLEN.</param>
/// <param name="Alternative">The column ALT.</param>
/// <param name="Info">The column INFO in the line; null where it has none.</param>
internal readonly record struct VcfRecord(long Line, string Contig, long Start, long End, string Alternative, Range? Info)
{
    private const int Needed = 8;

    /// <summary>Reads a line, which has the columns up to ALT.</summary>
    public static VcfRecord Of(ReadOnlySpan<byte> line, long number)
    {
        ReadOnlySpan<byte> content = line.TrimEnd("\r\n"u8);
        Span<Range> columns = stackalloc Range[Needed];
        int count = 0;
        foreach (Range column in content.Split((byte)'\t'))
        {
            columns[count++] = column;
            if (count == Needed) break;
        }

        long start = (Utf8Parser.TryParse(content[columns[1]], out long position, out _) ? position : 0) - 1;
        long end = start + content[columns[3]].Length;
        Range? info = count == Needed ? columns[Needed - 1] : null;
        if (info is { } place)
        {
            ReadOnlySpan<byte> fields = content[place];
            end = Math.Max(end, Largest(fields, "END="u8));
            long length = Largest(fields, "SVLEN="u8);
            if (length < int.MaxValue) end = Math.Max(end, start + 1 + length);
        }

        return new VcfRecord(
            number, Encoding.UTF8.GetString(content[columns[0]]), start, end, Encoding.UTF8.GetString(content[columns[4]]), info);
    }

    /// <summary>The largest size of the numbers of a field; 0 where there is none.</summary>
    private static long Largest(ReadOnlySpan<byte> info, ReadOnlySpan<byte> key)
    {
        long largest = 0;
        foreach (Range part in info.Split((byte)';'))
        {
            if (!info[part].StartsWith(key)) continue;
            ReadOnlySpan<byte> values = info[part][key.Length..];
            foreach (Range value in values.Split((byte)','))
                if (Utf8Parser.TryParse(values[value].TrimStart((byte)'-'), out long number, out _)) largest = Math.Max(largest, number);
        }

        return largest;
    }
}
