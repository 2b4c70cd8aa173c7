using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace Dnabert2.Training;

/// <summary>
/// A file of windows, mapped into memory: eight bytes «DNA2WIN1», the number of windows and of tokens (U32 each), for each window where
/// its tokens begin and for the last one where they end (U32 [windows + 1]), and the tokens (U16 [tokens]); little-endian.
/// </summary>
internal sealed unsafe class Shard : IDisposable
{
    private const int HeaderBytes = 16;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly uint* _borders;
    private readonly ushort* _tokens;

    private Shard(MemoryMappedFile file, MemoryMappedViewAccessor view, ShardEntry entry)
    {
        (_file, _view, Windows) = (file, view, entry.Windows);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        _borders = (uint*)(start + view.PointerOffset + HeaderBytes);
        _tokens = (ushort*)(_borders + entry.Windows + 1);
    }

    public int Windows { get; }

    /// <summary>The tokens of a window, without [CLS] and [SEP].</summary>
    public ReadOnlySpan<ushort> Window(int index) => new(_tokens + _borders[index], (int)(_borders[index + 1] - _borders[index]));

    /// <summary>Maps a shard and checks all of it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entry">What the index says of it.</param>
    /// <param name="longest">The most tokens of a window, without [CLS] and [SEP].</param>
    /// <param name="vocabulary">Token ids are below it.</param>
    /// <exception cref="InvalidDataException">It was cut or altered.</exception>
    public static Shard Open(string path, ShardEntry entry, int longest, int vocabulary)
    {
        if (!File.Exists(path)) throw Fault(path, "is missing");
        long expected = Bytes(entry.Windows, entry.Tokens), actual = new FileInfo(path).Length;
        if (actual != expected) throw Fault(path, $"was cut or altered: it has {actual} bytes in place of {expected}");
        if (FileHash.OfFile(path) != entry.Sha256) throw Fault(path, "was altered: its checksum is not that of the index");
        Shard shard = Map(path, entry);
        if (shard.IsSound(entry, longest, vocabulary)) return shard;
        shard.Dispose();
        throw Fault(path, "does not hold what the index says");
    }

    /// <summary>Maps a shard that this program has just written; nothing is checked.</summary>
    public static Shard Map(string path, ShardEntry entry)
    {
        MemoryMappedFile file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
        return new Shard(file, file.CreateViewAccessor(0, 0, MemoryMappedFileAccess.Read), entry);
    }

    /// <summary>Writes a shard and says what it holds.</summary>
    public static ShardEntry Write(string folder, string name, ReadOnlySpan<uint> borders, ReadOnlySpan<ushort> tokens, long bases)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        "DNA2WIN1"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], (uint)(borders.Length - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)tokens.Length);
        string path = Path.Combine(folder, name);
        using (FileStream file = new(path, FileMode.CreateNew, FileAccess.Write))
        {
            file.Write(header);
            file.Write(MemoryMarshal.AsBytes(borders));
            file.Write(MemoryMarshal.AsBytes(tokens));
            file.Flush(flushToDisk: true);
        }

        return new ShardEntry(name, borders.Length - 1, tokens.Length, bases, FileHash.OfFile(path));
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _file.Dispose();
    }

    private static long Bytes(long windows, long tokens) => HeaderBytes + (sizeof(uint) * (windows + 1)) + (sizeof(ushort) * tokens);

    private static InvalidDataException Fault(string path, string what) => new($"{path} {what}; {CorpusIndex.Remedy}");

    // A checksum protects from accidents, not from an index that was made to fit.
    private bool IsSound(ShardEntry entry, int longest, int vocabulary)
    {
        var header = new ReadOnlySpan<byte>((byte*)_borders - HeaderBytes, HeaderBytes);
        if (!header.StartsWith("DNA2WIN1"u8) || BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) != (uint)entry.Windows
            || BinaryPrimitives.ReadUInt32LittleEndian(header[12..]) != (uint)entry.Tokens) return false;
        if (_borders[0] != 0 || _borders[entry.Windows] != (uint)entry.Tokens) return false;
        for (int i = 0; i < entry.Windows; i++)
            if (_borders[i + 1] <= _borders[i] || _borders[i + 1] - _borders[i] > (uint)longest) return false;
        return TensorPrimitives.Max(new ReadOnlySpan<ushort>(_tokens, entry.Tokens)) < vocabulary;
    }
}
