namespace Dnabert2.Tool.Output;

/// <summary>
/// The lines of a text that somebody else reads: what was read is written here, and taken line by line when it is known what becomes of
/// it. Holds what was read and not taken.
/// </summary>
/// <param name="name">The text's name in messages.</param>
internal sealed class LineQueue(string name) : Stream
{
    // Of a record of a million samples, 50 MB.
    private const int LongestLine = 1 << 30;
    private byte[] _buffer = new byte[1 << 16];
    private int _start, _end, _searched;
    private bool _isComplete;

    /// <summary>The number of the next line, from 1.</summary>
    public long Number { get; private set; } = 1;

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (_buffer.Length - _end < buffer.Length)
        {
            int held = _end - _start;
            if (held > LongestLine - buffer.Length)
                throw new InvalidDataException(
                    $"{name}: line {Number}: lines of more than {LongestLine:N0} bytes would have to be held. Check that the line ends "
                    + "are whole.");
            byte[] target = held + buffer.Length > _buffer.Length / 2
                ? new byte[Math.Max(_buffer.Length, 2 * (held + buffer.Length))] : _buffer;
            _buffer.AsSpan(_start, held).CopyTo(target);
            (_buffer, _searched, _start, _end) = (target, _searched - _start, 0, held);
        }

        buffer.CopyTo(_buffer.AsSpan(_end));
        _end += buffer.Length;
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Says that all of the text was written, so that the last line may have no end.</summary>
    public void Complete() => _isComplete = true;

    /// <summary>Looks at the next line, its end included; it is valid until the next write.</summary>
    /// <returns>Whether there is one.</returns>
    public bool TryPeek(out ReadOnlySpan<byte> line)
    {
        // What was searched in vain, or found, is not searched again.
        _searched = Math.Max(_searched, _start);
        int end = _buffer.AsSpan(_searched, _end - _searched).IndexOf((byte)'\n');
        _searched = end < 0 ? _end : _searched + end;
        int length = end >= 0 ? _searched + 1 - _start : _isComplete ? _end - _start : 0;
        line = _buffer.AsSpan(_start, length);
        return length > 0;
    }

    /// <summary>Takes the line that was looked at.</summary>
    public void Take()
    {
        if (!TryPeek(out ReadOnlySpan<byte> line)) return;
        _start += line.Length;
        Number++;
    }

    /// <inheritdoc/>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();
}
