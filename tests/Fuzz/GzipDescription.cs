using System.Buffers.Binary;
using System.Globalization;
using System.IO.Compression;
using System.Text;
using Tests.Sequences;

namespace Tests.Fuzz;

/// <summary>
/// A gzip file by a description of it: a line for each member, <c>WORDS:CONTENT</c>. Words: <c>gzip</c> or <c>bgzip</c>; <c>name</c>,
/// <c>comment</c>, <c>extra</c> and <c>hcrc</c> for fields of the header; <c>stored</c> for content that is not compressed; <c>crc</c>,
/// <c>size</c> and <c>cut</c> for damage. <c>end</c> is the empty block of bgzip, <c>zeros=N</c> are zero bytes. A slash is a line break.
/// </summary>
internal sealed class GzipDescription
{
    private const byte Crc = 2, Extra = 4, Name = 8, Comment = 16;
    private readonly List<byte> _file = [];
    private readonly List<byte> _content = [];
    private bool _zeros, _lacksEnd;

    /// <summary>Whether gzip reads the file, and bgzip misses nothing.</summary>
    public bool IsSound { get; private set; } = true;

    /// <summary>The file.</summary>
    public byte[] File => [.. _file];

    /// <summary>What it holds.</summary>
    public byte[] Content => [.. _content];

    public static GzipDescription Of(string text)
    {
        var described = new GzipDescription();
        foreach (string line in text.Split('\n')) described.Add(line);
        described.IsSound &= !described._lacksEnd && described._file.Count > 2;
        return described;
    }

    private void Add(string line)
    {
        int colon = line.IndexOf(':', StringComparison.Ordinal);
        string[] words = (colon < 0 ? line : line[..colon]).Split(' ');
        if (words[0] == "zeros" || words[0].StartsWith("zeros=", StringComparison.Ordinal))
        {
            int count = int.TryParse(words[0].AsSpan(Math.Min(6, words[0].Length)), NumberStyles.None, CultureInfo.InvariantCulture,
                out int n) ? Math.Min(n, 200_000) : 1;
            // A file of zeros alone is no gzip, and would be read as text.
            IsSound &= _file.Count > 0;
            _file.AddRange(new byte[count]);
            _zeros |= count > 0;
            return;
        }

        // Behind zeros nothing may follow.
        IsSound &= !_zeros;
        if (words.Contains("end"))
        {
            _file.AddRange(Bgzip.Last);
            _lacksEnd = false;
            return;
        }

        byte[] content = Encoding.Latin1.GetBytes((colon < 0 ? "" : line[(colon + 1)..]).Replace('/', '\n'));
        _content.AddRange(content);
        byte[] member = Member(words, content);
        _file.AddRange(member);
        _lacksEnd = words.Contains("bgzip") && !member.AsSpan().SequenceEqual(Bgzip.Last);
    }

    private byte[] Member(string[] words, byte[] content)
    {
        bool bgzip = words.Contains("bgzip");
        byte[] deflated = Deflate(content, words.Contains("stored"));
        int flags = (words.Contains("hcrc") ? Crc : 0) | (bgzip || words.Contains("extra") ? Extra : 0);
        flags |= (words.Contains("name") ? Name : 0) | (words.Contains("comment") ? Comment : 0);
        List<byte> member = [0x1f, 0x8b, 8, (byte)flags, 0, 0, 0, 0, 0, 0xff];
        int sizeAt = 0;
        if ((flags & Extra) != 0)
        {
            List<byte> extra = words.Contains("extra") ? [(byte)'x', (byte)'y', 3, 0, (byte)'B', (byte)'C', 2] : [];
            if (bgzip)
            {
                extra.AddRange([(byte)'B', (byte)'C', 2, 0, 0, 0]);
                sizeAt = member.Count + 2 + extra.Count - 2;
            }

            member.AddRange([(byte)extra.Count, 0, .. extra]);
        }

        if ((flags & Name) != 0) member.AddRange([.. "x.fa"u8, 0]);
        if ((flags & Comment) != 0) member.AddRange([.. "of no use"u8, 0]);
        if (sizeAt > 0)
        {
            int size = member.Count + ((flags & Crc) != 0 ? 2 : 0) + deflated.Length + 8 - 1;
            (member[sizeAt], member[sizeAt + 1]) = ((byte)size, (byte)(size >> 8));
        }

        if ((flags & Crc) != 0) member.AddRange(Number(Crc32(member) & 0xffff)[..2]);
        member.AddRange(deflated);
        bool badCrc = words.Contains("crc"), badSize = words.Contains("size"), cut = words.Contains("cut");
        member.AddRange(Number(Crc32(content) ^ (badCrc ? 1u : 0)));
        member.AddRange(Number((uint)content.Length + (badSize ? 1u : 0)));
        if (badCrc || badSize || cut) IsSound = false;
        return cut ? [.. member[..^3]] : [.. member];
    }

    private static byte[] Deflate(byte[] content, bool stored)
    {
        // The shortest block without content; .NET writes nothing at all.
        if (content.Length == 0) return [3, 0];
        var output = new MemoryStream();
        using (var deflate = new DeflateStream(
            output, stored ? CompressionLevel.NoCompression : CompressionLevel.Fastest, leaveOpen: true)) deflate.Write(content);
        return output.ToArray();
    }

    private static byte[] Number(uint value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteUInt32LittleEndian(bytes, value);
        return bytes;
    }

    private static uint Crc32(IEnumerable<byte> bytes)
    {
        uint crc = ~0u;
        foreach (byte b in bytes)
        {
            crc ^= b;
            for (int i = 0; i < 8; i++) crc = (crc >> 1) ^ ((crc & 1) * 0xedb88320);
        }

        return ~crc;
    }
}
