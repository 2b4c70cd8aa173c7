namespace Dnabert2.Tool;

/// <summary>An input whose waiting ends when it is cancelled: a read from a terminal or a pipe may otherwise wait for ever.</summary>
/// <param name="inner">The input.</param>
/// <param name="cancellation">Ends a read with <see cref="OperationCanceledException"/>.</param>
internal sealed class InterruptibleStream(Stream inner, CancellationToken cancellation) : Stream
{
    private readonly byte[] _piece = new byte[1 << 16];

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        int room = Math.Min(buffer.Length, _piece.Length);
        int n = Task.Run(() => inner.Read(_piece, 0, room)).WaitAsync(cancellation).GetAwaiter().GetResult();
        _piece.AsSpan(0, n).CopyTo(buffer);
        return n;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) inner.Dispose();
        base.Dispose(disposing);
    }
}
