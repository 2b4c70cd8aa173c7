using System.Numerics;

namespace Dnabert2.Sequences;

/// <summary>
/// The alphabet: A C G T, U read as T, either case; N, X (masked) and the IUPAC codes R Y S W K M B D H V read as N.
/// Codes: IUPAC-IUB 1984 (Cornish-Bowden, Nucleic Acids Res. 13, 1985).
/// </summary>
internal static class Nucleotides
{
    private const byte CaseBit = 0x20;

    // The place of a letter is the set of bases it stands for: A is 1, C 2, G 4, T 8.
    private static ReadOnlySpan<byte> BySet => "-ACMGRSVTWYHKDBN"u8;

    /// <summary>The cleaned letter of each byte; 0 where the byte is no nucleotide.</summary>
    private static readonly byte[] Cleaned = BuildTable(keepCodes: false);

    /// <summary>The same where ambiguity codes are kept.</summary>
    private static readonly byte[] CleanedWithCodes = BuildTable(keepCodes: true);

    private static readonly byte[] Complements = BuildComplements();

    /// <summary>
    /// Cleans letters into the same positions of <paramref name="target"/> up to the first byte that is no nucleotide, and
    /// returns how many that are; <paramref name="ambiguous"/> is the number of letters written that are no A, C, G or T: N, and the IUPAC
    /// codes where they are kept; <paramref name="codes"/> is how many of them were codes for two or three bases.
    /// </summary>
    public static int Clean(ReadOnlySpan<byte> source, Span<byte> target, out int ambiguous, out int codes, bool keepCodes = false)
    {
        byte[] table = keepCodes ? CleanedWithCodes : Cleaned;
        ambiguous = codes = 0;
        target = target[..source.Length];
        int width = Vector<byte>.Count, last = source.Length - width;
        var fold = new Vector<byte>(0xFF & ~CaseBit);
        Vector<byte> a = new((byte)'A'), c = new((byte)'C'), g = new((byte)'G'), t = new((byte)'T');
        for (int i = 0; i < source.Length;)
        {
            // The last block overlaps the one before; only plain bases are written twice, and to the same values.
            int at = Math.Min(i, last);
            if (at >= 0)
            {
                Vector<byte> letters = new Vector<byte>(source[at..]) & fold;
                Vector<byte> plain = Vector.Equals(letters, a) | Vector.Equals(letters, c)
                    | Vector.Equals(letters, g) | Vector.Equals(letters, t);
                if (Vector.EqualsAll(plain, Vector<byte>.AllBitsSet))
                {
                    letters.CopyTo(target[at..]);
                    i = at + width;
                    continue;
                }
            }
            for (int stop = Math.Min(source.Length, i + width); i < stop; i++)
            {
                byte letter = table[source[i]];
                if (letter == 0) return i;
                target[i] = letter;
                if (letter is (byte)'A' or (byte)'C' or (byte)'G' or (byte)'T') continue;
                ambiguous++;
                if (IsCode(source[i])) codes++;
            }
        }
        return source.Length;
    }

    /// <summary>Whether a letter that becomes N says more than N: it stands for two or three bases.</summary>
    private static bool IsCode(byte letter) => (letter | CaseBit) is not ('n' or 'x');

    /// <summary>The position of the first letter that becomes N, or -1.</summary>
    public static int IndexOfAmbiguous(ReadOnlySpan<byte> source)
    {
        for (int i = 0; i < source.Length; i++)
            if (Cleaned[source[i]] == 'N') return i;
        return -1;
    }

    /// <summary>Whether every byte is a nucleotide letter or blank.</summary>
    public static bool AreAll(ReadOnlySpan<byte> text)
    {
        foreach (byte b in text)
            if (Cleaned[b] == 0 && b is not ((byte)' ' or (byte)'\t' or (byte)'\r')) return false;
        return true;
    }

    /// <summary>The set of bases that a cleaned letter stands for, as four bits: A is 1, C 2, G 4, T 8.</summary>
    public static int SetOf(byte letter) => BySet.IndexOf(letter);

    /// <summary>The letter that stands for a set of bases.</summary>
    public static byte LetterOf(int set) => BySet[set];

    /// <summary>Makes cleaned letters those of the other strand, read in its own direction; what is no such letter stays.</summary>
    public static void TurnInPlace(Span<byte> letters)
    {
        letters.Reverse();
        foreach (ref byte letter in letters) letter = Complements[letter];
    }

    private static byte[] BuildComplements()
    {
        byte[] table = [.. Enumerable.Range(0, 256).Select(letter => (byte)letter)];
        for (int set = 1; set < 16; set++)
        {
            // A and T, C and G: the set read from its other end.
            int other = ((set & 1) << 3) | ((set & 2) << 1) | ((set & 4) >> 1) | ((set & 8) >> 3);
            table[BySet[set]] = BySet[other];
        }

        return table;
    }

    private static byte[] BuildTable(bool keepCodes)
    {
        byte[] table = new byte[256];
        void Add(ReadOnlySpan<byte> letters, char cleaned)
        {
            foreach (byte letter in letters) table[letter] = table[letter | CaseBit] = cleaned == 0 ? letter : (byte)cleaned;
        }
        Add("ACGT"u8, '\0');
        Add("U"u8, 'T');
        Add("NX"u8, 'N');
        Add("RYSWKMBDHV"u8, keepCodes ? '\0' : 'N');
        return table;
    }
}
