using System.Text;
using Conformance.Cases;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;

namespace Tests.Interpretation;

/// <summary>One variant has one score however it is written.</summary>
public class EquivalentVariantTests(SmallModels small) : IClassFixture<SmallModels>
{
    // Repeats of one, two, three and seven bases, at the beginning, in the middle, beside N and at the end.
    private const string Repeats =
        "AAAAAACACACACATGATGATGATGCCCCCCCGTTGGATTACAGATTACAGATTACAGGGNNNNGGGGTCAAAAAATCTCTCTCTCTCTGACGACGACTTTTTTTT";

    /// <summary>Spellings, and what <c>bcftools norm</c> 1.16 makes of them.</summary>
    public static TheoryData<long, string, string, long, string, string> Norm => new()
    {
        { 6, "A", "AA", 1, "A", "AA" },
        { 5, "AA", "A", 1, "AA", "A" },
        { 1, "AAAAAAC", "C", 1, "AAAAAAC", "C" },
        { 11, "CAC", "C", 5, "AAC", "A" },
        { 14, "ATGA", "ACATGA", 5, "A", "AAC" },
        { 22, "GATG", "G", 13, "CATG", "C" },
        { 26, "CC", "ATGCC", 13, "C", "CATG" },
        { 44, "GATTACAGATTACA", "GATTACA", 36, "GGATTACA", "G" },
        { 57, "AG", "AGGATTACA", 58, "G", "GGATTACA" },
        { 66, "GGG", "G", 64, "NGG", "N" },
        { 68, "G", "GG", 64, "N", "NG" },
        { 64, "NGGGGTCA", "NGGGGCA", 68, "GT", "G" },
        { 95, "CGACTTTT", "CGACACGTTTT", 98, "C", "CACG" },
        { 103, "TTTT", "T", 98, "CTTT", "C" },
        { 106, "T", "TTT", 98, "C", "CTT" },
        { 1, "AAA", "A", 1, "AAA", "A" },
        { 6, "A", "AAC", 6, "A", "AAC" },
        { 31, "CCG", "CTG", 32, "C", "T" },
        { 69, "TCA", "TGGA", 70, "C", "GG" },
        { 33, "GTTGG", "ATTGC", 33, "GTTGG", "ATTGC" },
        { 1, Repeats, Repeats[..^1], 98, "CT", "C" },
        { 31, "ccG", "cTg", 32, "C", "T" },
    };

    [Theory]
    [MemberData(nameof(Norm))]
    public void The_form_of_a_variant_is_that_of_bcftools(
        long position, string reference, string alternative, long place, string before, string after)
    {
        Variant written = new(7, "r", position, "x", reference, alternative);
        VariantScore score = Score(small.PreTrained(), $">r\n{Repeats}\n", [written]).Single();
        Assert.Equal((VariantStatus.Scored, ""), (score.Status, score.Reason));
        Assert.Equal(written, score.Variant);
        Assert.Equal(new Variant(7, "r", place, "x", before, after), score.Normalized);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Random_variants_have_one_score_to_the_bit_in_every_spelling(bool bothStrands)
    {
        // Much of the sequence is repeated, so that insertions and deletions can be moved.
        string dna = SmallModels.Dna(21, 90) + string.Concat(Enumerable.Repeat("CAG", 14)) + SmallModels.Dna(22, 40)
            + new string('A', 30) + SmallModels.Dna(23, 40) + string.Concat(Enumerable.Repeat("GATTACA", 7));
        var random = new Random(3);
        var spellings = new List<Variant>();
        for (int line = 1; line <= 60; line++)
        {
            (int start, string reference, string alternative) = Change(dna, random);
            string changed = dna[..start] + alternative + dna[(start + reference.Length)..];
            if (changed == dna) continue;
            for (int i = 0; i < 5; i++) spellings.Add(Spelling(line, dna, changed, random));
        }

        Variant[] shuffled = [.. spellings.OrderBy(_ => random.Next())];
        var options = new VariantOptions { Window = 48, BatchTokens = 300, AverageReverseComplement = bothStrands };
        var scorer = new VariantScorer(small.FineTuned(TaskKind.SingleLabel), GenomeTests.Of($">r\n{dna}\n"), options);
        int several = 0;
        foreach (IGrouping<long, VariantScore> one in scorer.Score(shuffled).GroupBy(score => score.Variant.Line))
        {
            Assert.All(one, score => Assert.Equal(VariantStatus.Scored, score.Status));
            Assert.Single(one.Select(Numbers).Distinct());
            several += one.Select(score => (score.Variant.Position, score.Variant.Reference)).Distinct().Count() > 1 ? 1 : 0;
        }

        Assert.True(several > 40, $"{several} variants with more than one spelling");
    }

    [Fact]
    public void An_allele_of_a_line_with_several_has_the_score_it_has_alone()
    {
        string dna = SmallModels.Dna(24, 100);
        string reference = dna[49..55], deleted = string.Concat(dna.AsSpan(49, 2), dna.AsSpan(53, 2));
        string changed = (reference[0] == 'A' ? "C" : "A") + reference[1..];
        VariantScore[] scores = Score(small.PreTrained(), $">r\n{dna}\n", [
            new(1, "r", 50, ".", reference, changed), new(1, "r", 50, ".", reference, deleted),
            new(2, "r", 50, ".", reference[..1], changed[..1]), new(3, "r", 51, ".", dna.Substring(50, 3), dna.Substring(50, 1))]);
        Assert.Equal(Numbers(scores[2]), Numbers(scores[0]));
        Assert.Equal(Numbers(scores[3]), Numbers(scores[1]));
    }

    [Fact]
    public void Letters_that_both_alleles_share_may_be_more_than_the_window_and_may_be_unknown()
    {
        string dna = SmallModels.Dna(25, 60) + "NN" + SmallModels.Dna(26, 140);
        string change = dna[100] == 'A' ? "C" : "A";
        VariantScore[] scores = Score(small.PreTrained(), $">r\n{dna}\n", [
            new(1, "r", 101, ".", dna.Substring(100, 1), change),
            new(2, "r", 51, ".", dna[50..], dna[50..100] + change + dna[101..])]);
        Assert.Equal(Numbers(scores[0]), Numbers(scores[1]));
        Assert.Equal(VariantStatus.Scored, scores[1].Status);
    }

    [Theory]
    [InlineData('R', "AG")]
    [InlineData('Y', "CT")]
    [InlineData('S', "CG")]
    [InlineData('W', "AT")]
    [InlineData('K', "GT")]
    [InlineData('M', "AC")]
    [InlineData('B', "CGT")]
    [InlineData('D', "AGT")]
    [InlineData('H', "ACT")]
    [InlineData('V', "ACG")]
    [InlineData('N', "")]
    [InlineData('X', "")]
    public void A_reference_base_agrees_with_a_code_that_allows_it_and_is_what_is_scored(char code, string allowed)
    {
        string dna = SmallModels.Dna(27, 90);
        foreach (char lower in (char[])[code, char.ToLowerInvariant(code)])
        {
            string genome = $">r\n{dna[..40]}{lower}{dna[41..]}\n";
            foreach (char b in "ACGT")
            {
                string known = $">r\n{dna[..40]}{b}{dna[41..]}\n", change = b == 'A' ? "C" : "A";
                // Alone, and inside a longer allele all of whose bases are replaced.
                Variant[] variants =
                [
                    new(1, "r", 41, ".", $"{b}", change),
                    new(2, "r", 40, ".", $"{dna[39]}{b}{dna[41]}", $"{Other(dna[39])}{Other(b)}{Other(dna[41])}"),
                ];
                VariantScore[] found = Score(small.PreTrained(), genome, variants), expected = Score(small.PreTrained(), known, variants);
                for (int i = 0; i < 2; i++)
                {
                    if (allowed.Contains(b)) Assert.Equal(Numbers(expected[i]), Numbers(found[i]));
                    else Assert.Equal(VariantStatus.ReferenceMismatch, found[i].Status);
                }
            }
        }
    }

    [Fact]
    public void A_code_beside_the_change_is_unknown_whether_or_not_the_alleles_are_written_over_it()
    {
        string dna = SmallModels.Dna(28, 90);
        char change = dna[40] == 'A' ? 'C' : 'A', there = dna[41] is 'A' or 'G' ? dna[41] : 'A';
        string genome = $">r\n{dna[..41]}R{dna[42..]}\n";
        VariantScore[] scores = Score(small.PreTrained(), genome, [
            new(1, "r", 41, ".", $"{dna[40]}", $"{change}"), new(2, "r", 41, ".", $"{dna[40]}{there}", $"{change}{there}")]);
        Assert.Equal(Numbers(scores[0]), Numbers(scores[1]));
        Assert.Equal(1, scores[0].UnknownBases);
        VariantScore unknown = Score(
            small.PreTrained(), $">r\n{dna[..41]}N{dna[42..]}\n", [new(1, "r", 41, ".", $"{dna[40]}", $"{change}")]).Single();
        Assert.Equal(Numbers(unknown), Numbers(scores[0]));
    }

    [Theory]
    [InlineData("TTTTTAAAARAAAACCCC", 14, "AC", "C", 10, "RA", "R")]
    [InlineData("TTTTTAAAANAAAACCCC", 14, "AC", "C", 10, "NA", "N")]
    [InlineData("TTTTTAAAARAAAACCCC", 9, "AA", "A", 5, "TA", "T")]
    public void A_deletion_is_not_moved_over_a_letter_that_is_not_one_base(
        string dna, long position, string reference, string alternative, long place, string before, string after)
    {
        string fasta = $">r\n{SmallModels.Dna(29, 50)}{dna}{SmallModels.Dna(30, 50)}\n";
        Variant form = Score(small.PreTrained(), fasta, [new(1, "r", 50 + position, ".", reference, alternative)]).Single().Normalized!;
        // The letter before is shown as N where the genome does not know it.
        Assert.Equal((50 + place, before.Replace('R', 'N'), after.Replace('R', 'N')), (form.Position, form.Reference, form.Alternative));
    }

    [Theory]
    [InlineData("A", "A")]
    [InlineData("ac", "AC")]
    [InlineData("N", "n")]
    public void Alleles_that_are_the_same_change_nothing_and_that_is_said(string reference, string alternative)
    {
        VariantScore score = Score(small.PreTrained(), ">r\nACGTACGTACGT\n", [new(1, "r", 1, ".", reference, alternative)]).Single();
        Assert.Equal((VariantStatus.NoAlternative, "both alleles are the same: nothing changes"), (score.Status, score.Reason));
    }

    [Fact]
    public void Empty_alleles_are_what_is_left_of_longer_ones_and_a_whole_sequence_may_be_deleted()
    {
        string dna = SmallModels.Dna(31, 40);
        VariantScore[] scores = Score(small.PreTrained(), $">r\n{dna}\n", [
            new(1, "r", 11, ".", dna.Substring(10, 2), ""), new(2, "r", 10, ".", dna.Substring(9, 3), dna.Substring(9, 1)),
            new(3, "r", 21, ".", "", "GATTACA"), new(4, "r", 20, ".", dna.Substring(19, 1), dna[19] + "GATTACA"),
            new(5, "r", 1, ".", dna, ""), new(6, "r", 1, ".", dna, dna[^1..])]);
        Assert.All(scores, score => Assert.Equal(VariantStatus.Scored, score.Status));
        Assert.Equal(Numbers(scores[1]), Numbers(scores[0]));
        Assert.Equal(Numbers(scores[3]), Numbers(scores[2]));
        Assert.All(scores, score => Assert.True(double.IsFinite(score.EuclideanDistance) && double.IsFinite(score.LikelihoodChange)));
    }

    private static char Other(char b) => b switch { 'A' => 'C', 'C' => 'G', 'G' => 'T', _ => 'A' };

    private static string Numbers(VariantScore score)
    {
        double[] numbers = [score.CosineDistance, score.EuclideanDistance, score.LikelihoodChange, score.UnknownBases,
            .. score.Probabilities, .. score.ProbabilityChanges];
        return $"{string.Join(' ', numbers.Select(BitConverter.DoubleToInt64Bits))} {score.Normalized!.Position} "
            + $"{score.Normalized.Reference} {score.Normalized.Alternative}";
    }

    private static VariantScore[] Score(InterpretedModel model, string fasta, Variant[] variants) =>
        [.. new VariantScorer(model, GenomeTests.Of(fasta), new VariantOptions { Window = 64, BatchTokens = 500 }).Score(variants)];

    /// <summary>A substitution of one or several bases, an insertion that may repeat what is there, a deletion, or both.</summary>
    private static (int Start, string Reference, string Alternative) Change(string dna, Random random)
    {
        int start = random.Next(dna.Length - 8), length = "11237"[random.Next(5)] - '0';
        string there = dna.Substring(start, length), other = SmallModels.Dna(random.Next(1000), length);
        return random.Next(4) switch
        {
            0 => (start, there, other),
            1 => (start, "", random.Next(2) == 0 ? there : other),
            2 => (start, there, ""),
            _ => (start, there, other[1..] + "T")
        };
    }

    /// <summary>
    /// Some spelling of the change from one whole sequence to the other: where they differ, seen from the left or from the right, with more
    /// or fewer bases around it, in either case.
    /// </summary>
    private static Variant Spelling(long line, string before, string after, Random random)
    {
        int least = Math.Min(before.Length, after.Length), begin = 0, end = 0;
        if (random.Next(2) == 0)
        {
            while (begin < least && before[begin] == after[begin]) begin++;
            while (end < least - begin && before[^(end + 1)] == after[^(end + 1)]) end++;
        }
        else
        {
            while (end < least && before[^(end + 1)] == after[^(end + 1)]) end++;
            while (begin < least - end && before[begin] == after[begin]) begin++;
        }

        begin = Math.Max(0, begin - random.Next(12));
        end = Math.Max(0, end - random.Next(12));
        if (begin == before.Length - end || begin == after.Length - end) _ = begin > 0 ? begin-- : end--;
        string reference = before[begin..^end], alternative = after[begin..^end];
        return random.Next(3) == 0
            ? new Variant(line, "r", begin + 1, ".", reference.ToLowerInvariant(), alternative.ToLowerInvariant())
            : new Variant(line, "r", begin + 1, ".", reference, alternative);
    }
}
