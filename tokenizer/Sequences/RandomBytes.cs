using Dnabert2.Files;

namespace Dnabert2.Sequences;

/// <summary>Bytes that are read at any place, by several threads at once.</summary>
internal abstract class RandomBytes : IDisposable
{
    /// <summary>How many there are.</summary>
    public abstract long Length { get; }

    /// <summary>Bytes that were read from the disk so far.</summary>
    public abstract long BytesRead { get; }

    /// <summary>Reads bytes from a place on.</summary>
    /// <returns>How many: fewer than asked for only at the end.</returns>
    public abstract int Read(long offset, Span<byte> destination);

    /// <summary>Closes the file.</summary>
    public abstract void Dispose();
}

/// <summary>A file on disk.</summary>
internal sealed class RandomFile(string path) : RandomBytes
{
    private readonly FileStream _file = RegularFile.Open(path);
    private long _read;

    /// <inheritdoc/>
    public override long Length => _file.Length;

    /// <inheritdoc/>
    public override long BytesRead => Interlocked.Read(ref _read);

    /// <inheritdoc/>
    public override int Read(long offset, Span<byte> destination)
    {
        int done = 0;
        for (int n; done < destination.Length; done += n)
            if ((n = RandomAccess.Read(_file.SafeFileHandle, destination[done..], offset + done)) == 0) break;
        Interlocked.Add(ref _read, done);
        return done;
    }

    /// <inheritdoc/>
    public override void Dispose() => _file.Dispose();
}
