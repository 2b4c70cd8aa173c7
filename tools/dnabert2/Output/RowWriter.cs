using System.Globalization;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Writes rows of fields as UTF-8 text, without allocating for numbers. Disposing does not write what is left: <see cref="Flush"/> does.
/// </summary>
/// <param name="stream">Where the text goes; it is left open.</param>
/// <param name="separator">What stands between the fields of a row: a tab, a comma or a space.</param>
internal sealed class RowWriter(Stream stream, char separator) : IRows
{
    /// <summary>The files that a table is written to, for the help of an option.</summary>
    public const string Formats = ".tsv or .csv; '-' is TSV on standard output";

    private const int MostOfNumber = 32;
    private readonly byte[] _buffer = new byte[1 << 16];
    private readonly string _quoted = separator == ',' ? ",\r\n\"" : "\t\r\n\"";
    private int _length;
    private bool _rowBegun;

    /// <summary>What stands between the fields of a table in a file of this name; null where its extension stands for no table.</summary>
    public static char? SeparatorOf(string path) => path == "-" ? '\t' : Path.GetExtension(path).ToLowerInvariant() switch
    {
        ".tsv" => '\t',
        ".csv" => ',',
        _ => null,
    };

    /// <summary>What stands between the fields of the table that an option <c>-o</c> names.</summary>
    /// <exception cref="UsageException">The extension stands for no table.</exception>
    public static char Separator(string path) =>
        SeparatorOf(path) ?? throw new UsageException($"-o {path}: the extension decides the format: {Formats}");

    /// <summary>
    /// Adds a field. Where it holds a separator, a line break or a quote it is quoted as RFC 4180 says, so that readers of tables get it
    /// back as it was.
    /// </summary>
    public void Add(ReadOnlySpan<char> text)
    {
        if (text.ContainsAny(_quoted)) text = $"\"{text.ToString().Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
        Separate();
        while (text.Length > 0)
        {
            ReadOnlySpan<char> piece = text[..Math.Min(text.Length, 4096)];
            if (piece.Length < text.Length && char.IsHighSurrogate(piece[^1])) piece = piece[..^1];
            Reserve(Encoding.UTF8.GetMaxByteCount(piece.Length));
            _length += Encoding.UTF8.GetBytes(piece, _buffer.AsSpan(_length));
            text = text[piece.Length..];
        }
    }

    /// <summary>Adds a whole number.</summary>
    public void Add(long value)
    {
        Separate();
        value.TryFormat(_buffer.AsSpan(_length), out int written, default, CultureInfo.InvariantCulture);
        _length += written;
    }

    /// <summary>Adds <c>yes</c> or <c>no</c>.</summary>
    public void Add(bool value) => Add(value ? "yes" : "no");

    /// <summary>Adds two whole numbers with a hyphen between them.</summary>
    public void AddRange(long start, long end)
    {
        Separate();
        start.TryFormat(_buffer.AsSpan(_length), out int written, default, CultureInfo.InvariantCulture);
        _length += written;
        _buffer[_length++] = (byte)'-';
        end.TryFormat(_buffer.AsSpan(_length), out written, default, CultureInfo.InvariantCulture);
        _length += written;
    }

    /// <summary>Adds numbers, each with the fewest digits that give it back exactly.</summary>
    public void Add(ReadOnlySpan<float> values)
    {
        foreach (float value in values)
        {
            Separate();
            value.TryFormat(_buffer.AsSpan(_length), out int written, default, CultureInfo.InvariantCulture);
            _length += written;
        }
    }

    /// <summary>Ends the row.</summary>
    public void EndRow()
    {
        Reserve(1);
        _buffer[_length++] = (byte)'\n';
        _rowBegun = false;
    }

    /// <summary>Hands everything on to the stream.</summary>
    public void Flush()
    {
        stream.Write(_buffer, 0, _length);
        _length = 0;
        stream.Flush();
    }

    private void Separate()
    {
        Reserve(1 + (2 * MostOfNumber));
        if (_rowBegun) _buffer[_length++] = (byte)separator;
        _rowBegun = true;
    }

    private void Reserve(int bytes)
    {
        if (_buffer.Length - _length >= bytes) return;
        stream.Write(_buffer, 0, _length);
        _length = 0;
    }
}
