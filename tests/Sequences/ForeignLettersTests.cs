using System.Text;
using Dnabert2.Sequences;
using static Tests.Sequences.SequenceFiles;

namespace Tests.Sequences;

/// <summary>What is spelt with nucleotide letters and is no plain sequence: protein, and DNA as overlapping k-mers.</summary>
public class ForeignLettersTests
{
    // A glycine-rich repeat: R, G, S, Y, D, N, K and H are all letters of nucleotide codes.
    private const string Protein = "DHGNKNHYHRSGYKYGGNKRHGGSGHHGRYSGKGSNYRRGNGGGGGGNSYSYGRRRGGRS";

    [Theory]
    [InlineData(">a\nACGT\n>p\n{0}\n", "record 2 'p', line 3: 34 of 60 letters are codes for several bases (R Y S W K M B D "
        + "H V): this looks like protein")]
    [InlineData("sequence,label\n{0},1\n", "record 1, line 2: 34 of 60 letters")]
    [InlineData("sequence1,sequence2\nACGT,{0}\n", "34 of 60 letters")]
    [InlineData("ACGT\n{0}\n", "record 2, line 2: 34 of 60 letters")]
    [InlineData(">p\nMKRTADVGHS\n", "7 of 10 letters")]
    public void Protein_of_nucleotide_letters_is_refused_under_every_policy(string content, string expected)
    {
        Assert.Equal(34, Protein.Count("RYSWKMBDHV".Contains));
        foreach (AmbiguousBases policy in new[] { AmbiguousBases.Split, AmbiguousBases.Unknown, AmbiguousBases.Drop })
        {
            string text = string.Format(System.Globalization.CultureInfo.InvariantCulture, content, Protein);
            Assert.Contains(
                expected, Assert.Throws<InvalidDataException>(() => ReadAll(text, "x", new() { OnAmbiguous = policy })).Message);
            Assert.Contains(expected, Assert.Throws<InvalidDataException>(
                () =>
                    ReadAll(text.ToLowerInvariant().Replace("sequence", "Sequence"), "x", new() { OnAmbiguous = policy })).Message.Replace(
                "'P'", "'p'"));
        }
    }

    [Fact]
    public void Short_peptides_are_told_by_the_letters_of_the_file()
    {
        string peptides =
            string.Concat(Enumerable.Range(0, 30).Select(i => $">{i}\n{"RKHDSVYMW".Substring(i % 4, 5)}{"GATN"[..(i % 4)]}\n"));
        Assert.Contains("letters of the file are codes", Assert.Throws<InvalidDataException>(() => ReadAll(peptides)).Message);
    }

    [Theory]
    [InlineData("RYSWKMBDHV")]
    [InlineData("RRRRRRRRR")]
    [InlineData("NNNNNNNNNNNNNNNNNNNNNNNNXXXXXXXXXXXXXXXXXXXA")]
    [InlineData("acgtacgtnnnnnnnnnnnnnnnnnnnnnnnnnnnnnn")]
    [InlineData("GTGYCAGCMGCCGCGGTAAGGACTACNVGGGTWTCTAAT")]
    [InlineData("ATGGARCCNYTNTGYAARTGGMGNTAYAAYGAYTGGTAA")]
    public void Degenerate_primers_masked_bases_and_N_are_DNA(string sequence)
    {
        if (sequence.Length == 10) sequence = sequence[..9];
        Assert.Equal(
            sequence.Length, ReadAll($">a\n{sequence}\n>b\nACGTA\n", options: new() { OnAmbiguous = AmbiguousBases.Unknown })[0].Length);
    }

    [Fact]
    public void A_chromosome_that_begins_with_fifty_thousand_N_is_DNA() =>
        Assert.Equal(50_004, ReadAll($">chr20\n{new string('N', 50_000)}acgt\n")[0].Length);

    [Theory]
    [InlineData("sequence\tlabel\n{0}\t1\n"), InlineData("label,sequence\n1,{0}\n"), InlineData("label,sequence\n1,\"{0}\"\n"),
        InlineData("{0}\n"), InlineData(" {0} \nACGT\n")]
    public void Overlapping_kmers_of_tables_and_lines_are_put_together(string layout)
    {
        var random = new Random(4);
        for (int k = 3; k <= 6; k++)
            foreach (int length in new[] { k + 1, k + 2, 40, 700 })
            {
                string bases = string.Concat(Enumerable.Range(0, length).Select(_ => "ACGTN"[random.Next(5)])) + "A";
                string text = string.Format(System.Globalization.CultureInfo.InvariantCulture, layout, Words(bases, k));
                byte[] bytes = Encoding.ASCII.GetBytes(text);
                foreach (Stream stream in new Stream[] { new MemoryStream(bytes), new DripStream(bytes, 5) })
                {
                    using SequenceReader reader = SequenceReader.Open(stream, "x", new() { OnAmbiguous = AmbiguousBases.Unknown });
                    Assert.True(reader.TryRead(out SequenceRecord? record));
                    Assert.Equal(bases, record.Text());
                    Assert.Equal((bases.Count(c => c == 'N'), (long)bases.Length), (record.Ambiguous, record.TotalLength));
                    while (reader.TryRead(out _)) { }
                    Assert.Equal(1, reader.KmersJoined);
                    Assert.Contains("x: 1 sequence was written as overlapping k-mers", reader.Notes().Single());
                }
            }
    }

    [Fact]
    public void Pairs_of_kmers_are_put_together_each_on_its_own()
    {
        SequenceRecord record = Assert.Single(ReadAll($"sequence1,sequence2\n{Words("ACGGTCA", 4)},{Words("TTTTTTT", 6)}\n"));
        Assert.Equal(("ACGGTCA", "TTTTTTT"), (record.Text(), record.SecondText()));
    }

    [Theory]
    [InlineData("ACG CGT GTT TTA ACC", "begins with overlapping 3-mers, and not all that follows goes on with them")]
    [InlineData("ACGTA CGTAC GTAC", "begins with overlapping 5-mers")]
    [InlineData("ACGTA CGTAC GTACG!", "begins with overlapping 5-mers", false)]
    [InlineData("ACG TAC", "byte 0x20 at base 4")]
    [InlineData("AC CG GT", "byte 0x20 at base 3")]
    [InlineData("ACGTACG CGTACGT", "byte 0x20 at base 8")]
    public void What_only_begins_as_kmers_is_refused_and_nobody_is_told_to_remove_the_blanks(
        string line, string expected, bool isGap = true)
    {
        string message = Assert.Throws<InvalidDataException>(() => ReadAll($"sequence\n{line}\n")).Message;
        Assert.Contains(isGap ? expected : "is not a nucleotide", message);
        if (expected.Contains("mers", StringComparison.Ordinal)) Assert.DoesNotContain("remove the blanks", message);
    }

    [Fact]
    public void Kmers_in_Fasta_are_refused_and_blocks_are_not()
    {
        string message = Assert.Throws<InvalidDataException>(() => ReadAll($">a\n{Words("ACGGTCATT", 6)}\n")).Message;
        Assert.Contains(
            "record 1 'a', line 1: each word of 6 letters repeats all but one of those before: these are overlapping k-mers", message);
        Assert.Contains("overlapping k-mers", Assert.Throws<InvalidDataException>(() => ReadAll(">a\nACGG CGGT\nGGTC GTCA\n")).Message);
        Assert.Equal(["ACGACGGTA", "ATGGCCTTT"], ReadAll(">a\nACGACGGTA\n>b\nATG GCC TTT\n").Select(r => r.Text()));
        Assert.Equal("ACGTACGTACGTACGTACGTAC", ReadAll(">a\nACGTACGTAC GTACGTACGT\nAC\n")[0].Text());
    }

    private static string Words(string bases, int k) =>
        string.Join(' ', Enumerable.Range(0, bases.Length - k + 1).Select(i => bases.Substring(i, k)));
}
