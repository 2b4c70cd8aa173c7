using Dnabert2.Interpretation;
using Dnabert2.Sequences;

namespace Tests.Interpretation;

/// <summary>Symbolic alleles have the scores of the alleles they stand for, written out.</summary>
public sealed class SymbolicVariantTests(SmallModels small) : IClassFixture<SmallModels>
{
    private static readonly string One = SmallModels.Dna(61, 200) + "NN" + SmallModels.Dna(62, 100) + "ACGT" + SmallModels.Dna(63, 94);

    /// <summary>A position, an allele, its length, and how the length is given.</summary>
    public static TheoryData<int, string, int, string> Events
    {
        get
        {
            var data = new TheoryData<int, string, int, string>();
            foreach (string allele in (string[])["<DEL>", "<DEL:ME:ALU>", "<DUP>", "<DUP:TANDEM>", "<INV>"])
                foreach (string given in (string[])["END", "SVLEN", "-SVLEN", "both", "0"])
                {
                    data.Add(100, allele, 12, given);
                    data.Add(1, allele, 3, given);
                    data.Add(140, allele, 1 + (allele == "<INV>" ? 30 : 0), given);
                    data.Add(379, allele, 21, given);
                }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Events))]
    public void An_event_has_the_score_of_its_alleles_written_out(int position, string allele, int length, string given)
    {
        string before = One.Substring(position - 1, 1), event_ = One.Substring(position, length);
        string after = allele[1..4] switch
        {
            "DEL" => "",
            "DUP" => event_ + event_,
            _ => Tests.Field.StrandTests.Turned(event_),
        };
        Variant symbolic = new(1, "one", position, ".", position % 2 == 0 ? "N" : before, allele)
        {
            End = given is "SVLEN" or "-SVLEN" ? null : position + length,
            Length = given switch { "END" => null, "-SVLEN" => -length, "0" => 0, _ => length },
        };
        VariantScore[] scores = [.. Scorer().Score([symbolic, new(1, "one", position, ".", before + event_, before + after)])];
        Assert.Equal([VariantStatus.Scored, VariantStatus.Scored], scores.Select(s => s.Status));
        Assert.Equal(scores[1].Normalized, scores[0].Normalized);
        Assert.Equal(scores[1].LikelihoodChange, scores[0].LikelihoodChange);
        Assert.Equal(scores[1].EuclideanDistance, scores[0].EuclideanDistance);
        Assert.NotEqual(0, scores[0].EuclideanDistance);
        Assert.Equal(symbolic, scores[0].Variant);
    }

    public static TheoryData<int, string, long?, long?, VariantStatus, string> LeftOut => new()
    {
        { 10, "<DEL>", null, null, VariantStatus.Symbolic, "the allele <DEL> is symbolic: its bases are not given: the line has neither" },
        { 10, "<INS>", 30, 20, VariantStatus.Symbolic, "the allele <INS> is symbolic: its bases are not given" },
        { 10, "<CNV>", 30, 20, VariantStatus.Symbolic, "symbolic" },
        { 10, "<DUP:DISPERSED>", 30, 20, VariantStatus.Symbolic, "symbolic" },
        { 10, "<DEL>", 10, null, VariantStatus.Symbolic, "END is 10, and that is not after its position 10" },
        { 10, "<INV>", 3, 0, VariantStatus.Symbolic, "END is 3" },
        { 10, "<DEL>", 20, 11, VariantStatus.Symbolic, "END is 20 and SVLEN 11, and both cannot be: it would end at 21" },
        { 10, "<DEL>", 75, null, VariantStatus.TooLong, "a deletion of 65 bases does not fit into a window of 64" },
        { 10, "<DUP>", null, 300, VariantStatus.TooLong, "a duplication of 300 bases does not fit into a window of 64" },
        { 100, "<DEL>", 164, null, VariantStatus.TooLong, "a deletion of 65 bases" },
        { 10, "<DEL>", 401, null, VariantStatus.OutOfRange, "one has 400 bases, the deletion would lie at 11 to 401" },
        { 10, "<DEL>", long.MaxValue, null, VariantStatus.OutOfRange, "one has 400 bases" },
        { 10, "<DEL>", null, long.MinValue, VariantStatus.OutOfRange, "one has 400 bases" },
        { 0, "<DEL>", 10, null, VariantStatus.OutOfRange, "the reference allele would lie at 0 to 0" },
        { 190, "<DEL>", 203, null, VariantStatus.NotBases, "the genome has other letters than A, C, G, T in the deletion, one:191-203" },
        { 302, "<INV>", 306, null, VariantStatus.NoAlternative, "their own reverse complement" },
    };

    [Theory]
    [MemberData(nameof(LeftOut))]
    public void What_cannot_be_made_from_the_genome_says_why(
        int position, string allele, long? end, long? length, VariantStatus status, string reason)
    {
        string reference = position == 0 ? "N" : One.Substring(position - 1, 1);
        VariantScore score = Scorer().Score([new(1, "one", position, ".", reference, allele) { End = end, Length = length }]).Single();
        Assert.Equal(status, score.Status);
        Assert.Contains(reason, score.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public void The_base_before_an_event_has_to_be_that_of_the_genome()
    {
        string other = One[9] == 'A' ? "C" : "A";
        VariantScore score = Scorer().Score([new(1, "one", 10, ".", other, "<DEL>") { End = 15 }]).Single();
        Assert.Equal(VariantStatus.ReferenceMismatch, score.Status);
        Assert.True(score.ContradictsGenome);
    }

    private VariantScorer Scorer() =>
        new(small.PreTrained(), GenomeTests.Of($">one\n{One}\n"), new VariantOptions { Window = 64 });
}
