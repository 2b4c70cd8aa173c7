using Dnabert2.Files;
using Microsoft.Win32.SafeHandles;

namespace Dnabert2.Weights;

/// <summary>
/// A file of which pieces are read at any place, by any number of threads. One on disk is not mapped into memory: a map of a file that
/// another process cuts short ends this one.
/// </summary>
internal sealed class PositionedFile : IDisposable
{
    private readonly FileStream? _stream;
    private readonly SafeFileHandle? _handle;
    private readonly ReadOnlyMemory<byte> _content;

    private PositionedFile(string path, FileStream stream) =>
        (Path, _stream, _handle, Length) = (path, stream, stream.SafeFileHandle, stream.Length);

    private PositionedFile(string path, ReadOnlyMemory<byte> content) => (Path, _content, Length) = (path, content, content.Length);

    public string Path { get; }

    /// <summary>The length at the time of opening.</summary>
    public long Length { get; }

    /// <summary>Opens a regular file of at least one byte; errors as <see cref="RegularFile.Open"/>.</summary>
    public static PositionedFile Open(StoredFile file) => file.Content is not { } content
        ? new(file.Path, RegularFile.Open(file.Path))
        : content.Length > 0 ? new(file.Path, content) : throw new InvalidDataException($"{file.Path}: is empty");

    /// <summary>Reads exactly these bytes; the caller has held the range against <see cref="Length"/>.</summary>
    public void ReadExactly(long offset, Span<byte> destination)
    {
        if (_handle is null)
        {
            _content.Span.Slice((int)offset, destination.Length).CopyTo(destination);
            return;
        }

        while (destination.Length > 0)
        {
            int read = RandomAccess.Read(_handle, destination, offset);
            if (read == 0) throw Invalid("became shorter while it was read");
            destination = destination[read..];
            offset += read;
        }
    }

    /// <summary>Reads a range; the caller has held it against <see cref="Length"/> and a bound of its own.</summary>
    public byte[] Read(long offset, int length)
    {
        byte[] bytes = new byte[length];
        ReadExactly(offset, bytes);
        return bytes;
    }

    /// <summary>The error to throw for a fault of the content: the message begins with the file's path.</summary>
    public InvalidDataException Invalid(string message, Exception? cause = null) => new($"{Path}: {message}", cause);

    public void Dispose() => _stream?.Dispose();

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
