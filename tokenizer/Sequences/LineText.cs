using System.Buffers;

namespace Dnabert2.Sequences;

/// <summary>Collects the text of a header line or a field, which is not to be of any length.</summary>
internal sealed class LineText(ByteSource source, Faults faults)
{
    /// <summary>The longest header line or text field, in bytes: what no name needs is a sign of a wrong or damaged file.</summary>
    private const int Longest = 1 << 20;

    private readonly ArrayBufferWriter<byte> _text = new();

    // U+0001 separates the headers that one record has in the data base nr of NCBI.
    private static ReadOnlySpan<byte> Blanks => " \t\u0001"u8;

    /// <summary>Adds to the text that <see cref="Take"/> returns.</summary>
    public void Add(ReadOnlySpan<byte> piece, long line, string what)
    {
        if (_text.WrittenCount + piece.Length > Longest)
            throw faults.Line(
                line, $"{what} is longer than {Longest} bytes",
                "Check that the file has this layout and that its line ends and quotes are whole");
        _text.Write(piece);
    }

    /// <summary>The text added since the last call.</summary>
    public string Take(long line, string what)
    {
        string text = FileText.Decode(_text.WrittenSpan, faults, line, what);
        _text.ResetWrittenCount();
        return text;
    }

    /// <summary>Reads the rest of the line.</summary>
    public string ReadLine(string what)
    {
        long line = source.Line;
        while (source.TryReadPiece(out ReadOnlySpan<byte> piece)) Add(piece, line, what);
        if (_text.WrittenSpan.Contains((byte)'\r')) throw faults.LoneCarriageReturn(line);
        return Take(line, what);
    }

    /// <summary>Reads the rest of the line: its first word, empty where there is none, and what follows.</summary>
    public (string Name, string Remark) ReadNamedLine(string what)
    {
        long line = source.Line;
        while (source.TryReadPiece(out ReadOnlySpan<byte> piece)) Add(piece, line, what);
        ReadOnlySpan<byte> text = _text.WrittenSpan;
        if (text.Contains((byte)'\r')) throw faults.LoneCarriageReturn(line);
        text = text.TrimStart(Blanks);
        int end = text.IndexOfAny(Blanks);
        if (end < 0) end = text.Length;
        string name = FileText.Decode(text[..end], faults, line, what);
        string remark = FileText.DecodeRemark(text[end..], faults, line, what).Trim();
        _text.ResetWrittenCount();
        return (name, remark);
    }
}
