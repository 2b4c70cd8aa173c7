using System.Globalization;

namespace Dnabert2.Sequences;

/// <summary>
/// Cuts records into windows of one length. The last one of a record is moved back to be full, so that no base is left out and none is
/// short; a record that is shorter than a window is one window.
/// </summary>
internal sealed class WindowParser(
    IRecordSource records, BaseBuffer bases, RecordDraft draft, Faults faults, SequenceOptions options, int window, int step)
    : IRecordSource
{
    private long _records, _windows;
    private BaseRange _record;
    private GenomeRegion _region = new("", 0, 0);
    private bool _turned;

    // Bases of the record before the next window; negative: there is none.
    private int _next = -1;

    /// <inheritdoc/>
    public string[] Columns => records.Columns;

    /// <inheritdoc/>
    public bool IsOfPairs => records.IsOfPairs;

    /// <inheritdoc/>
    public bool TryRead()
    {
        if (_next < 0 && !ReadRecord()) return false;
        draft.Number = ++_windows;
        if (_next < 0) return true;
        int length = Math.Min(window, _record.Length), start = Math.Min(_next, _record.Length - length);
        _next = start + length < _record.Length ? _next + step : -1;
        ReadOnlySpan<byte> letters = bases.Array.AsSpan(_record.Start + start, length);
        int unknown = 0;
        for (int at; (at = letters.IndexOfAnyExcept("ACGT"u8)) >= 0; letters = letters[(at + 1)..]) unknown++;
        draft.First = new BaseRange(_record.Start + start, length, unknown, length, unknown);
        draft.Region = _region.Part(start, length, _turned);
        if (_region.Name is null) draft.Id = draft.Region.ToString();
        draft.Lack = options.NeedsKnownBases && draft.First.IsUnknown ? "the window has no A, C, G or T" : null;
        return true;
    }

    /// <summary>Reads a record; false at the end. Of one without bases there are no windows, and it is given on as it is.</summary>
    private bool ReadRecord()
    {
        draft.Number = _records;
        if (!records.TryRead()) return false;
        _records = draft.Number;
        if (draft.First.Length == 0) return true;
        if (draft.Second.Length > 0)
            throw faults.Record("it is a pair of sequences, of which there are no windows", "Give single sequences");
        (_record, _next) = (draft.First, 0);
        string contig = draft.Id.Length > 0 ? draft.Id : draft.Number.ToString(CultureInfo.InvariantCulture);
        _region = draft.Region ?? new GenomeRegion(contig, 0, draft.First.Length);
        _turned = draft.Region is not null && options.TurnsReverseRegions && _region.Strand == RegionStrand.Reverse;
        return true;
    }
}
