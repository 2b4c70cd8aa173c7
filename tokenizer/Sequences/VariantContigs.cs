using System.Globalization;
using System.Text;

namespace Dnabert2.Sequences;

/// <summary>
/// The sequences in the header of a VCF, <c>##contig=&lt;ID=chr1,length=248956422,…&gt;</c>. A line that is none, or says no length, is
/// passed over: nothing depends on it but what is said of another genome.
/// </summary>
internal sealed class VariantContigs
{
    private const int LongestLine = 4096, Most = 100_000;
    private readonly List<(string Name, long Length)> _all = [];

    /// <summary>Those that have a length.</summary>
    public IReadOnlyList<(string Name, long Length)> All => _all;

    /// <summary>Reads a line of the header to its end.</summary>
    public void ReadLine(ByteSource source)
    {
        Span<byte> line = stackalloc byte[LongestLine];
        int length = 0;
        while (source.TryReadPiece(out ReadOnlySpan<byte> piece))
        {
            ReadOnlySpan<byte> fits = piece[..Math.Min(piece.Length, LongestLine - length)];
            fits.CopyTo(line[length..]);
            length += fits.Length;
        }

        if (_all.Count < Most && Parse(line[..length]) is { } contig) _all.Add(contig);
    }

    private static (string Name, long Length)? Parse(ReadOnlySpan<byte> line)
    {
        if (!line.StartsWith("##contig=<"u8) || !line.EndsWith(">"u8)) return null;
        string text = Encoding.UTF8.GetString(line["##contig=<".Length..^1]);
        string name = "";
        long length = 0;
        foreach (string entry in text.Split(','))
        {
            if (entry.StartsWith("ID=", StringComparison.Ordinal)) name = entry[3..];
            else if (entry.StartsWith("length=", StringComparison.Ordinal)
                && long.TryParse(entry["length=".Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long bases))
                length = bases;
        }

        return name.Length > 0 && length > 0 ? (name, length) : null;
    }
}
