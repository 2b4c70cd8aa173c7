using System.Buffers;

namespace Dnabert2.Sequences;

/// <summary>Reads one layout, record after record, into a draft and a base buffer.</summary>
internal abstract class RecordParser(ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults, bool needsKnownBases)
{
    /// <summary>The longest header line or text field, in bytes: what no name needs is a sign of a wrong or damaged file.</summary>
    protected const int LongestText = 1 << 20;

    // U+0001 separates the headers that one record has in the data base nr of NCBI.
    private static ReadOnlySpan<byte> Blanks => " \t\u0001"u8;

    private readonly ArrayBufferWriter<byte> _text = new();

    protected ByteSource Source { get; } = source;
    protected BaseBuffer Bases { get; } = bases;
    protected RecordDraft Draft { get; } = draft;
    protected Faults Faults { get; } = faults;

    /// <summary>Reads the next record; false at the end of the input.</summary>
    public abstract bool TryRead();

    /// <summary>The names of the columns, in the layouts that have a header line.</summary>
    public virtual string[] Columns => [];

    /// <summary>Whether records have two sequences.</summary>
    public virtual bool IsOfPairs => false;

    /// <summary>Makes the draft that of a new record that starts at the next byte.</summary>
    protected void StartRecord()
    {
        Bases.Clear();
        Draft.Number++;
        Draft.Line = Source.Line;
        Draft.Id = Draft.Description = "";
        Draft.First = Draft.Second = default;
        Draft.Values = [];
        Draft.Lack = null;
    }

    /// <summary>Reads the rest of the header line: the name is its first word, after blanks if there are any.</summary>
    protected void ReadHeader() => (Draft.Id, Draft.Description) = ReadNamedLine("the header line");

    /// <summary>Reads the rest of the line: its first word, empty where there is none, and what follows.</summary>
    protected (string Name, string Remark) ReadNamedLine(string what)
    {
        long line = Source.Line;
        while (Source.TryReadPiece(out ReadOnlySpan<byte> piece)) AddText(piece, line, what);
        ReadOnlySpan<byte> text = _text.WrittenSpan;
        if (text.Contains((byte)'\r')) throw Faults.LoneCarriageReturn(line);
        text = text.TrimStart(Blanks);
        int end = text.IndexOfAny(Blanks);
        if (end < 0) end = text.Length;
        string name = FileText.Decode(text[..end], Faults, line, what);
        string remark = FileText.DecodeRemark(text[end..], Faults, line, what).Trim();
        _text.ResetWrittenCount();
        return (name, remark);
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

    /// <summary>The text added since the last call.</summary>
    protected string TakeText(long line, string what)
    {
        string text = FileText.Decode(_text.WrittenSpan, Faults, line, what);
        _text.ResetWrittenCount();
        return text;
    }

    /// <summary>Adds the rest of the line to the sequence.</summary>
    protected void ReadBases()
    {
        while (Source.TryReadPiece(out ReadOnlySpan<byte> piece)) Bases.Append(piece);
        Bases.EndLine();
    }

    /// <summary>Ends the sequence, and notes in the draft where it is none.</summary>
    protected BaseRange EndBases(string what = "the record")
    {
        BaseRange range = Bases.End();
        if (range.Total == 0) Draft.Lack ??= $"{what} has no sequence";
        else if (needsKnownBases && range.IsUnknown) Draft.Lack ??= $"{what} has no A, C, G or T";
        return range;
    }

    /// <summary>Consumes empty lines; false at the end of the input.</summary>
    protected bool SkipBlankLines()
    {
        for (int length; (length = Source.LineEnd()) > 0;) Source.SkipLineEnd(length);
        return Source.HasMore;
    }
}
