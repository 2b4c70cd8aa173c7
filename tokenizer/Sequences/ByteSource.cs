namespace Dnabert2.Sequences;

/// <summary>
/// A window over the decompressed bytes of the input that knows line and column. A line never has to fit in it: a whole
/// chromosome may be one line.
/// </summary>
internal sealed class ByteSource : IBasePosition, IDisposable
{
    private const int BufferSize = 1 << 18;

    private readonly RawInput _raw;
    private readonly Stream _input;
    private readonly Stream? _copy;
    private readonly CancellationToken _cancellation;
    private readonly byte[] _buffer = GC.AllocateUninitializedArray<byte>(BufferSize);
    private int _start;
    private int _end;
    private long _bufferOffset;
    private long _lineOffset;

    /// <param name="stream">Stored bytes, gzipped or not.</param>
    /// <param name="leaveOpen">Whether the stream outlives this.</param>
    /// <param name="faults">Words the errors.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <param name="copy">Receives the content, decompressed, as it is read; null: nothing does.</param>
    public ByteSource(Stream stream, bool leaveOpen, Faults faults, CancellationToken cancellation, Stream? copy = null)
    {
        (_cancellation, _copy) = (cancellation, copy);
        _raw = new RawInput(stream, leaveOpen);
        _input = _raw;
        try
        {
            cancellation.ThrowIfCancellationRequested();
            if (_raw.StartsWith(0x1F, 0x8B)) _input = new GzipInput(_raw, faults);
            while (_end < 3 && FillMore()) { }
            if (Window.StartsWith("\uFEFF"u8)) Skip(3);
            _lineOffset = _start;
        }
        catch
        {
            _input.Dispose();
            throw;
        }
    }

    /// <summary>The line of the next byte, from 1.</summary>
    public long Line { get; private set; } = 1;

    /// <summary>The column of the next byte in its line, in bytes from 1.</summary>
    public long Column => _bufferOffset + _start - _lineOffset + 1;

    /// <summary>The place of the next byte in the decompressed content, from 0.</summary>
    public long Offset => _bufferOffset + _start;

    /// <summary>The bytes in memory that are not consumed yet; valid until the next call.</summary>
    public ReadOnlySpan<byte> Window => _buffer.AsSpan(_start, _end - _start);

    /// <summary>Stored bytes consumed so far; with gzip, stored bytes read.</summary>
    public long BytesRead => ReferenceEquals(_input, _raw) ? _bufferOffset + _start : _raw.BytesRead;

    /// <summary>Stored bytes in all; null where unknown.</summary>
    public long? TotalBytes => _raw.TotalBytes;

    /// <summary>
    /// About how many bytes are still to come, decompressed; exact without compression, null where unknown. With gzip the
    /// ratio so far is taken to hold, and 5 % more.
    /// </summary>
    public long? Remaining
    {
        get
        {
            if (_raw.TotalBytes is not long total) return null;
            long stored = Math.Max(0, total - _raw.BytesRead), ahead = _end - _start;
            if (ReferenceEquals(_input, _raw)) return ahead + stored;
            return ahead + (long)(1.05 * stored * (_bufferOffset + _end) / Math.Max(1, _raw.BytesRead));
        }
    }

    /// <summary>Whether there is a next byte; reads on where the window is empty.</summary>
    public bool HasMore => _start < _end || FillMore();

    /// <summary>The next byte, or -1 at the end of the input.</summary>
    public int Peek() => HasMore ? _buffer[_start] : -1;

    /// <summary>Reads more bytes into the window behind those it holds; false at the end of the input or when it is full.</summary>
    public bool FillMore()
    {
        _cancellation.ThrowIfCancellationRequested();
        if (_start == _end || _end == _buffer.Length)
        {
            Window.CopyTo(_buffer);
            _bufferOffset += _start;
            _end -= _start;
            _start = 0;
        }
        if (_end == _buffer.Length) return false;
        int n = _input.Read(_buffer.AsSpan(_end));
        _copy?.Write(_buffer, _end, n);
        _end += n;
        return n > 0;
    }

    /// <summary>Consumes bytes of the current line.</summary>
    public void Skip(int count) => _start += count;

    /// <summary>Consumes the end of the current line, of one (LF) or two bytes (CR LF).</summary>
    public void SkipLineEnd(int count)
    {
        _start += count;
        _lineOffset = _bufferOffset + _start;
        Line++;
    }

    /// <summary>The length of the line end at the next byte: 0 where there is none. A CR that ends the input is one.</summary>
    public int LineEnd()
    {
        int next = Peek();
        if (next == '\n') return 1;
        if (next != '\r') return 0;
        if (_end - _start < 2 && !FillMore()) return 1;
        return _buffer[_start + 1] == '\n' ? 2 : 0;
    }

    /// <summary>
    /// Consumes the next piece of the current line, without its end; false, with the line end consumed, when the line is
    /// over. A piece is never empty, lies before <see cref="Column"/>, and is valid until the next call.
    /// </summary>
    public bool TryReadPiece(out ReadOnlySpan<byte> piece)
    {
        piece = default;
        int lineEnd = LineEnd();
        if (lineEnd > 0 || !HasMore)
        {
            if (lineEnd > 0) SkipLineEnd(lineEnd);
            return false;
        }
        ReadOnlySpan<byte> window = Window;
        int length = window.IndexOf((byte)'\n');
        if (length < 0) length = window.Length;
        // A CR at the end may belong to the line end; a CR alone is left in the piece for the parser to refuse.
        if (length > 1 && window[length - 1] == '\r') length--;
        piece = window[..length];
        Skip(length);
        return true;
    }

    public void Dispose() => _input.Dispose();
}
