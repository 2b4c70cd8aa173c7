namespace Dnabert2.Sequences;

/// <summary>
/// FASTQ (Cock et al., Nucleic Acids Res. 38, 2010): <c>@</c> header, bases, <c>+</c>, as many qualities as bases (printable
/// ASCII), four lines or wrapped. Qualities are counted, not kept.
/// </summary>
internal sealed class FastqParser(ByteSource source, BaseBuffer bases, RecordDraft draft, Faults faults, bool needsKnownBases)
    : RecordParser(source, bases, draft, faults, needsKnownBases)
{
    public override bool TryRead()
    {
        if (!SkipBlankLines()) return false;
        if (Source.Peek() != '@')
            throw Faults.Line(
                Source.Line, $"FASTQ starts a record with '@', found {Faults.Show((byte)Source.Peek())}",
                "Check that each record has its header, bases, '+' and qualities");
        StartRecord();
        Source.Skip(1);
        ReadHeader();
        int lines = 0;
        for (int next; (next = Source.Peek()) is not (-1 or '+'); lines++)
        {
            if (next == '@') throw NoPlus();
            ReadBases();
        }
        Draft.First = EndBases();
        if (!Source.HasMore) throw NoPlus();
        Source.Skip(1);
        CheckRepeatedName(ReadNamedLine("the '+' line").Name);
        ReadQualities(wrapped: lines > 1);
        return true;
    }

    private InvalidDataException NoPlus() => Faults.Record(
        "no '+' line follows the bases", "The record is cut short or a line is missing: correct or remove it");

    private void CheckRepeatedName(string repeated)
    {
        if (repeated.Length > 0 && repeated != Draft.Id)
            throw Faults.Record(
                $"the '+' line names another record, '{Faults.Show(repeated)}'",
                "Lines are missing or out of order: correct or remove the record");
    }

    /// <summary>Bases on one line have their qualities on one line; so a missing quality is not taken from the next record.</summary>
    private void ReadQualities(bool wrapped)
    {
        // Of a read without bases the line of qualities is empty, or not there.
        if (Draft.First.Total == 0 && Source.Peek() is (-1 or '@')) return;
        long count = 0;
        do
        {
            long line = Source.Line;
            while (Source.TryReadPiece(out ReadOnlySpan<byte> piece))
            {
                int bad = piece.IndexOfAnyExceptInRange((byte)'!', (byte)'~');
                if (bad >= 0)
                    throw Faults.Record(
                        line, Source.Column - piece.Length + bad, $"{Faults.Show(piece[bad])} is not a quality",
                        "Qualities are printable letters without blanks, as many as bases");
                count += piece.Length;
            }
        }
        while (wrapped && count < Draft.First.Total && Source.HasMore);
        if (count != Draft.First.Total)
            throw Faults.Record(
                $"{Draft.First.Total} bases but {count} qualities", "The record is cut short or damaged: correct or remove it");
    }
}
