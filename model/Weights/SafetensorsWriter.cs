using System.Buffers;
using System.Buffers.Binary;
using System.Text.Encodings.Web;
using System.Text.Json;
using Dnabert2.Files;

namespace Dnabert2.Weights;

/// <summary>
/// Writes a safetensors file, tensor by tensor, straight from the caller's memory. Nothing appears under the final name until
/// <see cref="Commit"/> (see <see cref="ResultFiles"/>). Disposed without a commit, be it by an exception, a full disk or a cancelled run,
/// it leaves what was there before. The space is reserved before the first byte is written, so a full disk is found at once.
/// </summary>
/// <remarks>
/// The layout is the reference's: tensors by descending alignment of their type, then by name; a compact header padded with spaces to a
/// multiple of eight; metadata by key. One input gives one sequence of bytes, whatever the order in which the tensors are named or written.
/// </remarks>
public sealed class SafetensorsWriter : IDisposable
{
    private readonly Dictionary<string, Slot> _slots = [];
    private readonly ResultFiles _files;
    private readonly bool _isOwner;
    private FileStream? _file;

    /// <summary>Begins a file that is to hold these tensors.</summary>
    /// <param name="path">The final name; its folder must exist.</param>
    /// <param name="tensors">All tensors of the file, in any order.</param>
    /// <param name="metadata">Text kept in the header; <c>format</c> is set to <c>pt</c> where absent, because Hugging Face's loader
    /// refuses files without it.</param>
    /// <param name="result">The result that the file is one of: it appears with the others, when that is committed.</param>
    /// <exception cref="ArgumentException">A name appears twice, or the header would exceed the format's 100 MB.</exception>
    /// <exception cref="IOException">The file cannot be created, or the disk is too full for it.</exception>
    /// <exception cref="UnauthorizedAccessException">The file, or its folder, may not be written to.</exception>
    public SafetensorsWriter(
        string path, IEnumerable<WeightEntry> tensors, IReadOnlyDictionary<string, string>? metadata = null, ResultFiles? result = null)
    {
        (_files, _isOwner) = (result ?? new ResultFiles(), result is null);
        ArgumentException.ThrowIfNullOrEmpty(path);
        ArgumentNullException.ThrowIfNull(tensors);
        List<WeightEntry> ordered = [.. tensors];
        byte[] header = Header(ordered, metadata);
        if (header.Length > SafetensorsHeader.MaxBytes)
            throw new ArgumentException($"the header would take {header.Length} bytes; the format allows {SafetensorsHeader.MaxBytes}");
        long end = header.Length;
        foreach (WeightEntry tensor in ordered)
        {
            if (!_slots.TryAdd(tensor.Name, new Slot(end, tensor.ByteCount)))
                throw new ArgumentException($"two tensors are called {tensor.Name}");
            end = checked(end + tensor.ByteCount);
        }
        try
        {
            _file = _files.Add(path, end);
            _file.Write(header);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>
    /// Writes the next bytes of a tensor: little-endian elements in row-major order. A tensor may be written whole or in consecutive
    /// pieces, and tensors in any order.
    /// </summary>
    /// <exception cref="ArgumentException">The file has no such tensor, or more bytes come than it has.</exception>
    public void Write(string name, ReadOnlySpan<byte> bytes)
    {
        ObjectDisposedException.ThrowIf(_file is null, this);
        if (!_slots.TryGetValue(name, out Slot? slot))
            throw new ArgumentException($"the file was not announced to hold a tensor {name}", nameof(name));
        if (bytes.Length > slot.Length - slot.Written)
            throw new ArgumentException(
                $"tensor {name} has {slot.Length} bytes; {slot.Written} were written and {bytes.Length} more came", nameof(bytes));
        long at = slot.Offset + slot.Written;
        if (_file.Position != at) _file.Position = at;
        _file.Write(bytes);
        slot.Written += bytes.Length;
    }

    /// <summary>Ends the file; unless it is one of several, it appears under its final name, complete and on the disk.</summary>
    /// <exception cref="InvalidOperationException">A tensor is not wholly written.</exception>
    public void Commit()
    {
        ObjectDisposedException.ThrowIf(_file is null, this);
        foreach ((string name, Slot slot) in _slots)
            if (slot.Written != slot.Length)
                throw new InvalidOperationException($"tensor {name} has {slot.Length} bytes; only {slot.Written} were written");
        if (_isOwner) _files.Commit();
        _file = null;
    }

    /// <summary>Closes the file; without a commit, removes what was written.</summary>
    public void Dispose()
    {
        _file = null;
        if (_isOwner) _files.Dispose();
    }

    /// <summary>Puts the tensors into the order of the file, and returns the bytes before their data.</summary>
    internal static byte[] Header(List<WeightEntry> tensors, IReadOnlyDictionary<string, string>? metadata)
    {
        tensors.Sort(static (a, b) => a.Type != b.Type ? b.Type.CompareTo(a.Type) : string.CompareOrdinal(a.Name, b.Name));
        var buffer = new ArrayBufferWriter<byte>();
        buffer.Write(stackalloc byte[sizeof(ulong)]); // The length, known at the end.
        // As the reference, escape only what JSON demands.
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            json.WriteStartObject(SafetensorsHeader.MetadataKey);
            var texts = new SortedDictionary<string, string>(StringComparer.Ordinal) { ["format"] = "pt" };
            if (metadata is not null)
                foreach ((string key, string value) in metadata) texts[key] = value;
            foreach ((string key, string value) in texts) json.WriteString(key, value);
            json.WriteEndObject();
            long offset = 0;
            foreach (WeightEntry tensor in tensors) offset = WriteTensor(json, tensor, offset);
            json.WriteEndObject();
        }
        buffer.Write("       "u8[..(-buffer.WrittenCount & 7)]);
        byte[] header = buffer.WrittenSpan.ToArray();
        BinaryPrimitives.WriteUInt64LittleEndian(header, (ulong)(header.Length - sizeof(ulong)));
        return header;
    }

    private static long WriteTensor(Utf8JsonWriter json, WeightEntry tensor, long offset)
    {
        long end = checked(offset + tensor.ByteCount);
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", tensor.TypeName);
        json.WriteStartArray("shape");
        foreach (long extent in tensor.Extents) json.WriteNumberValue(extent);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(offset);
        json.WriteNumberValue(end);
        json.WriteEndArray();
        json.WriteEndObject();
        return end;
    }

    private sealed class Slot(long offset, long length)
    {
        public long Offset { get; } = offset;

        public long Length { get; } = length;

        public long Written { get; set; }
    }
}
