using System.Text;
using Dnabert2.Sequences;

namespace Tests.Sequences;

public class NucleotidesTests
{
    private const string Known = "ACGTUacgtu";
    private const string Ambiguous = "NXRYSWKMBDHVnxryswkmbdhv";

    [Fact]
    public void Every_byte_value_is_a_base_an_N_or_refused()
    {
        for (int value = 0; value < 256; value++)
        {
            byte[] cleaned = new byte[1];
            int count = Nucleotides.Clean([(byte)value], cleaned, out int ambiguous, out int codes);
            char letter = (char)value;
            string expected = Known.Contains(letter) ? char.ToUpperInvariant(letter).ToString().Replace('U', 'T')
                : Ambiguous.Contains(letter) ? "N"
                : "";
            Assert.Equal(expected, Encoding.ASCII.GetString(cleaned, 0, count));
            Assert.Equal(expected == "N" ? 1 : 0, ambiguous);
            Assert.Equal(expected == "N" && letter is not ('N' or 'n' or 'X' or 'x') ? 1 : 0, codes);
        }
    }

    [Fact]
    public void Every_length_is_cleaned_whole_and_nothing_is_written_behind_it()
    {
        var random = new Random(1);
        for (int length = 0; length <= 300; length++)
            foreach (string alphabet in new[] { "ACGTacgt", Known, Known + Ambiguous })
            {
                byte[] source = [.. Enumerable.Range(0, length).Select(_ => (byte)alphabet[random.Next(alphabet.Length)])];
                byte[] target = new byte[length + 64];
                Assert.Equal(length, Nucleotides.Clean(source, target, out int ambiguous, out int codes));
                Assert.Equal(source.Count(b => Ambiguous.Contains((char)b) && !"NXnx".Contains((char)b)), codes);
                Assert.Equal(Naive(source), Encoding.ASCII.GetString(target, 0, length));
                Assert.Equal(source.Count(b => Ambiguous.Contains((char)b)), ambiguous);
                Assert.All(target[length..], b => Assert.Equal(0, b));
            }
    }

    [Theory]
    [InlineData('\0'), InlineData('\n'), InlineData('-'), InlineData('E'), InlineData('\x81'), InlineData('\xC1'), InlineData('!')]
    public void A_letter_that_is_no_nucleotide_is_found_wherever_it_stands(char odd)
    {
        for (int length = 1; length <= 140; length++)
            for (int at = 0; at < length; at++)
            {
                byte[] source = Encoding.ASCII.GetBytes(new string('t', length));
                source[at] = (byte)odd;
                byte[] target = new byte[length];
                Assert.Equal(at, Nucleotides.Clean(source, target, out _, out _));
                Assert.Equal(new string('T', at), Encoding.ASCII.GetString(target, 0, at));
            }
    }

    [Theory]
    [InlineData("", ""), InlineData("N", ""), InlineData("ACGT", "0+4"), InlineData("NNACGNTN", "2+3 6+1"), InlineData("ANNNNC", "0+1 5+1")]
    [InlineData("acRGT", "3+2")]
    public void A_sequence_is_cut_at_every_letter_other_than_A_C_G_T(string sequence, string expected)
    {
        var found = new List<string>();
        foreach (SequenceFragment fragment in SequenceFragments.Split(Encoding.ASCII.GetBytes(sequence)))
            found.Add($"{fragment.Start}+{fragment.End - fragment.Start}");
        Assert.Equal(expected, string.Join(' ', found));
    }

    [Fact]
    public void A_whole_sequence_is_one_fragment_and_an_empty_one_none()
    {
        int count = 0;
        foreach (SequenceFragment fragment in SequenceFragments.Whole("ANC"u8))
        {
            Assert.Equal(new SequenceFragment(0, 3), fragment);
            count++;
        }
        Assert.Equal(1, count);
        foreach (SequenceFragment _ in SequenceFragments.Whole([])) Assert.Fail("an empty sequence has no fragment");
    }

    private static string Naive(byte[] source) => string.Concat(source.Select(b =>
        Ambiguous.Contains((char)b) ? 'N' : char.ToUpperInvariant((char)b) is var c && c == 'U' ? 'T' : c));
}
