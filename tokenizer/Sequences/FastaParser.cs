namespace Dnabert2.Sequences;

/// <summary>
/// FASTA (Pearson and Lipman 1988): a header line that starts with <c>&gt;</c>, then lines of bases. Blank lines, blanks
/// inside lines and comment lines that start with <c>;</c> are skipped.
/// </summary>
internal sealed class FastaParser(ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults, bool needsKnownBases)
    : RecordParser(source, bases, draft, faults, needsKnownBases)
{
    public override bool TryRead()
    {
        bool indented = false;
        while (SkipBlankLines() && Source.Peek() is (';' or ' ' or '\t'))
        {
            if (Source.Peek() == ';') SkipLine();
            else if (indented = !SkipBlanks()) break;
        }
        if (!Source.HasMore) return false;
        if (indented && Source.Peek() == '>')
            throw Faults.Line(
                Source.Line, "blanks are before the '>' of a header", "A header begins its line: remove the blanks before it");
        if (Source.Peek() != '>')
            throw Faults.Line(
                Source.Line, "FASTA starts a record with '>'", "Add a header line such as '>name', or give plain lines as .txt");
        StartRecord();
        Source.Skip(1);
        ReadHeader();
        for (int next; (next = Source.Peek()) is not (-1 or '>');)
            if (next == ';') SkipLine();
            else ReadBases();
        Draft.First = EndBases();
        return true;
    }

    /// <summary>Consumes blanks; false where the line goes on behind them.</summary>
    private bool SkipBlanks()
    {
        while (Source.Peek() is ' ' or '\t') Source.Skip(1);
        return !Source.HasMore || Source.LineEnd() > 0;
    }

    private void SkipLine()
    {
        while (Source.TryReadPiece(out _)) { }
    }
}
