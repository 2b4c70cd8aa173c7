namespace Dnabert2.Sequences;

/// <summary>One sequence a line; lines without letters are skipped.</summary>
internal sealed class LinesParser(ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults, bool needsKnownBases)
    : RecordParser(source, bases, draft, faults, needsKnownBases)
{
    public override bool TryRead()
    {
        while (SkipBlankLines())
        {
            StartRecord();
            ReadBases();
            if (Bases.Length > 0)
            {
                Draft.First = EndBases();
                return true;
            }
            Draft.Number--;
        }
        return false;
    }
}
