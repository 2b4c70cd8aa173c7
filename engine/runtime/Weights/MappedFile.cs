using System.IO.MemoryMappedFiles;

namespace Engine.Runtime;

/// <summary>
/// A file opened for reading: small pieces are read, tensors are mapped one at a time, so that only what is being copied counts to the
/// process's memory. The file must not be shortened while it is open: touching a page that is gone ends the process on Unix.
/// </summary>
internal sealed class MappedFile : IDisposable
{
    private readonly FileStream _stream;
    private readonly MemoryMappedFile _map;

    private MappedFile(string path, FileStream stream)
    {
        Path = path;
        Length = stream.Length;
        _stream = stream;
        _map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None, leaveOpen: true);
    }

    public string Path { get; }

    public long Length { get; }

    /// <summary>Opens a file of at least one byte.</summary>
    public static MappedFile Open(string path)
    {
        if (Directory.Exists(path)) throw new IOException($"{path}: is a folder; name the weight file in it");
        var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        try
        {
            if (!stream.CanSeek) throw new IOException($"{path}: is not a regular file; weights cannot be read from a pipe or a device");
            if (stream.Length == 0) throw new InvalidDataException($"{path}: is empty");
            return new MappedFile(path, stream);
        }
        catch
        {
            stream.Dispose();
            throw;
        }
    }

    /// <summary>Reads exactly these bytes; the caller has held the range against <see cref="Length"/>.</summary>
    public void ReadExactly(long offset, Span<byte> destination)
    {
        while (destination.Length > 0)
        {
            int read = RandomAccess.Read(_stream.SafeFileHandle, destination, offset);
            if (read == 0) throw Invalid("became shorter while it was read");
            destination = destination[read..];
            offset += read;
        }
    }

    /// <summary>Maps a range of at least one byte that lies within the file.</summary>
    public MappedRange Map(long offset, long length) => new(_map, offset, length);

    /// <summary>The error to throw for a fault of the content: the message begins with the file's path.</summary>
    public InvalidDataException Invalid(string message, Exception? cause = null) => new($"{Path}: {message}", cause);

    public void Dispose()
    {
        _map.Dispose();
        _stream.Dispose();
    }

    /// <summary>A text from the file for a message: in quotes, cut, without control characters.</summary>
    public static string Quote(string text)
    {
        const int longest = 120;
        return string.Create(Math.Min(text.Length, longest) + 2, text, static (span, text) =>
        {
            span[0] = span[^1] = '\'';
            for (int i = 0; i < span.Length - 2; i++) span[i + 1] = char.IsControl(text[i]) ? '?' : text[i];
            if (text.Length > longest) span[^2] = '…';
        });
    }
}

/// <summary>A mapped range of a file, unmapped when disposed.</summary>
internal sealed unsafe class MappedRange : IDisposable
{
    private readonly MemoryMappedViewAccessor _view;

    public MappedRange(MemoryMappedFile map, long offset, long length)
    {
        _view = map.CreateViewAccessor(offset, length, MemoryMappedFileAccess.Read);
        byte* pointer = null;
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref pointer);
        Pointer = pointer + _view.PointerOffset;
        Length = length;
    }

    public byte* Pointer { get; }

    public long Length { get; }

    /// <summary>The bytes at this offset of the range.</summary>
    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(length, Length - offset);
        return new(Pointer + offset, length);
    }

    public void Dispose()
    {
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
    }
}
