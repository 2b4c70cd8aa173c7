namespace Dnabert2.Sequences;

/// <summary>Reads the regions of a genome as records.</summary>
/// <param name="genome">The genome.</param>
/// <param name="regions">The regions.</param>
/// <param name="draft">Receives what is known of a record besides its bases.</param>
/// <param name="options">Policy.</param>
/// <param name="cancellation">Ends the reading.</param>
internal sealed class RegionParser(
    Genome genome, IEnumerator<GenomeRegion> regions, RecordDraft draft, SequenceOptions options,
    CancellationToken cancellation) : IRecordSource, IBasePosition
{
    private readonly byte[] _piece = new byte[1 << 16];

    /// <summary>The bases that were read, which are put here.</summary>
    public BaseBuffer Bases { get; set; } = null!;

    /// <inheritdoc/>
    public string[] Columns => [];

    /// <inheritdoc/>
    public bool IsOfPairs => false;

    /// <summary>Bases read so far.</summary>
    public long BasesRead { get; private set; }

    /// <inheritdoc/>
    public long Line => 0;

    /// <inheritdoc/>
    public long Column => 0;

    /// <inheritdoc/>
    public long? Remaining { get; private set; }

    /// <inheritdoc/>
    public bool TryRead()
    {
        cancellation.ThrowIfCancellationRequested();
        if (!regions.MoveNext()) return false;
        GenomeRegion region = regions.Current;
        Bases.Clear();
        draft.Number++;
        (draft.Id, draft.Region, draft.Lack) = (region.Name ?? region.ToString(), region, null);
        if (genome.FaultOf(region) is { } fault) throw new InvalidDataException(fault);
        bool turned = options.TurnsReverseRegions && region.Strand == RegionStrand.Reverse;
        for (long done = 0; done < region.Length;)
        {
            cancellation.ThrowIfCancellationRequested();
            Span<byte> piece = _piece.AsSpan(0, (int)Math.Min(_piece.Length, region.Length - done));
            genome.Read(region.Contig, turned ? region.End - done - piece.Length : region.Start + done, piece);
            if (turned) Nucleotides.TurnInPlace(piece);
            Remaining = region.Length - done;
            Bases.Append(piece);
            done += piece.Length;
            BasesRead += piece.Length;
        }

        draft.First = Bases.End();
        if (options.NeedsKnownBases && draft.First.IsUnknown) draft.Lack = "the region has no A, C, G or T";
        return true;
    }
}
