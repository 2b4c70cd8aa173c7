using System.Buffers.Binary;

namespace Dnabert2.Sequences;

/// <summary>
/// The blocks of BGZF (SAM specification 4.1), which bgzip writes: gzip members of at most 64 KiB whose sizes stand in an extra field.
/// </summary>
internal static class Bgzf
{
    /// <summary>The most bytes of a block, as stored and as decompressed.</summary>
    public const int LargestBlock = 1 << 16;

    /// <summary>Bytes from which the size of a block can be told, if the extra field has nothing else in it.</summary>
    public const int HeaderLength = 18;

    private const int FixedHeader = 12;

    /// <summary>How a block begins.</summary>
    public static ReadOnlySpan<byte> BlockStart => [0x1F, 0x8B, 8, 4];

    /// <summary>The empty block that ends a file.</summary>
    public static ReadOnlySpan<byte> LastBlock =>
        [0x1F, 0x8B, 8, 4, 0, 0, 0, 0, 0, 0xFF, 6, 0, (byte)'B', (byte)'C', 2, 0, 27, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// <summary>The size of the block that begins here, as its extra field says; 0 where there is none.</summary>
    public static int BlockSize(ReadOnlySpan<byte> member)
    {
        if (member.Length < FixedHeader || !member.StartsWith(BlockStart)) return 0;
        ReadOnlySpan<byte> extra = member[FixedHeader..];
        extra = extra[..Math.Min(extra.Length, BinaryPrimitives.ReadUInt16LittleEndian(member[10..]))];
        while (extra.Length >= 6)
        {
            int length = BinaryPrimitives.ReadUInt16LittleEndian(extra[2..]);
            if (extra.StartsWith("BC\u0002\0"u8)) return BinaryPrimitives.ReadUInt16LittleEndian(extra[4..]) + 1;
            extra = extra[Math.Min(extra.Length, 4 + length)..];
        }
        return 0;
    }
}
