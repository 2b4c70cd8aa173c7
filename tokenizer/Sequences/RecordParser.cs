using System.Buffers;
using System.Text;

namespace Dnabert2.Sequences;

/// <summary>Reads one layout, record after record, into a draft and a base buffer.</summary>
internal abstract class RecordParser(ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults)
{
    /// <summary>The longest header line or text field, in bytes: what no name needs is a sign of a wrong or damaged file.</summary>
    protected const int LongestText = 1 << 20;

    private readonly ArrayBufferWriter<byte> _text = new();

    protected ByteSource Source { get; } = source;
    protected BaseBuffer Bases { get; } = bases;
    protected RecordDraft Draft { get; } = draft;
    protected Faults Faults { get; } = faults;

    /// <summary>Reads the next record; false at the end of the input.</summary>
    public abstract bool TryRead();

    /// <summary>The names of the columns, in the layouts that have a header line.</summary>
    public virtual string[] Columns => [];

    /// <summary>Makes the draft that of a new record that starts at the next byte.</summary>
    protected void StartRecord()
    {
        Bases.Clear();
        Draft.Number++;
        Draft.Line = Source.Line;
        Draft.Id = Draft.Description = "";
        Draft.First = Draft.Second = default;
        Draft.Values = [];
    }

    /// <summary>Reads the rest of the header line: the name is its first word.</summary>
    protected void ReadHeader()
    {
        string header = ReadLine("the header line");
        int end = header.AsSpan().IndexOfAny(' ', '\t', '\u0001');
        Draft.Id = end < 0 ? header : header[..end];
        Draft.Description = end < 0 ? "" : header[(end + 1)..].Trim();
    }

    /// <summary>Reads the rest of the line as text.</summary>
    protected string ReadLine(string what)
    {
        long line = Source.Line;
        while (Source.TryReadPiece(out ReadOnlySpan<byte> piece)) AddText(piece, line, what);
        string text = TakeText(line, what);
        return text.Contains('\r') ? throw Faults.LoneCarriageReturn(line) : text;
    }

    /// <summary>Adds to the text that <see cref="TakeText"/> returns.</summary>
    protected void AddText(ReadOnlySpan<byte> piece, long line, string what)
    {
        if (_text.WrittenCount + piece.Length > LongestText)
            throw Faults.Line(
                line, $"{what} is longer than {LongestText} bytes",
                "Check that the file has this layout and that its line ends and quotes are whole");
        _text.Write(piece);
    }

    /// <summary>The text added since the last call; bytes that are not UTF-8 become U+FFFD.</summary>
    protected string TakeText(long line, string what)
    {
        ReadOnlySpan<byte> bytes = _text.WrittenSpan;
        if (bytes.Contains((byte)0))
            throw Faults.Line(
                line, $"{what} holds a zero byte: this is binary data", "Give FASTA, FASTQ, CSV, TSV or plain lines, gzipped or not");
        string text = Encoding.UTF8.GetString(bytes);
        _text.ResetWrittenCount();
        return text;
    }

    /// <summary>Adds the rest of the line to the sequence.</summary>
    protected void ReadBases()
    {
        while (Source.TryReadPiece(out ReadOnlySpan<byte> piece)) Bases.Append(piece);
    }

    /// <summary>Ends the sequence; an empty one has no embedding and is an error.</summary>
    protected BaseRange EndBases(string what = "the record")
    {
        if (Bases.Length == 0) throw Faults.Record($"{what} has no sequence", "Remove the record or add its bases");
        return Bases.End();
    }

    /// <summary>Consumes empty lines; false at the end of the input.</summary>
    protected bool SkipBlankLines()
    {
        for (int length; (length = Source.LineEnd()) > 0;) Source.SkipLineEnd(length);
        return Source.HasMore;
    }
}
