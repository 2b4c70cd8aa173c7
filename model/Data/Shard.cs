using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dnabert2.Files;
using Dnabert2.Training;

namespace Dnabert2.Data;

/// <summary>
/// A file of windows, of which each is read when it is asked for: eight bytes "DNA2WIN1", the number of windows and of tokens (U32 each),
/// for each window where its tokens begin and for the last one where they end (U32 [windows + 1]), and the tokens (U16 [tokens]);
/// little-endian. Any number of threads may read. It is not mapped into memory: a map of a file that is cut short ends the process.
/// </summary>
internal sealed class Shard : IDisposable
{
    private const int HeaderBytes = 16, Block = 1 << 15;
    private readonly string _path;
    private readonly FileStream _file;
    private readonly ShardEntry _entry;
    private readonly int _longest, _vocabulary;
    private readonly long _tokensAt;

    private Shard(string path, FileStream file, ShardEntry entry, int longest, int vocabulary)
    {
        (_path, _file, _entry, _longest, _vocabulary) = (path, file, entry, longest, vocabulary);
        _tokensAt = HeaderBytes + (sizeof(uint) * (entry.Windows + 1L));
    }

    public int Windows => _entry.Windows;

    /// <summary>Opens a shard.</summary>
    /// <param name="path">The file.</param>
    /// <param name="entry">What the index says of it.</param>
    /// <param name="longest">The most tokens of a window, without special ones around them.</param>
    /// <param name="vocabulary">Token ids are below it.</param>
    /// <exception cref="InvalidDataException">It is missing, or not a regular file.</exception>
    public static Shard Open(string path, ShardEntry entry, int longest, int vocabulary) =>
        new(path, File.Exists(path) ? RegularFile.Open(path) : throw Fault(path, "is missing"), entry, longest, vocabulary);

    /// <summary>Checks all of it: a checksum protects from accidents, not from an index that was made to fit.</summary>
    /// <exception cref="InvalidDataException">It was cut or altered.</exception>
    public void Check()
    {
        long expected = _tokensAt + (sizeof(ushort) * (long)_entry.Tokens);
        if (_file.Length != expected) throw Fault(_path, $"was cut or altered: it has {_file.Length} bytes in place of {expected}");
        if (FileHash.OfFile(_path) != _entry.Sha256) throw Fault(_path, "was altered: its checksum is not that of the index");
        Span<byte> header = stackalloc byte[HeaderBytes];
        Read(0, header);
        if (!header.StartsWith("DNA2WIN1"u8) || BinaryPrimitives.ReadUInt32LittleEndian(header[8..]) != (uint)_entry.Windows
            || BinaryPrimitives.ReadUInt32LittleEndian(header[12..]) != (uint)_entry.Tokens || !HasSoundBorders() || !HasKnownTokens())
            throw Fault(_path, "does not hold what the index says");
    }

    /// <summary>The tokens of a window, without special ones around them.</summary>
    /// <param name="index">The number of the window.</param>
    /// <param name="buffer">Receives them: as many elements as the longest window has.</param>
    /// <returns>The part of the buffer that holds them.</returns>
    /// <exception cref="InvalidDataException">The file was cut or altered since it was opened.</exception>
    public ReadOnlySpan<ushort> Window(int index, Span<ushort> buffer)
    {
        Span<uint> borders = stackalloc uint[2];
        Read(HeaderBytes + (sizeof(uint) * (long)index), MemoryMarshal.AsBytes(borders));
        if (borders[1] <= borders[0] || borders[1] > (uint)_entry.Tokens || borders[1] - borders[0] > (uint)_longest) throw Altered();
        Span<ushort> tokens = buffer[..(int)(borders[1] - borders[0])];
        Read(_tokensAt + (sizeof(ushort) * (long)borders[0]), MemoryMarshal.AsBytes(tokens));
        return TensorPrimitives.Max<ushort>(tokens) < _vocabulary ? tokens : throw Altered();
    }

    /// <summary>Writes a shard and says what it holds.</summary>
    public static ShardEntry Write(RunFolder folder, string name, ReadOnlySpan<uint> borders, ReadOnlySpan<ushort> tokens, long bases)
    {
        Span<byte> header = stackalloc byte[HeaderBytes];
        "DNA2WIN1"u8.CopyTo(header);
        BinaryPrimitives.WriteUInt32LittleEndian(header[8..], (uint)(borders.Length - 1));
        BinaryPrimitives.WriteUInt32LittleEndian(header[12..], (uint)tokens.Length);
        string path = Path.Combine(folder.Path, name);
        using (FileStream file = folder.Disk.Create(path, 0, null))
        {
            file.Write(header);
            file.Write(MemoryMarshal.AsBytes(borders));
            file.Write(MemoryMarshal.AsBytes(tokens));
            folder.Disk.Flush(file);
        }

        return new ShardEntry(name, borders.Length - 1, tokens.Length, bases, FileHash.OfFile(path));
    }

    public void Dispose() => _file.Dispose();

    private static InvalidDataException Fault(string path, string what) => new($"{path} {what}; {CorpusIndex.Remedy}");

    private InvalidDataException Altered() => Fault(_path, "was altered while it was read");

    private void Read(long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int read = RandomAccess.Read(_file.SafeFileHandle, destination, offset);
            if (read == 0) throw Fault(_path, "became shorter while it was read");
            destination = destination[read..];
            offset += read;
        }
    }

    private bool HasSoundBorders()
    {
        uint[] block = new uint[Math.Min(Block, Windows + 1)];
        // The first one is 0; a window has at least one token.
        long before = -1;
        for (long at = 0; at <= Windows; at += block.Length)
        {
            Span<uint> borders = block.AsSpan(0, (int)Math.Min(block.Length, Windows + 1 - at));
            Read(HeaderBytes + (sizeof(uint) * at), MemoryMarshal.AsBytes(borders));
            foreach (uint border in borders)
            {
                if (border <= before || border - before > (before < 0 ? 1 : _longest)) return false;
                before = border;
            }
        }

        return before == _entry.Tokens;
    }

    private bool HasKnownTokens()
    {
        ushort[] block = new ushort[Math.Min(Block, _entry.Tokens)];
        for (long at = 0; at < _entry.Tokens; at += block.Length)
        {
            Span<ushort> tokens = block.AsSpan(0, (int)Math.Min(block.Length, _entry.Tokens - at));
            Read(_tokensAt + (sizeof(ushort) * at), MemoryMarshal.AsBytes(tokens));
            if (TensorPrimitives.Max<ushort>(tokens) >= _vocabulary) return false;
        }

        return true;
    }
}
