using System.Buffers.Binary;

namespace Dnabert2.Sequences;

/// <summary>
/// Where the blocks of a file lie that bgzip wrote: the index <c>.gzi</c> of htslib. With it any place of the content is found without
/// decompressing what is before. Immutable.
/// </summary>
public sealed class BgzfIndex
{
    private const int Header = 8, Pair = 16, MostBlocks = 1 << 27;

    // Of each block: its place in the file, and that of its content.
    private readonly long[] _stored;
    private readonly long[] _content;

    private BgzfIndex(long[] stored, long[] content) => (_stored, _content) = (stored, content);

    /// <summary>The blocks that it names, the first one of the file included.</summary>
    public int Blocks => _stored.Length;

    /// <summary>Reads an index.</summary>
    /// <param name="path">The index, <c>FILE.gz.gzi</c>.</param>
    /// <exception cref="IOException">There is no such file, or reading failed.</exception>
    /// <exception cref="InvalidDataException">It is no such index, or is cut short; the message says how to make it anew.</exception>
    public static BgzfIndex Read(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = new RandomFile(path);
        return Read(file, path);
    }

    /// <summary>Whether a file was compressed with bgzip, and needs such an index.</summary>
    /// <param name="path">A FASTA file.</param>
    /// <exception cref="IOException">There is no such file, or reading failed.</exception>
    /// <exception cref="InvalidDataException">It is of gzip, of which there is none.</exception>
    public static bool IsOf(string path)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = new RandomFile(path);
        return IsOf(file, path);
    }

    /// <summary>Finds the blocks of a file from their headers; the content is not decompressed.</summary>
    /// <param name="path">A file that bgzip wrote.</param>
    /// <param name="cancellation">Ends the work with <see cref="OperationCanceledException"/>.</param>
    /// <exception cref="IOException">There is no such file, or reading failed.</exception>
    /// <exception cref="InvalidDataException">It is not of bgzip, is damaged or cut short; the message says where.</exception>
    public static BgzfIndex Build(string path, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        using var file = new RandomFile(path);
        return Build(file, path, cancellation);
    }

    /// <summary>Writes the index as htslib does: the number of blocks without the first, then the places of each.</summary>
    public void Write(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        Span<byte> pair = stackalloc byte[Pair];
        BinaryPrimitives.WriteInt64LittleEndian(pair, _stored.Length - 1);
        stream.Write(pair[..Header]);
        for (int i = 1; i < _stored.Length; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(pair, _stored[i]);
            BinaryPrimitives.WriteInt64LittleEndian(pair[8..], _content[i]);
            stream.Write(pair);
        }
    }

    internal static bool IsOf(RandomBytes file, string name)
    {
        Span<byte> start = stackalloc byte[Bgzf.HeaderLength];
        start = start[..file.Read(0, start)];
        if (Bgzf.BlockSize(start) > 0) return true;
        if (!start.StartsWith((ReadOnlySpan<byte>)[0x1F, 0x8B])) return false;
        throw new InvalidDataException(
            $"{Faults.Show(name, 260)}: is gzip, of which no part can be read without all before it. Compress it with bgzip: "
            + "gzip -dc old.fa.gz | bgzip > new.fa.gz, then 'dnabert2 index new.fa.gz'.");
    }

    internal static BgzfIndex Read(RandomBytes file, string name)
    {
        Span<byte> header = stackalloc byte[Header];
        long blocks = file.Read(0, header) == Header ? BinaryPrimitives.ReadInt64LittleEndian(header) : -1;
        if (blocks is < 0 or >= MostBlocks || file.Length != Header + (blocks * Pair))
            throw Fault(name, blocks is < 0 or >= MostBlocks ? $"it is no index of bgzip, or is cut short ({file.Length} bytes)"
                : $"it says that it has {blocks} blocks, which take {Header + (blocks * Pair)} bytes, "
                    + $"and has {file.Length}: it is cut short");
        byte[] pairs = new byte[blocks * Pair];
        if (file.Read(Header, pairs) < pairs.Length) throw Fault(name, "it became shorter while it was read");
        long[] stored = new long[blocks + 1], content = new long[blocks + 1];
        for (int i = 1; i <= blocks; i++)
        {
            ReadOnlySpan<byte> pair = pairs.AsSpan((i - 1) * Pair, Pair);
            (stored[i], content[i]) = (BinaryPrimitives.ReadInt64LittleEndian(pair), BinaryPrimitives.ReadInt64LittleEndian(pair[8..]));
            if (stored[i] <= stored[i - 1] || content[i] < content[i - 1])
                throw Fault(name, $"block {i} begins at {stored[i]} (content {content[i]}), the one before at {stored[i - 1]}: "
                    + "places have to ascend");
        }

        return new(stored, content);
    }

    internal static BgzfIndex Build(RandomBytes file, string name, CancellationToken cancellation = default)
    {
        var faults = new Faults(name, new RecordDraft());
        List<long> stored = [], content = [];
        long at = 0, before = 0;
        int size = 0, length = 0;
        for (; at < file.Length; at += size, before += length)
        {
            cancellation.ThrowIfCancellationRequested();
            (size, length) = BgzfBytes.ReadSizes(file, at, faults);
            // As in htslib, the empty block that ends a file is not in its index.
            if (length == 0 && at > 0 && at + size == file.Length) break;
            stored.Add(at);
            content.Add(before);
        }

        if (length > 0 || size != Bgzf.LastBlock.Length) throw BgzfBytes.LacksLastBlock(faults);
        return new([.. stored], [.. content]);
    }

    /// <summary>Refuses an index of another file than this one.</summary>
    internal void CheckAgainst(long fileLength, string name)
    {
        if (_stored[^1] >= fileLength)
            throw Fault(name, $"its last block begins at {_stored[^1]}, and the file has {fileLength} bytes: it is of another file");
    }

    /// <summary>The block in which a place of the content lies, or the last one before it that the index names.</summary>
    internal (long Stored, long Content) Floor(long offset)
    {
        int at = Array.BinarySearch(_content, offset);
        if (at < 0) at = ~at - 1;
        // Empty blocks begin where the next one does: of those, the last one.
        while (at + 1 < _content.Length && _content[at + 1] == offset) at++;
        return (_stored[at], _content[at]);
    }

    /// <summary>Where the content of the block at a place of the file begins; null where the index does not name it.</summary>
    internal long? ContentAt(long stored)
    {
        int at = Array.BinarySearch(_stored, stored);
        return at < 0 ? null : _content[at];
    }

    /// <summary>The last block that is named.</summary>
    internal (long Stored, long Content) Last => (_stored[^1], _content[^1]);

    private static InvalidDataException Fault(string name, string what) => new(
        $"{Faults.Show(name, 260)}: {what}. Make it anew: 'dnabert2 index', 'samtools faidx' or 'bgzip -r' with the file that it is of.");
}
