using System.IO.Compression;
using System.Text;
using Dnabert2.Sequences;

namespace Tests.Sequences;

/// <summary>Small sequence files in memory.</summary>
internal static class SequenceFiles
{
    public static byte[] Gzip(ReadOnlySpan<byte> content)
    {
        var output = new MemoryStream();
        using (var gzip = new GZipStream(output, CompressionLevel.Fastest)) gzip.Write(content);
        return output.ToArray();
    }

    public static List<SequenceRecord> ReadAll(Stream stream, string name = "test", SequenceOptions? options = null) =>
        [.. SequenceReader.Read(stream, name, options).Select(record => record.Copy())];

    public static List<SequenceRecord> ReadAll(string content, string name = "test", SequenceOptions? options = null) =>
        ReadAll(new MemoryStream(Encoding.Latin1.GetBytes(content)), name, options);

    public static string Text(this SequenceRecord record) => Encoding.ASCII.GetString(record.Sequence);

    public static string SecondText(this SequenceRecord record) => Encoding.ASCII.GetString(record.SecondSequence);

    public static string[] FragmentTexts(this SequenceRecord record)
    {
        var texts = new List<string>();
        foreach (SequenceFragment fragment in record.Fragments)
            texts.Add(Encoding.ASCII.GetString(record.Sequence.Slice(fragment.Start, fragment.Length)));
        return [.. texts];
    }
}

/// <summary>A pipe: hands out a few bytes at a time and cannot seek.</summary>
internal sealed class DripStream(byte[] content, int most) : Stream
{
    private int _position;
    private int _calls;

    public override bool CanRead => true;
    public override bool CanSeek => false;
    public override bool CanWrite => false;
    public override long Length => throw new NotSupportedException();
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        int count = Math.Min(1 + _calls++ % most, Math.Min(buffer.Length, content.Length - _position));
        content.AsSpan(_position, count).CopyTo(buffer);
        _position += count;
        return count;
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));
    public override void Flush() { }
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();
    public override void SetLength(long value) => throw new NotSupportedException();
    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
