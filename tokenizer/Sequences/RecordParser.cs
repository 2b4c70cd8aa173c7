namespace Dnabert2.Sequences;

/// <summary>Reads one layout, record after record, into a draft and a base buffer.</summary>
internal abstract class RecordParser(ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults, bool needsKnownBases)
    : IRecordSource
{
    private readonly LineText _text = new(source, faults);

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
        Draft.Region = null;
        Draft.Lack = null;
    }

    /// <summary>Reads the rest of the header line: the name is its first word, after blanks if there are any.</summary>
    protected void ReadHeader() => (Draft.Id, Draft.Description) = ReadNamedLine("the header line");

    /// <summary>Reads the rest of the line: its first word, empty where there is none, and what follows.</summary>
    protected (string Name, string Remark) ReadNamedLine(string what) => _text.ReadNamedLine(what);

    /// <summary>Adds to the text that <see cref="TakeText"/> returns.</summary>
    protected void AddText(ReadOnlySpan<byte> piece, long line, string what) => _text.Add(piece, line, what);

    /// <summary>The text added since the last call.</summary>
    protected string TakeText(long line, string what) => _text.Take(line, what);

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
