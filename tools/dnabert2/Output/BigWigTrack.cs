using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;

namespace Dnabert2.Tool.Output;

/// <summary>
/// bigWig, version 4: a value for each base in compressed blocks, summaries in steps of four from 16 bases on, and indexes of both. Bases
/// have to come in order, and those of a sequence together. Memory: 32 bytes for each block, one of up to 4,093 bases, and the names of the
/// sequences. Format: Kent et al., Bioinformatics 26 (2010), supplementary tables 5 to 19; <c>bwgInternal.h</c>, <c>bbiFile.h</c>,
/// <c>cirTree.h</c> and <c>bPlusTree.h</c> of UCSC.
/// </summary>
/// <remarks>
/// Blocks of values and of summaries follow each other as they are filled, so that all is written once; every reader finds them by the
/// indexes behind them.
/// </remarks>
internal sealed class BigWigTrack : IBaseTrack
{
    /// <summary>What blocks hold, decompressed: 32 KiB.</summary>
    public const int BlockSize = 1 << 15;

    private const uint Signature = 0x888FFC26;
    private const int Version = 4, HeaderSize = 64, ZoomHeaderSize = 24, SummarySize = 40, SectionHeader = 24, MostZooms = 10;
    private const int FirstReduction = 16, ReductionStep = 4, MostItems = (BlockSize - SectionHeader) / 8, LongestName = 255;
    private const byte VariableStep = 2, FixedStep = 3;

    private readonly FileStream _stream;
    private readonly Func<string, long> _lengthOf;
    private readonly List<(byte[] Name, uint Length)> _contigs = [];
    private readonly HashSet<string> _names = new(StringComparer.Ordinal);
    private readonly List<IntervalIndex.Entry> _blocks = [];
    private readonly ZoomLevel[] _zooms = new ZoomLevel[MostZooms];
    private readonly uint[] _starts = new uint[MostItems];
    private readonly float[] _values = new float[MostItems];
    private readonly byte[] _content = new byte[BlockSize];
    private BaseSummary _all;
    private string? _contig;
    private long _length, _next;
    private int _items;

    /// <param name="stream">An empty file.</param>
    /// <param name="lengthOf">The number of bases of a sequence.</param>
    public BigWigTrack(FileStream stream, Func<string, long> lengthOf)
    {
        (_stream, _lengthOf) = (stream, lengthOf);
        for (int i = 0, reduction = FirstReduction; i < MostZooms; i++, reduction *= ReductionStep) _zooms[i] = new ZoomLevel(reduction);
        // The header, when all places are known, and behind it the number of blocks of values.
        _stream.Write(new byte[DataPlace + sizeof(ulong)]);
    }

    private static int DataPlace => HeaderSize + (MostZooms * ZoomHeaderSize) + SummarySize;

    private uint Contig => (uint)_contigs.Count - 1;

    /// <inheritdoc/>
    public void Add(string contig, long at, float value)
    {
        if (contig != _contig) Begin(contig);
        if (at < _next)
            throw new InvalidDataException(
                $"bigWig: base {at + 1} of '{contig}' comes behind base {_next}; regions have to be in order: "
                + "sort -k1,1 -k2,2n old.bed > new.bed");
        if (at >= _length)
            throw new InvalidDataException($"bigWig: '{contig}' has {_length} bases, and there is a value for base {at + 1}");
        if (_items == MostItems) EndBlock();
        _starts[_items] = (uint)at;
        _values[_items++] = value;
        _next = at + 1;
        var summary = BaseSummary.Of(value, (uint)at);
        _all.Add(summary);
        Summarize(summary, 0);
    }

    /// <inheritdoc/>
    public void Finish()
    {
        EndContig();
        ulong contigs = Here();
        ContigTree.Write(_stream, _contigs);
        ulong index = IntervalIndex.Write(_stream, _blocks, MostItems);
        // A level that says no more than the one before it, and none that was written already, is left out.
        var headers = new List<(int Reduction, ulong Data, ulong Index)>();
        long finer = _all.Count;
        foreach (ZoomLevel zoom in _zooms)
        {
            if (!zoom.IsBegun && zoom.Records >= finer) break;
            finer = zoom.Records;
            WriteZoom(zoom);
            headers.Add((zoom.Reduction, zoom.Place, IntervalIndex.Write(_stream, zoom.Blocks, ZoomLevel.MostRecords)));
        }

        WriteNumber(Signature);
        for (int i = 0; i < headers.Count; i++)
        {
            _stream.Position = (long)headers[i].Data;
            WriteNumber((uint)_zooms[i].Written);
        }

        WriteHeader(contigs, index, headers);
        _stream.Flush();
    }

    private void Begin(string contig)
    {
        EndContig();
        byte[] name = Encoding.UTF8.GetBytes(contig);
        if (!_names.Add(contig))
            throw new InvalidDataException(
                $"bigWig: the bases of '{contig}' are not all together: two records have this name, or regions are not in order: "
                + "sort -k1,1 -k2,2n old.bed > new.bed");
        if (name.Length > LongestName)
            throw new InvalidDataException($"bigWig: a name has at most {LongestName} bytes; rename '{contig[..40]}…'");
        _length = _lengthOf(contig);
        if (_length > uint.MaxValue)
            throw new InvalidDataException($"bigWig: '{contig}' has {_length} bases, and a sequence at most 4,294,967,295");
        _contigs.Add((name, (uint)_length));
        (_contig, _next) = (contig, 0);
    }

    private void EndContig()
    {
        EndBlock();
        // A coarser level is told last, when the finer ones have handed on what they hold.
        for (int i = 0; i < _zooms.Length; i++)
            if (_zooms[i].TryEnd(out BaseSummary last)) Take(last, i);
    }

    /// <summary>Adds bases to the summaries of a level; those that are complete go to its block, and to the next level.</summary>
    private void Summarize(in BaseSummary bases, int level)
    {
        if (level < _zooms.Length && _zooms[level].TryAdd(bases, out BaseSummary complete)) Take(complete, level);
    }

    private void Take(in BaseSummary complete, int level)
    {
        ZoomLevel zoom = _zooms[level];
        if (zoom.IsFull) WriteZoom(zoom);
        zoom.Store(complete, Contig);
        Summarize(complete, level + 1);
    }

    /// <summary>Writes a block of values: with a place for each, or, where none is left out between them, without.</summary>
    private void EndBlock()
    {
        if (_items == 0) return;
        uint start = _starts[0], end = _starts[_items - 1] + 1;
        bool isRow = end - start == _items;
        Span<byte> content = _content;
        Number(content, Contig);
        Number(content[4..], start);
        Number(content[8..], end);
        Number(content[12..], isRow ? 1u : 0);
        Number(content[16..], 1);
        (content[20], content[21]) = (isRow ? FixedStep : VariableStep, 0);
        BinaryPrimitives.WriteUInt16LittleEndian(content[22..], (ushort)_items);
        int length = SectionHeader;
        for (int i = 0; i < _items; i++)
        {
            if (!isRow)
            {
                Number(content[length..], _starts[i]);
                length += sizeof(uint);
            }

            BinaryPrimitives.WriteSingleLittleEndian(content[length..], _values[i]);
            length += sizeof(float);
        }

        _blocks.Add(WriteBlock(content[..length], (Contig, start), (Contig, end)));
        _items = 0;
    }

    private void WriteZoom(ZoomLevel zoom)
    {
        if (zoom.Held == 0) return;
        if (!zoom.IsBegun)
        {
            // Before the first block, the number of records.
            zoom.Place = Here();
            WriteNumber(0);
        }

        zoom.Blocks.Add(WriteBlock(zoom.Content, zoom.First, zoom.Last));
        zoom.Clear();
    }

    private IntervalIndex.Entry WriteBlock(ReadOnlySpan<byte> content, (uint Contig, uint Base) first, (uint Contig, uint Base) last)
    {
        ulong place = Here();
        using (var zlib = new ZLibStream(_stream, CompressionLevel.Optimal, leaveOpen: true)) zlib.Write(content);
        return new IntervalIndex.Entry(first.Contig, first.Base, last.Contig, last.Base, place, Here() - place);
    }

    private void WriteHeader(ulong contigs, ulong index, List<(int Reduction, ulong Data, ulong Index)> zooms)
    {
        Span<byte> header = stackalloc byte[DataPlace + sizeof(ulong)];
        header.Clear();
        int summary = DataPlace - SummarySize;
        Number(header, Signature);
        BinaryPrimitives.WriteUInt16LittleEndian(header[4..], Version);
        BinaryPrimitives.WriteUInt16LittleEndian(header[6..], (ushort)zooms.Count);
        BinaryPrimitives.WriteUInt64LittleEndian(header[8..], contigs);
        BinaryPrimitives.WriteUInt64LittleEndian(header[16..], (ulong)DataPlace);
        BinaryPrimitives.WriteUInt64LittleEndian(header[24..], index);
        BinaryPrimitives.WriteUInt64LittleEndian(header[44..], (ulong)summary);
        Number(header[52..], BlockSize);
        for (int i = 0; i < zooms.Count; i++)
        {
            Span<byte> zoom = header[(HeaderSize + (i * ZoomHeaderSize))..];
            Number(zoom, (uint)zooms[i].Reduction);
            BinaryPrimitives.WriteUInt64LittleEndian(zoom[8..], zooms[i].Data);
            BinaryPrimitives.WriteUInt64LittleEndian(zoom[16..], zooms[i].Index);
        }

        BinaryPrimitives.WriteUInt64LittleEndian(header[summary..], (ulong)_all.Count);
        BinaryPrimitives.WriteDoubleLittleEndian(header[(summary + 8)..], _all.Least);
        BinaryPrimitives.WriteDoubleLittleEndian(header[(summary + 16)..], _all.Most);
        BinaryPrimitives.WriteDoubleLittleEndian(header[(summary + 24)..], _all.Sum);
        BinaryPrimitives.WriteDoubleLittleEndian(header[(summary + 32)..], _all.Squares);
        BinaryPrimitives.WriteUInt64LittleEndian(header[DataPlace..], (ulong)_blocks.Count);
        _stream.Position = 0;
        _stream.Write(header);
    }

    private ulong Here() => (ulong)_stream.Position;

    private void WriteNumber(uint number)
    {
        Span<byte> bytes = stackalloc byte[sizeof(uint)];
        Number(bytes, number);
        _stream.Write(bytes);
    }

    private static void Number(Span<byte> bytes, uint number) => BinaryPrimitives.WriteUInt32LittleEndian(bytes, number);
}
