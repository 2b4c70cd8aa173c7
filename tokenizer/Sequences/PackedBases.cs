namespace Dnabert2.Sequences;

/// <summary>
/// A sequence in blocks, at two bits a base; at four, the set of bases that a letter stands for, in a block that holds N or another
/// ambiguity code. A chromosome takes a quarter of a byte a base, half a byte at worst.
/// </summary>
internal sealed class PackedBases
{
    // The array of a block stays below the size from which .NET keeps arrays in a heap that it rarely tidies.
    private const int BlockLength = 1 << 16;
    private readonly byte[][] _codes;
    private readonly bool[] _areSets;

    /// <summary>Packs bases: A, C, G, T, N and the other IUPAC codes.</summary>
    public PackedBases(ReadOnlySpan<byte> bases)
    {
        Length = bases.Length;
        int blocks = (bases.Length + BlockLength - 1) / BlockLength;
        (_codes, _areSets) = (new byte[blocks][], new bool[blocks]);
        for (int i = 0; i < blocks; i++)
        {
            ReadOnlySpan<byte> block = bases.Slice(i * BlockLength, Math.Min(BlockLength, bases.Length - (i * BlockLength)));
            _areSets[i] = block.ContainsAnyExcept("ACGT"u8);
            _codes[i] = _areSets[i] ? Sets(block) : Codes(block);
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
            destination[i] = _areSets[block]
                ? Nucleotides.LetterOf(_codes[block][at >> 1] >> (4 * (at & 1)) & 15)
                : "ACGT"u8[_codes[block][at >> 2] >> (2 * (at & 3)) & 3];
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

    private static byte[] Sets(ReadOnlySpan<byte> block)
    {
        byte[] sets = new byte[(block.Length + 1) / 2];
        for (int i = 0; i < block.Length; i++) sets[i >> 1] |= (byte)(Nucleotides.SetOf(block[i]) << (4 * (i & 1)));
        return sets;
    }
}
