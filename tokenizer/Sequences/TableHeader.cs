using System.Text;

namespace Dnabert2.Sequences;

/// <summary>What the first bytes of a table say of its separator and its columns.</summary>
internal static class TableHeader
{
    private const byte Quote = (byte)'"';

    /// <summary>
    /// The separator that the line <c>sep=;</c> of a spreadsheet program declares, and the length of that line without its end.
    /// </summary>
    public static bool Declares(ReadOnlySpan<byte> head, out byte separator, out int length)
    {
        int quote = head.StartsWith("\""u8) ? 1 : 0;
        (separator, length) = (0, (2 * quote) + 5);
        if (head.Length < length || !Ascii.EqualsIgnoreCase(head.Slice(quote, 4), "sep="u8)) return false;
        separator = head[quote + 4];
        if (separator is not ((byte)',' or (byte)';' or (byte)'\t' or (byte)'|') || (quote == 1 && head[6] != Quote)) return false;
        return head.Length == length || head[length] is (byte)'\n' or (byte)'\r';
    }

    /// <summary>Whether a column of sequences is there if the fields of the header are separated so.</summary>
    public static bool HasSequences(ReadOnlySpan<byte> head, byte separator, SequenceOptions options)
    {
        bool quoted = false;
        int start = 0;
        for (int i = 0; i <= head.Length; i++)
        {
            byte next = i < head.Length ? head[i] : (byte)'\n';
            if (next == Quote) quoted = !quoted;
            if (quoted || (next != separator && next != '\n')) continue;
            if (IsOfSequences(head[start..i].Trim(" \t\r"u8), options)) return true;
            if (next == '\n') return false;
            start = i + 1;
        }
        return false;
    }

    /// <summary>The length of the first line, line breaks inside quotes not counted as its end; -1 where it goes on.</summary>
    public static int LineLength(ReadOnlySpan<byte> head)
    {
        bool quoted = false;
        for (int i = 0; i < head.Length; i++)
        {
            if (head[i] == Quote) quoted = !quoted;
            else if (head[i] == '\n' && !quoted) return i;
        }
        return -1;
    }

    /// <summary>The separator of a file called CSV: that which makes a column of sequences, otherwise the one the header holds.</summary>
    public static byte CsvSeparator(ReadOnlySpan<byte> head, SequenceOptions options)
    {
        foreach (byte separator in ",;"u8)
            if (HasSequences(head, separator, options)) return separator;
        int length = LineLength(head);
        ReadOnlySpan<byte> line = length < 0 ? head : head[..length];
        return Separates(line, (byte)';') && !Separates(line, (byte)',') ? (byte)';' : (byte)',';
    }

    private static bool Separates(ReadOnlySpan<byte> line, byte separator)
    {
        bool quoted = false;
        foreach (byte next in line)
        {
            if (next == Quote) quoted = !quoted;
            else if (next == separator && !quoted) return true;
        }
        return false;
    }

    private static bool IsOfSequences(ReadOnlySpan<byte> field, SequenceOptions options)
    {
        if (field.Length > 1 && field[0] == Quote && field[^1] == Quote) field = field[1..^1].Trim(" \t"u8);
        if (options.SequenceColumn is null)
            return Ascii.EqualsIgnoreCase(field, "sequence"u8) || Ascii.EqualsIgnoreCase(field, "sequence1"u8);
        string name = Encoding.UTF8.GetString(field).Replace("\"\"", "\"", StringComparison.Ordinal);
        return name.Equals(options.SequenceColumn.Trim(), StringComparison.OrdinalIgnoreCase);
    }
}
