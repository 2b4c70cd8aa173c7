using System.IO.Hashing;

namespace Dnabert2.Tool.Pieces;

/// <summary>A file that blocks are written to: it knows where it stands, and hashes what was written since a block ended.</summary>
/// <param name="file">The file; it is left open.</param>
internal sealed class BlockStream(FileStream file) : Stream
{
    private readonly XxHash3 _hash = new();

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => file.Position; set => throw new NotSupportedException(); }

    /// <summary>The hash of what was written since the last call, in hexadecimal digits.</summary>
    public string TakeHash() => Convert.ToHexStringLower(_hash.GetHashAndReset());

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        file.Write(buffer);
        _hash.Append(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    // Blocks are flushed where the journal is written.
    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}
