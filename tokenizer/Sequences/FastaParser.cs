namespace Dnabert2.Sequences;

/// <summary>
/// FASTA (Pearson and Lipman 1988): a header line that starts with <c>&gt;</c>, then lines of bases. Blank lines, blanks
/// inside lines and comment lines that start with <c>;</c> are skipped.
/// </summary>
internal sealed class FastaParser(ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults)
    : RecordParser(source, bases, draft, faults)
{
    public override bool TryRead()
    {
        while (SkipBlankLines() && Source.Peek() == ';') SkipLine();
        if (!Source.HasMore) return false;
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

    private void SkipLine()
    {
        while (Source.TryReadPiece(out _)) { }
    }
}
