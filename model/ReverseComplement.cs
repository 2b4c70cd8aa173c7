using Dnabert2.Sequences;

namespace Dnabert2;

/// <summary>The other strand of a sequence, read in its own direction.</summary>
internal static class ReverseComplement
{
    /// <summary>The reverse complement of bases; N stays N, and codes of several bases become those of the others.</summary>
    public static byte[] Of(ReadOnlySpan<byte> bases)
    {
        byte[] other = bases.ToArray();
        Nucleotides.TurnInPlace(other);
        return other;
    }
}
