namespace Dnabert2.Sequences;

/// <summary>Finds where the sequences of a FASTA file lie, one after the other.</summary>
internal sealed class FastaIndexBuilder(ByteSource source, RecordDraft draft, Faults faults)
{
    private readonly LineText _text = new(source, faults);

    /// <summary>Records without bases so far.</summary>
    public int Empty { get; private set; }

    /// <summary>Finds the next sequence, which may have no bases; false at the end of the file.</summary>
    public bool TryRead(out string name, out FastaIndexEntry entry)
    {
        (name, entry) = ("", default);
        for (int length; (length = source.LineEnd()) > 0;) source.SkipLineEnd(length);
        if (!source.HasMore) return false;
        (draft.Id, draft.Line) = ("", source.Line);
        draft.Number++;
        if (source.Peek() == ';') throw Comment();
        if (source.Peek() != '>')
            throw faults.Line(source.Line, "FASTA starts a record with '>'", "Give a FASTA file, plain or compressed with bgzip");
        source.Skip(1);
        draft.Id = name = _text.ReadNamedLine("the header line").Name;
        entry = ReadLines();
        if (entry.Length == 0) Empty++;
        else if (name.Length == 0) throw faults.Record("it has no name, by which a region could be asked for", "Write one after the '>'");
        return true;
    }

    private FastaIndexEntry ReadLines()
    {
        long offset = source.Offset, length = 0, lineBases = 0, lineWidth = 0;
        bool isOver = false;
        for (int next; (next = source.Peek()) is not (-1 or '>');)
        {
            if (next == ';') throw Comment();
            long line = source.Line, begin = source.Offset, bases = ReadLine(line), width = source.Offset - begin;
            if (bases == 0)
            {
                isOver = true;
                continue;
            }

            // The last line of a file may have no end.
            if (lineBases == 0 && !isOver) (lineBases, lineWidth) = (bases, Math.Max(width, bases + 1));
            if (isOver || bases > lineBases || (width > bases && width - bases != lineWidth - lineBases))
                throw faults.Record(
                    $"its lines differ in length or in their ends, first at line {line}, and only the last one may be shorter",
                    "Write the sequences in lines of one length: 'seqkit seq -w 60 old > new'");
            isOver = bases < lineBases;
            length += bases;
        }

        return new FastaIndexEntry(length, offset, lineBases, lineWidth, draft.Line);
    }

    private long ReadLine(long line)
    {
        long bases = 0;
        while (source.TryReadPiece(out ReadOnlySpan<byte> piece))
        {
            if (piece.Contains((byte)'\r')) throw faults.LoneCarriageReturn(line);
            if (piece.ContainsAny((byte)' ', (byte)'\t'))
                throw faults.Record($"there are blanks in the sequence, at line {line}", "Remove them: places are counted in bytes");
            bases += piece.Length;
        }

        return bases;
    }

    private InvalidDataException Comment() => faults.Line(
        source.Line, "a comment line begins with ';', which a FASTA file with an index has not", "Remove it: grep -v '^;' old > new");
}
