namespace Dnabert2.Sequences;

/// <summary>
/// A sequence at two bits a base, in blocks; a block that holds an N also has a bit for each of its bases. A chromosome takes a quarter of
/// a byte a base, three eighths at worst.
/// </summary>
internal sealed class PackedBases
{
    // Both arrays of a block stay below the size from which .NET keeps arrays in a heap that it rarely tidies.
    private const int BlockLength = 1 << 16;
    private readonly byte[][] _codes;
    private readonly byte[]?[] _unknown;

    /// <summary>Packs bases: A, C, G, T and N.</summary>
    public PackedBases(ReadOnlySpan<byte> bases)
    {
        Length = bases.Length;
        int blocks = (bases.Length + BlockLength - 1) / BlockLength;
        (_codes, _unknown) = (new byte[blocks][], new byte[blocks][]);
        for (int i = 0; i < blocks; i++)
        {
            ReadOnlySpan<byte> block = bases.Slice(i * BlockLength, Math.Min(BlockLength, bases.Length - (i * BlockLength)));
            _codes[i] = Codes(block);
            if (block.Contains((byte)'N')) _unknown[i] = Unknown(block);
        }
    }

    /// <summary>The number of bases.</summary>
    public int Length { get; }

    /// <summary>Reads bases from a place on.</summary>
    public void Read(int start, Span<byte> destination)
    {
        for (int i = 0; i < destination.Length; i++)
        {
            int block = (start + i) / BlockLength, at = (start + i) % BlockLength;
            bool known = _unknown[block] is not { } bits || (bits[at >> 3] >> (at & 7) & 1) == 0;
            destination[i] = known ? "ACGT"u8[_codes[block][at >> 2] >> (2 * (at & 3)) & 3] : (byte)'N';
        }
    }

    private static byte[] Codes(ReadOnlySpan<byte> block)
    {
        byte[] codes = new byte[(block.Length + 3) / 4];
        for (int i = 0; i < block.Length; i++)
        {
            int code = block[i] switch { (byte)'C' => 1, (byte)'G' => 2, (byte)'T' => 3, _ => 0 };
            codes[i >> 2] |= (byte)(code << (2 * (i & 3)));
        }

        return codes;
    }

    private static byte[] Unknown(ReadOnlySpan<byte> block)
    {
        byte[] bits = new byte[(block.Length + 7) / 8];
        for (int i = 0; i < block.Length; i++)
            if (block[i] == 'N') bits[i >> 3] |= (byte)(1 << (i & 7));
        return bits;
    }
}
