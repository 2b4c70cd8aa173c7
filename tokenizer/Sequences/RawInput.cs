namespace Dnabert2.Sequences;

/// <summary>The bytes of the file as they are stored, counted; the first ones can be looked at before they are read.</summary>
internal sealed class RawInput(Stream stream, bool leaveOpen) : ForwardStream
{
    private readonly byte[] _ahead = new byte[2];
    private int _aheadStart;
    private int _aheadEnd;

    /// <summary>Bytes taken from the stream so far.</summary>
    public long BytesRead { get; private set; }

    /// <summary>Bytes from where the stream stood at first to its end; null where it cannot tell.</summary>
    public long? TotalBytes { get; } = stream.CanSeek ? Math.Max(0, stream.Length - stream.Position) : null;

    /// <summary>Whether the input starts with the two bytes; asked before anything is read.</summary>
    public bool StartsWith(byte first, byte second)
    {
        while (_aheadEnd < _ahead.Length)
        {
            int n = ReadStream(_ahead.AsSpan(_aheadEnd));
            if (n == 0) return false;
            _aheadEnd += n;
        }
        return _ahead[0] == first && _ahead[1] == second;
    }

    public override int Read(Span<byte> buffer)
    {
        if (_aheadStart == _aheadEnd) return ReadStream(buffer);
        int n = Math.Min(buffer.Length, _aheadEnd - _aheadStart);
        _ahead.AsSpan(_aheadStart, n).CopyTo(buffer);
        _aheadStart += n;
        return n;
    }

    private int ReadStream(Span<byte> buffer)
    {
        int n = stream.Read(buffer);
        BytesRead += n;
        return n;
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !leaveOpen) stream.Dispose();
        base.Dispose(disposing);
    }
}

/// <summary>A stream that is only read, from start to end.</summary>
internal abstract class ForwardStream : Stream
{
    public sealed override bool CanRead => true;
    public sealed override bool CanSeek => false;
    public sealed override bool CanWrite => false;
    public sealed override long Length => throw new NotSupportedException();
    public sealed override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public abstract override int Read(Span<byte> buffer);
    public sealed override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
    public sealed override void Flush() { }
    public sealed override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public sealed override void SetLength(long value) => throw new NotSupportedException();
    public sealed override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
