using System.IO.Compression;

namespace Dnabert2.Sequences;

/// <summary>
/// Decompresses gzip of any number of members (bgzip included) and reports input that ends too early, which
/// <see cref="GZipStream"/> passes over in silence. A known member, the seal, is appended to the input: its text comes out
/// at the very end if, and only if, the input stopped where a member ends. Checksums are checked by GZipStream itself.
/// bgzip cut between two of its members is told by the last one, which has to be the empty one that bgzip ends with. Zero bytes
/// behind the last member are padding, as for gzip.
/// </summary>
internal sealed class GzipInput : ForwardStream
{
    private static readonly byte[] SealText =
        [0xD1, 0x5B, 0x0E, 0xA7, 0x92, 0x3C, 0xF8, 0x46, 0x1B, 0xE9, 0x60, 0xC5, 0x7D, 0x24, 0xBF, 0x83];
    private static readonly byte[] Seal = Compress(SealText);

    private readonly StoredInput _input;
    private readonly GZipStream _inflate;
    private readonly Faults _faults;
    private byte[]? _tail;
    private int _tailStart;

    public GzipInput(RawInput raw, Faults faults)
    {
        _input = new StoredInput(raw, Seal);
        _inflate = new GZipStream(_input, CompressionMode.Decompress);
        _faults = faults;
    }

    public override int Read(Span<byte> buffer)
    {
        if (_tail is null)
        {
            int n = Inflate(buffer);
            if (n > 0 && !_input.SealTaken) return n;
            _tail = ReadTail(buffer[..n]);
            if (_input.LacksLastBlock())
                throw _faults.File(
                    "the bgzip data ends without its empty last block: the file is cut short",
                    "Fetch or compress the file again; if you know that it is whole, decompress it with 'gzip -dc' and read the result");
        }
        int count = Math.Min(buffer.Length, _tail.Length - _tailStart);
        _tail.AsSpan(_tailStart, count).CopyTo(buffer);
        _tailStart += count;
        return count;
    }

    /// <summary>What is left once the input has ended, without the text of the seal. A few times the buffer at most.</summary>
    private byte[] ReadTail(ReadOnlySpan<byte> first)
    {
        var tail = new MemoryStream();
        tail.Write(first);
        byte[] buffer = new byte[4096];
        for (int n; (n = Inflate(buffer)) > 0;) tail.Write(buffer, 0, n);
        byte[] bytes = tail.ToArray();
        // Only at a zero byte behind a member, with nothing but zeros to come, does decompression stop before the seal.
        if (_input.OnlyZerosLeft && !_input.SealTaken) return bytes;
        if (bytes.AsSpan().EndsWith(SealText)) return bytes[..^SealText.Length];
        throw _input.SealTaken ? CutShort() : _faults.File(
            "there are bytes after the end of the gzip data that are not gzip",
            "Cut them off, or decompress the file with 'gzip -dc' and read the result");
    }

    private int Inflate(Span<byte> buffer)
    {
        try
        {
            return _inflate.Read(buffer);
        }
        catch (InvalidDataException)
        {
            throw _input.SealTaken ? CutShort() : _faults.File(
                "the gzip data is damaged", "Fetch or compress the file again; 'gzip -t' checks it");
        }
    }

    private InvalidDataException CutShort() => _faults.File(
        "the gzip data ends too early: the file is cut short, or its end is damaged",
        "Fetch or compress the file again; 'gzip -t' checks it");

    protected override void Dispose(bool disposing)
    {
        if (disposing) _inflate.Dispose();
        base.Dispose(disposing);
    }

    private static byte[] Compress(byte[] text)
    {
        var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Optimal)) gzip.Write(text);
        return output.ToArray();
    }
}
