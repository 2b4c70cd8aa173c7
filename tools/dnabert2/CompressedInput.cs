using Dnabert2.Sequences;
using SharpCompress.Compressors;
using SharpCompress.Compressors.BZip2;
using SharpCompress.Compressors.ZStandard;

namespace Dnabert2.Tool;

/// <summary>
/// Inputs that are compressed with bzip2 or Zstandard, known by how they begin. Gzip is left to those who read sequences. Of xz no managed
/// library reads files of several streams, or those that want gigabytes of memory, as it should: they are refused with the way out.
/// </summary>
internal static class CompressedInput
{
    private const int Head = 6;

    /// <summary>What an input holds, decompressed where that is done here.</summary>
    /// <param name="stored">The input, from its beginning; it is closed with what is returned.</param>
    /// <param name="name">Its name in messages.</param>
    /// <exception cref="InvalidDataException">It is xz.</exception>
    public static Stream Open(Stream stored, string name)
    {
        byte[] head = new byte[Head];
        head = head[..stored.ReadAtLeast(head, Head, throwOnEndOfStream: false)];
        if (head.AsSpan().StartsWith((ReadOnlySpan<byte>)[0xFD, (byte)'7', (byte)'z', (byte)'X', (byte)'Z', 0]))
            throw new InvalidDataException($"{name}: is xz, which is not read; decompress it: xz -dc FILE.xz | dnabert2 VERB -");
        bool isBzip2 = head.Length > 3 && head.AsSpan().StartsWith("BZh"u8) && head[3] is >= (byte)'1' and <= (byte)'9';
        bool isZstandard = head.AsSpan().StartsWith((ReadOnlySpan<byte>)[0x28, 0xB5, 0x2F, 0xFD]);
        Stream whole = stored;
        if (stored.CanSeek) stored.Position -= head.Length;
        else whole = new Joined(head, stored);
        if (isBzip2) return new Decompressed(() => BZip2Stream.Create(whole, CompressionMode.Decompress, true), whole, name, "bzip2");
        return isZstandard ? new Decompressed(() => new DecompressionStream(whole), whole, name, "zstd") : whole;
    }

    /// <summary>Bytes that were read, and then the rest.</summary>
    private sealed class Joined(byte[] head, Stream rest) : ForwardStream
    {
        private int _given;

        public override int Read(Span<byte> buffer)
        {
            if (_given == head.Length) return rest.Read(buffer);
            int count = Math.Min(buffer.Length, head.Length - _given);
            head.AsSpan(_given, count).CopyTo(buffer);
            _given += count;
            return count;
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) rest.Dispose();
            base.Dispose(disposing);
        }
    }

    /// <summary>Words what a decompressor says of damaged data, whatever that is.</summary>
    private sealed class Decompressed(Func<Stream> open, Stream stored, string name, string program) : ForwardStream
    {
        private Stream? _content;

        public override int Read(Span<byte> buffer)
        {
            try
            {
                return (_content ??= open()).Read(buffer);
            }
            catch (Exception e) when (e is not (OperationCanceledException or OutOfMemoryException or UnauthorizedAccessException)
                && (e is not IOException || e is EndOfStreamException))
            {
                throw new InvalidDataException(
                    $"{name}: the {program} data is damaged, or ends too early. Fetch or compress the file again; "
                    + $"'{program} -t' checks it.", e);
            }
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) stored.Dispose();
            base.Dispose(disposing);
        }
    }
}
