using System.Buffers.Binary;
using System.Text;
using System.Text.Unicode;

namespace Dnabert2.Weights;

/// <summary>
/// The table of contents of a zip archive (source: PKWARE APPNOTE 6.3, zip64 included), read for one thing the BCL's reader does not
/// tell: at which byte of the file an entry's data begin, so that they can be read in place. Only stored entries can be located; that is
/// how PyTorch writes, and nothing is ever inflated. Checksums are not computed, as the reference does not by default.
/// </summary>
internal sealed class ZipDirectory
{
    private const uint LocalSignature = 0x04034b50, CentralSignature = 0x02014b50, EndSignature = 0x06054b50;
    private const uint End64Signature = 0x06064b50, Locator64Signature = 0x07064b50;
    private const int LocalBytes = 30, CentralBytes = 46, EndBytes = 22, End64Bytes = 56, Locator64Bytes = 20;

    /// <summary>Far more than any checkpoint's.</summary>
    private const long MaxDirectoryBytes = 64 << 20, MaxEntries = 2 * WeightTable.MaxTensors;

    private readonly record struct Entry(ushort Flags, ushort Method, long Compressed, long Length, long Header);

    private readonly PositionedFile _file;
    private readonly Dictionary<string, Entry> _entries = [];

    private ZipDirectory(PositionedFile file) => _file = file;

    /// <summary>The names of all entries.</summary>
    public IReadOnlyCollection<string> Names => _entries.Keys;

    /// <summary>Reads the table of contents.</summary>
    public static ZipDirectory Read(PositionedFile file)
    {
        var zip = new ZipDirectory(file);
        (long offset, long length, long count) = zip.FindDirectory();
        if (length > MaxDirectoryBytes) throw file.Invalid($"has a zip directory of {length} bytes; at most {MaxDirectoryBytes} are read");
        if (length == 0) throw file.Invalid("is an empty zip archive");
        zip.ReadEntries(file.Read(offset, (int)length), count, offset);
        return zip;
    }

    /// <summary>Where a stored entry's data lie; false where there is no such entry.</summary>
    public bool TryLocate(string name, out long offset, out long length)
    {
        (offset, length) = (0, 0);
        if (!_entries.TryGetValue(name, out Entry entry)) return false;
        if ((entry.Flags & 1) != 0) throw Wrong(name, "is encrypted");
        if (entry.Method != 0 || entry.Compressed != entry.Length)
            throw Wrong(name, "is compressed, which PyTorch never does; unpack the archive and pack it without compression (zip -0)");
        if (entry.Header > _file.Length - LocalBytes) throw Wrong(name, "lies beyond the end of the file");
        Span<byte> local = stackalloc byte[LocalBytes];
        _file.ReadExactly(entry.Header, local);
        if (U32(local, 0) != LocalSignature) throw Wrong(name, "has no header where the directory says");
        offset = entry.Header + LocalBytes + U16(local, 26) + U16(local, 28);
        length = entry.Length;
        if (offset > _file.Length || length > _file.Length - offset) throw Wrong(name, "lies beyond the end of the file");
        return true;
    }

    private (long Offset, long Length, long Count) FindDirectory()
    {
        int tailBytes = (int)Math.Min(_file.Length, EndBytes + ushort.MaxValue);
        byte[] tail = new byte[tailBytes];
        _file.ReadExactly(_file.Length - tailBytes, tail);
        for (int i = tailBytes - EndBytes; i >= 0; i--)
        {
            ReadOnlySpan<byte> end = tail.AsSpan(i);
            if (U32(end, 0) != EndSignature || U16(end, 20) != end.Length - EndBytes) continue;
            (long offset, long length, long count) = (U32(end, 16), U32(end, 12), U16(end, 10));
            int disk = U16(end, 4);
            if (offset == uint.MaxValue || length == uint.MaxValue || count == ushort.MaxValue)
                return FindDirectory64(_file.Length - tailBytes + i);
            if (disk != 0) throw _file.Invalid("is one part of a zip archive in several");
            return CheckDirectory(offset, length, count);
        }
        throw _file.Invalid("begins as a zip archive but has no end record: the file is truncated, fetch it again");
    }

    private (long Offset, long Length, long Count) FindDirectory64(long end)
    {
        Span<byte> record = stackalloc byte[End64Bytes];
        if (end < Locator64Bytes) throw _file.Invalid("has a damaged zip64 end record");
        Span<byte> locator = record[..Locator64Bytes];
        _file.ReadExactly(end - Locator64Bytes, locator);
        ulong at = U64(locator, 8);
        if (U32(locator, 0) != Locator64Signature || at > (ulong)_file.Length || _file.Length - (long)at < End64Bytes)
            throw _file.Invalid("has a damaged zip64 end record");
        _file.ReadExactly((long)at, record);
        if (U32(record, 0) != End64Signature) throw _file.Invalid("has a damaged zip64 end record");
        (ulong offset, ulong length, ulong count) = (U64(record, 48), U64(record, 40), U64(record, 32));
        if ((offset | length | count) > long.MaxValue) throw _file.Invalid("has a damaged zip64 end record");
        return CheckDirectory((long)offset, (long)length, (long)count);
    }

    private (long Offset, long Length, long Count) CheckDirectory(long offset, long length, long count)
    {
        if (offset > _file.Length || length > _file.Length - offset)
            throw _file.Invalid("has a zip directory beyond its end: the file is damaged");
        return (offset, length, count);
    }

    private void ReadEntries(ReadOnlySpan<byte> directory, long count, long directoryOffset)
    {
        if (count > MaxEntries) throw _file.Invalid($"has {count} entries in its zip directory; at most {MaxEntries} are read");
        for (long i = 0; i < count; i++)
        {
            if (directory.Length < CentralBytes || U32(directory, 0) != CentralSignature)
                throw _file.Invalid($"has a damaged zip directory at entry {i}");
            int name = U16(directory, 28), extra = U16(directory, 30), comment = U16(directory, 32);
            if (directory.Length < CentralBytes + name + extra + comment) throw _file.Invalid($"has a damaged zip directory at entry {i}");
            ReadEntry(directory, directory.Slice(CentralBytes, name), directory.Slice(CentralBytes + name, extra), directoryOffset);
            directory = directory[(CentralBytes + name + extra + comment)..];
        }
    }

    private void ReadEntry(ReadOnlySpan<byte> fields, ReadOnlySpan<byte> nameBytes, ReadOnlySpan<byte> extra, long directoryOffset)
    {
        if (!Utf8.IsValid(nameBytes)) throw _file.Invalid("has an entry in its zip directory whose name is not UTF-8");
        string name = Encoding.UTF8.GetString(nameBytes);
        ulong compressed = U32(fields, 20), length = U32(fields, 24), header = U32(fields, 42);
        // The values too large for 32 bits follow in this order.
        ReadOnlySpan<byte> large = Zip64Field(extra);
        if (!ReadZip64(ref length, ref large) || !ReadZip64(ref compressed, ref large) || !ReadZip64(ref header, ref large))
            throw Wrong(name, "has a damaged zip64 field");
        if (header >= (ulong)directoryOffset || length > (ulong)_file.Length || compressed > (ulong)_file.Length)
            throw Wrong(name, "is larger than the file, or lies beyond its end");
        if (!_entries.TryAdd(name, new Entry(U16(fields, 8), U16(fields, 10), (long)compressed, (long)length, (long)header)))
            throw Wrong(name, "appears twice");
    }

    private static ReadOnlySpan<byte> Zip64Field(ReadOnlySpan<byte> extra)
    {
        while (extra.Length >= 4)
        {
            int id = U16(extra, 0), size = U16(extra, 2);
            extra = extra[4..];
            if (size > extra.Length) return [];
            if (id == 1) return extra[..size];
            extra = extra[size..];
        }
        return [];
    }

    private static bool ReadZip64(ref ulong value, ref ReadOnlySpan<byte> large)
    {
        if (value != uint.MaxValue) return true;
        if (large.Length < sizeof(ulong)) return false;
        value = U64(large, 0);
        large = large[sizeof(ulong)..];
        return true;
    }

    private InvalidDataException Wrong(string name, string fault) => _file.Invalid($"zip entry {PositionedFile.Quote(name)} {fault}");

    private static ushort U16(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt16LittleEndian(bytes[offset..]);

    private static uint U32(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt32LittleEndian(bytes[offset..]);

    private static ulong U64(ReadOnlySpan<byte> bytes, int offset) => BinaryPrimitives.ReadUInt64LittleEndian(bytes[offset..]);
}
