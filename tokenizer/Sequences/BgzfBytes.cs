using System.Buffers.Binary;
using System.IO.Compression;

namespace Dnabert2.Sequences;

/// <summary>The content of a file that bgzip wrote, decompressed where it is asked for; the last blocks are kept.</summary>
internal sealed class BgzfBytes : RandomBytes
{
    // 1 MB: what neighbouring regions share is decompressed once.
    private const int MostKept = 16;

    private readonly RandomBytes _file;
    private readonly BgzfIndex _index;
    private readonly Faults _faults;
    private readonly string _indexName;
    private readonly Lock _lock = new();
    private readonly LinkedList<Block> _kept = [];
    private readonly byte[] _stored = new byte[Bgzf.LargestBlock];

    /// <param name="file">The file, which is closed with this.</param>
    /// <param name="index">Of this file.</param>
    /// <param name="name">The file's name in messages.</param>
    /// <param name="indexName">The name of the index in messages.</param>
    /// <exception cref="InvalidDataException">The index does not fit, or the file is cut short.</exception>
    public BgzfBytes(RandomBytes file, BgzfIndex index, string name, string indexName)
    {
        (_file, _index, _indexName) = (file, index, indexName);
        _faults = new Faults(name, new RecordDraft());
        index.CheckAgainst(file.Length, indexName);
        (long stored, long content) = index.Last;
        while (stored < file.Length)
        {
            (int size, int length) = ReadSizes(stored);
            content += length;
            stored += size;
            if (stored == file.Length && length > 0) throw LacksLastBlock(_faults);
        }

        Length = content;
    }

    /// <inheritdoc/>
    public override long Length { get; }

    /// <inheritdoc/>
    public override long BytesRead => _file.BytesRead;

    /// <inheritdoc/>
    public override int Read(long offset, Span<byte> destination)
    {
        int done = 0;
        while (done < destination.Length && offset + done < Length)
        {
            lock (_lock)
            {
                Block block = BlockOf(offset + done);
                ReadOnlySpan<byte> from = block.Bytes.AsSpan((int)(offset + done - block.Content));
                from = from[..Math.Min(from.Length, destination.Length - done)];
                from.CopyTo(destination[done..]);
                done += from.Length;
            }
        }

        return done;
    }

    /// <inheritdoc/>
    public override void Dispose() => _file.Dispose();

    /// <summary>The sizes of the block at a place, as stored and as decompressed, from its first and last bytes.</summary>
    /// <param name="file">The file.</param>
    /// <param name="at">The place.</param>
    /// <param name="faults">Words the error.</param>
    /// <param name="indexName">The index that names the place; null: the block before does.</param>
    /// <exception cref="InvalidDataException">There is no block, or it ends past the file.</exception>
    public static (int Size, int Length) ReadSizes(RandomBytes file, long at, Faults faults, string? indexName = null)
    {
        Span<byte> bytes = stackalloc byte[Bgzf.HeaderLength];
        int size = Bgzf.BlockSize(bytes[..file.Read(at, bytes)]);
        if (size < Bgzf.LastBlock.Length)
            throw indexName is null
                ? faults.File($"at byte {at} there is no block of bgzip", "Fetch or compress the file again; 'bgzip -t' checks it")
                : faults.File(
                    $"at byte {at}, where by {Faults.Show(indexName, 260)} a block of bgzip begins, there is none",
                    "The file is damaged, which 'bgzip -t' tells, or the index is of another one: then make it anew with 'dnabert2 index'");
        if (at > file.Length - size)
            throw faults.File(
                $"the bgzip block at byte {at} ends past the end of the file: it is cut short",
                "Fetch or compress the file again; 'bgzip -t' checks it");
        file.Read(at + size - 4, bytes[..4]);
        uint length = BinaryPrimitives.ReadUInt32LittleEndian(bytes);
        return length <= Bgzf.LargestBlock ? (size, (int)length) : throw Damaged(at, faults);
    }

    /// <summary>bgzip cut between two of its blocks.</summary>
    public static InvalidDataException LacksLastBlock(Faults faults) => faults.File(
        "the bgzip data ends without its empty last block: the file is cut short",
        "Fetch or compress the file again; if you know that it is whole, decompress it with 'gzip -dc' and read the result");

    private Block BlockOf(long offset)
    {
        for (LinkedListNode<Block>? node = _kept.First; node is not null; node = node.Next)
        {
            if (offset < node.Value.Content || offset >= node.Value.Content + node.Value.Bytes.Length) continue;
            _kept.Remove(node);
            _kept.AddFirst(node);
            return node.Value;
        }

        (long stored, long content) = _index.Floor(offset);
        while (true)
        {
            (int size, int length) = ReadSizes(stored);
            if (offset < content + length)
            {
                Block block = new(content, Inflate(stored, size, length));
                _kept.AddFirst(block);
                if (_kept.Count > MostKept) _kept.RemoveLast();
                return block;
            }

            (stored, content) = (stored + size, content + length);
            if (_index.ContentAt(stored) is { } named && named != content) throw Misfit(stored);
        }
    }

    /// <summary>The sizes of the block at a place that the index names or that follows one.</summary>
    private (int Size, int Length) ReadSizes(long at)
    {
        (int size, int length) = ReadSizes(_file, at, _faults, at > 0 && _index.ContentAt(at) is not null ? _indexName : null);
        // A block between two that are named ends at the second of them or before it.
        if (_index.ContentAt(at) is { } content && _index.ContentAt(at + size) is { } next && next != content + length) throw Misfit(at);
        return (size, length);
    }

    private InvalidDataException Misfit(long at) => new(
        $"{Faults.Show(_indexName, 260)}: the block at byte {at} has another length than it says: it is the index of another file. Make it "
        + "anew: 'dnabert2 index' or 'samtools faidx' with the file.");

    private byte[] Inflate(long at, int size, int length)
    {
        byte[] content = new byte[length];
        if (_file.Read(at, _stored.AsSpan(0, size)) < size) throw Damaged(at, _faults);
        try
        {
            using var gzip = new GZipStream(new MemoryStream(_stored, 0, size), CompressionMode.Decompress);
            if (gzip.ReadAtLeast(content, length, throwOnEndOfStream: false) < length || gzip.ReadByte() >= 0) throw Damaged(at, _faults);
        }
        catch (InvalidDataException)
        {
            throw Damaged(at, _faults);
        }

        return content;
    }

    private static InvalidDataException Damaged(long at, Faults faults) => faults.File(
        $"the bgzip block at byte {at} is damaged", "Fetch or compress the file again; 'bgzip -t' checks it");

    private sealed record Block(long Content, byte[] Bytes);
}
