using System.Text;

namespace Tests.Tools;

/// <summary>Short FASTA records, or other text, made while they are read; something happens before one of them, and they may end.</summary>
internal sealed class EndlessFasta(Action act, long afterRecords, long end = long.MaxValue, Func<long, string>? text = null) : Stream
{
    private byte[] _rest = [];
    private long _records;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        if (_rest.Length == 0 && _records < end)
        {
            if (_records++ == afterRecords) act();
            _rest = Encoding.ASCII.GetBytes(text?.Invoke(_records) ?? $">r{_records}\nGATTACACCGGTT\n");
        }

        int n = Math.Min(buffer.Length, _rest.Length);
        _rest.AsSpan(0, n).CopyTo(buffer);
        _rest = _rest[n..];
        return n;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
