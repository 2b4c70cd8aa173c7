using System.Runtime.InteropServices;

namespace Dnabert2.Tool;

/// <summary>Standard input or output: its faults name it, also where the process was started without it.</summary>
/// <param name="name">What it is called.</param>
/// <param name="inner">The stream; null where the process has none, and each use is an error.</param>
internal sealed partial class StandardStream(string name, Stream? inner) : Stream
{
    private const int GetFlags = 1, CloseOnExecution = 1, ReadAndWrite = 2;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Whether the process was started with a descriptor.</summary>
    /// <param name="descriptor">0, 1 or 2.</param>
    public static bool WasGiven(int descriptor)
    {
        if (OperatingSystem.IsWindows()) return true;
        // What a process is started with is what passes on to programs that it starts; the descriptors that the runtime has opened since,
        // and that take the place of one that was closed, do not.
        int flags = Control(descriptor, GetFlags);
        if (flags >= 0) return (flags & CloseOnExecution) == 0;
        // Nothing is there: held free, so that no file which is opened later takes for its own what is said to this descriptor.
        _ = Open("/dev/null", ReadAndWrite);
        return false;
    }

    public override int Read(byte[] buffer, int offset, int count) => Given().Read(buffer, offset, count);

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            Given().Write(buffer);
        }
        catch (Exception e) when (inner is not null && e is UnauthorizedAccessException or IOException && !Terminal.IsBrokenPipe(e))
        {
            throw new IOException($"{name}: {e.Message}", e);
        }
    }

    public override void Flush() => inner?.Flush();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private Stream Given() => inner ?? throw new IOException($"{name} is closed; open it, or name a file in place of '-'");

    [LibraryImport("libc", EntryPoint = "fcntl")]
    private static partial int Control(int descriptor, int command);

    [LibraryImport("libc", EntryPoint = "open", StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int access);
}
