using System.Buffers.Binary;

namespace Dnabert2.Tool.Output;

/// <summary>What a summary of bigWig says of some bases.</summary>
internal record struct BaseSummary(uint Start, uint End, long Count, double Least, double Most, double Sum, double Squares)
{
    /// <summary>Of one base.</summary>
    public static BaseSummary Of(float value, uint at) => new(at, at + 1, 1, value, value, value, (double)value * value);

    /// <summary>Adds bases that lie behind these.</summary>
    public void Add(in BaseSummary other)
    {
        if (Count == 0)
        {
            this = other;
            return;
        }

        End = other.End;
        Count += other.Count;
        Least = Math.Min(Least, other.Least);
        Most = Math.Max(Most, other.Most);
        Sum += other.Sum;
        Squares += other.Squares;
    }
}

/// <summary>The summaries of bigWig at one width: of the bases that have a value in each stretch of so many.</summary>
/// <param name="reduction">The width.</param>
internal sealed class ZoomLevel(int reduction)
{
    private const int RecordSize = 32;

    /// <summary>The most summaries in a block.</summary>
    public const int MostRecords = BigWigTrack.BlockSize / RecordSize;

    private readonly byte[] _content = new byte[BigWigTrack.BlockSize];
    private BaseSummary _current;

    /// <summary>The width.</summary>
    public int Reduction => reduction;

    /// <summary>The blocks that are written.</summary>
    public List<IntervalIndex.Entry> Blocks { get; } = [];

    /// <summary>Where the first block lies, with the number of summaries before it.</summary>
    public ulong Place { get; set; }

    /// <summary>Whether a block is written.</summary>
    public bool IsBegun => Blocks.Count > 0;

    /// <summary>Summaries in the block that is being filled.</summary>
    public int Held { get; private set; }

    /// <summary>Summaries in blocks that are written.</summary>
    public long Written { get; private set; }

    /// <summary>All summaries.</summary>
    public long Records => Written + Held;

    /// <summary>Whether the block has no room for another.</summary>
    public bool IsFull => Held == MostRecords;

    /// <summary>The block.</summary>
    public ReadOnlySpan<byte> Content => _content.AsSpan(0, Held * RecordSize);

    /// <summary>Where the block begins: the sequence and the base.</summary>
    public (uint Contig, uint Base) First { get; private set; }

    /// <summary>One past where it ends.</summary>
    public (uint Contig, uint Base) Last { get; private set; }

    /// <summary>Adds bases, which lie in one stretch of this width.</summary>
    /// <param name="bases">The bases.</param>
    /// <param name="complete">The summary of the stretch before, if they begin another one.</param>
    /// <returns>Whether they do.</returns>
    public bool TryAdd(in BaseSummary bases, out BaseSummary complete)
    {
        complete = _current;
        bool ends = _current.Count > 0 && _current.Start / reduction != bases.Start / reduction;
        if (ends) _current = default;
        _current.Add(bases);
        return ends;
    }

    /// <summary>Ends the stretch, since its sequence ends.</summary>
    public bool TryEnd(out BaseSummary last)
    {
        last = _current;
        _current = default;
        return last.Count > 0;
    }

    /// <summary>Puts a summary into the block.</summary>
    public void Store(in BaseSummary summary, uint contig)
    {
        Span<byte> record = _content.AsSpan(Held * RecordSize, RecordSize);
        BinaryPrimitives.WriteUInt32LittleEndian(record, contig);
        BinaryPrimitives.WriteUInt32LittleEndian(record[4..], summary.Start);
        BinaryPrimitives.WriteUInt32LittleEndian(record[8..], summary.End);
        BinaryPrimitives.WriteUInt32LittleEndian(record[12..], (uint)summary.Count);
        BinaryPrimitives.WriteSingleLittleEndian(record[16..], (float)summary.Least);
        BinaryPrimitives.WriteSingleLittleEndian(record[20..], (float)summary.Most);
        BinaryPrimitives.WriteSingleLittleEndian(record[24..], (float)summary.Sum);
        BinaryPrimitives.WriteSingleLittleEndian(record[28..], (float)summary.Squares);
        if (Held++ == 0) First = (contig, summary.Start);
        Last = (contig, summary.End);
    }

    /// <summary>Begins the next block.</summary>
    public void Clear()
    {
        Written += Held;
        Held = 0;
    }
}
