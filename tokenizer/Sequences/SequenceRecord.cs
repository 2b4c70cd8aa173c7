using System.Globalization;

namespace Dnabert2.Sequences;

/// <summary>
/// One sequence of a file. The bases lie in the reader's buffer, which the next record overwrites: use <see cref="Sequence"/>
/// before reading on, or take a <see cref="Copy"/>. Names and counts stay valid.
/// </summary>
public sealed class SequenceRecord
{
    private readonly SequenceReader? _owner;
    private readonly byte[] _bases;
    private readonly BaseRange _first;
    private readonly BaseRange _second;
    private readonly string[] _columns;
    private readonly string?[] _values;
    private readonly bool _split;

    internal SequenceRecord(SequenceReader owner, byte[] bases, RecordDraft draft, string[] columns, bool split)
    {
        _owner = owner;
        Source = owner.Name;
        _bases = bases;
        _first = draft.First;
        _second = draft.Second;
        _columns = columns;
        _values = draft.Values;
        _split = split;
        HasName = draft.Id.Length > 0;
        Id = HasName ? draft.Id : draft.Number.ToString(CultureInfo.InvariantCulture);
        (Description, Number, Line, Region) = (draft.Description, draft.Number, draft.Line, draft.Region);
    }

    private SequenceRecord(SequenceRecord source)
    {
        Source = source.Source;
        _bases = new byte[source.Length + source.SecondLength];
        source.Sequence.CopyTo(_bases);
        source.SecondSequence.CopyTo(_bases.AsSpan(source.Length));
        _first = source._first with { Start = 0 };
        _second = source._second with { Start = source.Length };
        (_columns, _values, _split) = (source._columns, source._values, source._split);
        (Id, HasName, Description) = (source.Id, source.HasName, source.Description);
        (Number, Line, Region) = (source.Number, source.Line, source.Region);
    }

    /// <summary>The name of its file in messages.</summary>
    public string Source { get; }

    /// <summary>
    /// The name: that of a region, or its place where it has none; else the header's first word in FASTA and FASTQ, the column <c>id</c>
    /// in CSV; otherwise <see cref="Number"/> in decimal, which is no name (<see cref="HasName"/>).
    /// </summary>
    public string Id { get; }

    /// <summary>Whether the file names the record, so that <see cref="Id"/> is that name and not the record's number.</summary>
    public bool HasName { get; }

    /// <summary>The rest of a FASTA or FASTQ header; empty where there is none. Bytes that are not UTF-8 are read as Latin-1.</summary>
    public string Description { get; }

    /// <summary>The record's place in the file, from 1; dropped records count.</summary>
    public long Number { get; }

    /// <summary>The line it starts on, from 1; 0 of a region, which is read where it lies.</summary>
    public long Line { get; }

    /// <summary>
    /// Where the bases lie, if they are not a whole record: a region of a genome, or a window of a region or of a record
    /// (<see cref="SequenceOptions.Window"/>), in which case the contig is the record's name. Null of a whole record.
    /// </summary>
    public GenomeRegion? Region { get; }

    /// <summary>The file, the record and where it lies, for messages.</summary>
    public string Place => $"{Source}: {Faults.PlaceOf(Number, Id, Line, Region)}";

    /// <summary>The number of bases of <see cref="Sequence"/>.</summary>
    public int Length => _first.Length;

    /// <summary>
    /// The number of bases in the file: more than <see cref="Length"/> only where <see cref="SequenceOptions.KeepBases"/> left some out.
    /// </summary>
    public long TotalLength => _first.Total;

    /// <summary>Whether the whole sequence in the file, or in a pair that of one half, is of letters that are N.</summary>
    public bool IsUnknown => _first.IsUnknown || (HasSecond && _second.IsUnknown);

    /// <summary>How many letters of <see cref="Sequence"/> are N (in the file: N, X or an IUPAC code).</summary>
    public int Ambiguous => _first.Ambiguous;

    /// <summary>The bases, ASCII letters out of A, C, G, T, N.</summary>
    /// <exception cref="InvalidOperationException">The reader has moved on or was disposed.</exception>
    public ReadOnlySpan<byte> Sequence => Bases(_first);

    /// <summary>Whether the file gives pairs (columns <c>sequence1</c> and <c>sequence2</c>).</summary>
    public bool HasSecond => _second.Length > 0;

    /// <summary>The number of bases of <see cref="SecondSequence"/>.</summary>
    public int SecondLength => _second.Length;

    /// <summary>As <see cref="TotalLength"/>, of the second sequence.</summary>
    public long SecondTotalLength => _second.Total;

    /// <summary>How many letters of <see cref="SecondSequence"/> are N.</summary>
    public int SecondAmbiguous => _second.Ambiguous;

    /// <summary>The second sequence of a pair; empty where there is none.</summary>
    /// <exception cref="InvalidOperationException">The reader has moved on or was disposed.</exception>
    public ReadOnlySpan<byte> SecondSequence => Bases(_second);

    /// <summary>
    /// The stretches of <see cref="Sequence"/> to tokenise, by the reader's <see cref="SequenceOptions.OnAmbiguous"/>: cut at
    /// every N under <see cref="AmbiguousBases.Split"/>, else the whole. Empty under Split where the record has no A, C, G or T.
    /// </summary>
    /// <exception cref="InvalidOperationException">The reader has moved on or was disposed.</exception>
    public SequenceFragments Fragments => Cut(Sequence);

    /// <summary><see cref="Fragments"/> of <see cref="SecondSequence"/>.</summary>
    /// <exception cref="InvalidOperationException">The reader has moved on or was disposed.</exception>
    public SequenceFragments SecondFragments => Cut(SecondSequence);

    /// <summary>The text of a CSV or TSV column other than the sequences; null where the file has no such column.</summary>
    /// <param name="name">The header's name, in any case.</param>
    public string? Column(string name)
    {
        for (int i = 0; i < _columns.Length; i++)
            if (string.Equals(_columns[i], name, StringComparison.OrdinalIgnoreCase)) return _values[i];
        return null;
    }

    /// <summary>The same record with bases of its own, which stay valid.</summary>
    /// <exception cref="InvalidOperationException">The reader has moved on or was disposed.</exception>
    public SequenceRecord Copy() => new(this);

    private SequenceFragments Cut(ReadOnlySpan<byte> sequence) =>
        _split ? SequenceFragments.Split(sequence) : SequenceFragments.Whole(sequence);

    private ReadOnlySpan<byte> Bases(BaseRange range)
    {
        if (_owner is not null && !ReferenceEquals(_owner.Current, this))
            throw new InvalidOperationException(
                $"The bases of record {Number} '{Id}' are gone: the reader has moved on. Use them before, or keep a Copy().");
        return _bases.AsSpan(range.Start, range.Length);
    }
}

/// <summary>Where what is kept of a cleaned sequence lies in the buffer, and how many of its letters are N.</summary>
/// <param name="Start">The first base.</param>
/// <param name="Length">The bases that are kept.</param>
/// <param name="Ambiguous">Of these, N.</param>
/// <param name="Total">The bases in the file.</param>
/// <param name="TotalAmbiguous">Of these, N.</param>
internal readonly record struct BaseRange(int Start, int Length, int Ambiguous, long Total, long TotalAmbiguous)
{
    public bool IsUnknown => TotalAmbiguous == Total;
}

/// <summary>What a parser has found of the current record, besides its bases.</summary>
internal sealed class RecordDraft
{
    public long Number;
    public long Line;
    public string Id = "";
    public string Description = "";
    public GenomeRegion? Region;
    public BaseRange First;
    public BaseRange Second;

    /// <summary>Why the record has no sequence; null where it has one.</summary>
    public string? Lack;
    public string?[] Values = [];
}
