namespace Dnabert2;

/// <summary>The other strand of a sequence, read in its own direction.</summary>
internal static class ReverseComplement
{
    /// <summary>The reverse complement of bases: A, C, G and T; N stays N.</summary>
    public static byte[] Of(ReadOnlySpan<byte> bases)
    {
        byte[] other = new byte[bases.Length];
        for (int i = 0; i < bases.Length; i++) other[^(i + 1)] = Complement(bases[i]);
        return other;
    }

    private static byte Complement(byte b) => b switch
    {
        (byte)'A' => (byte)'T',
        (byte)'C' => (byte)'G',
        (byte)'G' => (byte)'C',
        (byte)'T' => (byte)'A',
        _ => b,
    };
}
