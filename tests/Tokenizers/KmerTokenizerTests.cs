using System.Text;
using Dnabert2.Tokenizers;
using FsCheck;
using FsCheck.Fluent;

namespace Tests.Tokenizers;

public class KmerTokenizerTests
{
    [Fact]
    public void Overlapping_kmers_begin_at_each_base()
    {
        (int[] ids, int[] starts, string[] tokens) = Encode(new KmerTokenizer(3, overlapping: true), "ACGTA");
        Assert.Equal(["ACG", "CGT", "GTA"], tokens);
        Assert.Equal([0, 1, 2], starts);
        Assert.Equal([5 + 0b000110, 5 + 0b011011, 5 + 0b101100], ids);
    }

    [Fact]
    public void Kmers_one_after_the_other_leave_a_remainder_that_is_unknown()
    {
        (_, int[] starts, string[] tokens) = Encode(new KmerTokenizer(4, overlapping: false), "ACGTTTTTGG");
        Assert.Equal(["ACGT", "TTTT", "[UNK]"], tokens);
        Assert.Equal([0, 4, 8], starts);
    }

    [Theory]
    [InlineData(true, "ACGNTACG", "ACG [UNK] [UNK] [UNK] TAC ACG")]
    [InlineData(false, "ACGNTACGT", "ACG [UNK] CGT")]
    [InlineData(true, "AC", "[UNK]")]
    [InlineData(false, "AC", "[UNK]")]
    [InlineData(true, "acgt", "[UNK] [UNK]")]
    [InlineData(true, "", "")]
    [InlineData(false, "", "")]
    public void A_kmer_with_an_unknown_character_is_unknown_and_so_is_a_short_sequence(bool overlapping, string sequence, string expected)
        => Assert.Equal(expected, string.Join(' ', Encode(new KmerTokenizer(3, overlapping), sequence).Tokens));

    [Theory]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    public void Ids_and_tokens_are_one_to_one_in_alphabetical_order(int k)
    {
        var t = new KmerTokenizer(k, overlapping: true);
        Assert.Equal(5 + (int)Math.Pow(4, k), t.VocabularySize);
        string[] tokens = [.. Enumerable.Range(0, t.VocabularySize).Select(t.Token)];
        Assert.Equal(["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"], tokens[..5]);
        Assert.Equal(tokens[5..].Order(StringComparer.Ordinal), tokens[5..]);
        Assert.Equal(tokens.Length, tokens.Distinct().Count());
        Assert.All(Enumerable.Range(0, t.VocabularySize), id => Assert.Equal(id, t.Id(tokens[id])));
        Assert.Throws<ArgumentException>(() => t.Id(new string('A', k - 1)));
        Assert.Throws<ArgumentException>(() => t.Id(new string('N', k)));
        Assert.Throws<ArgumentException>(() => t.Id(""));
        Assert.Throws<ArgumentOutOfRangeException>(() => t.Token(t.VocabularySize));
        Assert.Throws<ArgumentOutOfRangeException>(() => t.Token(-1));
    }

    [Fact]
    public void Decoding_gives_back_every_base_a_known_kmer_covers()
    {
        Gen<string> sequences = Gen.Elements('A', 'C', 'G', 'T', 'A', 'C', 'G', 'T', 'N').ListOf().Select(c => string.Concat(c));
        Gen<(string, int, bool)> cases = from s in sequences
                                         from k in Gen.Choose(3, 6)
                                         from o in Gen.Elements(
            true, false)
                                         select (s, k, o);
        Prop.ForAll(cases.ToArbitrary(), c =>
        {
            (string sequence, int k, bool overlapping) = c;
            var t = new KmerTokenizer(k, overlapping);
            (int[] ids, int[] starts, _) = Encode(t, sequence);
            string decoded = t.Decode([KmerTokenizer.ClsId, .. ids, KmerTokenizer.SepId]);
            var expected = new StringBuilder(new string('N', decoded.Length));
            for (int i = 0; i < ids.Length; i++)
            {
                bool known = starts[i] + k <= sequence.Length && !sequence.AsSpan(starts[i], k).Contains('N');
                Assert.Equal(known, ids[i] != KmerTokenizer.UnknownId);
                for (int j = 0; known && j < k; j++) expected[starts[i] + j] = sequence[starts[i] + j];
            }
            Assert.Equal(expected.ToString(), decoded);
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(7)]
    public void A_length_outside_3_to_6_is_refused(int k) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => new KmerTokenizer(k, overlapping: true));

    private static (int[] Ids, int[] Starts, string[] Tokens) Encode(KmerTokenizer t, string sequence)
    {
        List<int> ids = [], starts = [];
        t.EncodeSequence(Encoding.ASCII.GetBytes(sequence), ids, starts);
        return ([.. ids], [.. starts], [.. ids.Select(t.Token)]);
    }
}
