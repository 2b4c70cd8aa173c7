using System.Buffers.Binary;
using System.IO.Compression;
using Dnabert2.Sequences;

namespace Dnabert2.Tool.Output;

/// <summary>
/// Compresses as bgzip does (BGZF, SAM specification 4.1): gzip members of at most 64 KiB, by whose places a part can be found. Disposing
/// does not write what is left: <see cref="Finish"/> does.
/// </summary>
/// <param name="stream">Where the blocks go, from its beginning; it is left open.</param>
internal sealed class BgzfWriter(Stream stream) : Stream
{
    // As htslib's: what does not get smaller still fits into a block.
    private const int ContentOfBlock = 0xFF00, GzipHeader = 10;

    private readonly byte[] _content = new byte[ContentOfBlock];
    private readonly MemoryStream _block = new();
    private int _length;
    private long _written;

    /// <summary>
    /// The place of the next byte as indexes give it: that of its block in the file, and in the last 16 bits that within its content.
    /// </summary>
    public ulong Place => ((ulong)_written << 16) | (uint)_length;

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
        while (!buffer.IsEmpty)
        {
            int count = Math.Min(buffer.Length, ContentOfBlock - _length);
            buffer[..count].CopyTo(_content.AsSpan(_length));
            _length += count;
            buffer = buffer[count..];
            if (_length == ContentOfBlock) EndBlock();
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Writes what is left, and the empty block that ends a file.</summary>
    public void Finish()
    {
        if (_length > 0) EndBlock();
        stream.Write(Bgzf.LastBlock);
        stream.Flush();
    }

    /// <summary>Does nothing: a block is written when it is full.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <summary>Writes a gzip member with its size in an extra field.</summary>
    private void EndBlock()
    {
        _block.SetLength(0);
        using (var gzip = new GZipStream(_block, CompressionLevel.Optimal, leaveOpen: true)) gzip.Write(_content, 0, _length);
        ReadOnlySpan<byte> member = _block.GetBuffer().AsSpan(0, (int)_block.Length), body = member[GzipHeader..];
        Span<byte> header = stackalloc byte[Bgzf.HeaderLength];
        Bgzf.LastBlock[..Bgzf.HeaderLength].CopyTo(header);
        BinaryPrimitives.WriteUInt16LittleEndian(header[16..], (ushort)(header.Length + body.Length - 1));
        stream.Write(header);
        stream.Write(body);
        _written += header.Length + body.Length;
        _length = 0;
    }
}
