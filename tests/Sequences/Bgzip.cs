namespace Tests.Sequences;

/// <summary>BGZF (SAM specification 4.1): gzip in members of at most 64 KiB whose sizes stand in an extra field.</summary>
internal static class Bgzip
{
    /// <summary>The empty member that ends a file, as the specification spells it.</summary>
    public static byte[] Last { get; } = Convert.FromHexString("1f8b08040000000000ff0600424302001b0003000000000000000000");

    /// <summary>A member that holds a text.</summary>
    public static byte[] Block(ReadOnlySpan<byte> content)
    {
        byte[] gzip = SequenceFiles.Gzip(content);
        if (gzip.Length == 0) gzip = [.. Last[..10], .. Last[18..]];
        int size = gzip.Length + 8 - 1;
        return [.. gzip[..3], 4, .. gzip[4..10], 6, 0, (byte)'B', (byte)'C', 2, 0, (byte)size, (byte)(size >> 8), .. gzip[10..]];
    }

    /// <summary>A whole file.</summary>
    public static byte[] File(ReadOnlySpan<byte> content, int blockSize = 60_000)
    {
        var file = new List<byte>();
        for (int at = 0; at < content.Length; at += blockSize)
            file.AddRange(Block(content.Slice(at, Math.Min(blockSize, content.Length - at))));
        return [.. file, .. Last];
    }
}
