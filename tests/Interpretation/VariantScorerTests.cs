using System.Text;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;

namespace Tests.Interpretation;

public class VariantScorerTests(SmallModels small) : IClassFixture<SmallModels>
{
    private static readonly string One = SmallModels.Dna(1, 400), Seven = SmallModels.Dna(2, 120) + "NNNNNN" + SmallModels.Dna(3, 74);

    public static TheoryData<string, long, string, string> Changes => new()
    {
        { "one", 200, One.Substring(199, 1), One[199] == 'A' ? "G" : "A" },
        { "one", 1, One[..1], One[0] == 'C' ? "T" : "C" },
        { "one", 400, One[^1..], One[^1] == 'C' ? "T" : "C" },
        { "one", 150, One.Substring(149, 1), $"{One[149]}GATTACA" },
        { "one", 150, One.Substring(149, 9), One.Substring(149, 1) },
        { "one", 393, One.Substring(392, 8), One.Substring(392, 1) },
        { "one", 300, One.Substring(299, 3).ToLowerInvariant(), "ttttt" },
        { "chr7", 118, Seven.Substring(117, 1), Seven[117] == 'A' ? "G" : "A" },
    };

    [Theory]
    [MemberData(nameof(Changes))]
    public void A_variant_has_the_scores_of_its_two_windows_alone(string chromosome, long position, string reference, string alternative)
    {
        (string before, string after) = Windows(chromosome, position, reference, alternative, 64);
        VariantScore score = Score(new InterpretedModel(small.Model, TaskKind.SingleLabel, ["none", "weak", "strong"], null),
            [new(1, chromosome, position, ".", reference, alternative)]).Single();
        Assert.Equal((VariantStatus.Scored, ""), (score.Status, score.Reason));
        double[] a = small.Plain.Mean(before), b = small.Plain.Mean(after);
        Assert.Equal(Math.Sqrt(a.Zip(b, (x, y) => (x - y) * (x - y)).Sum()), score.EuclideanDistance, 1e-5);
        double cosine = a.Zip(b, (x, y) => x * y).Sum() / Math.Sqrt(a.Sum(x => x * x) * b.Sum(x => x * x));
        Assert.Equal(1 - cosine, score.CosineDistance, 1e-5);
        (double without, double with) = small.Plain.LogLikelihoods(before, after);
        Assert.Equal(with - without, score.LikelihoodChange, 1e-5);
        double[] p = Softmax(small.Plain.Logits(before)), q = Softmax(small.Plain.Logits(after));
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(p[i], score.Probabilities[i], 1e-5);
            Assert.Equal(q[i] - p[i], score.ProbabilityChanges[i], 1e-5);
        }

        Assert.Equal(before.Count(c => c == 'N'), score.UnknownBases);
    }

    [Theory]
    [MemberData(nameof(Changes))]
    public void Of_both_strands_the_score_is_that_of_averaged_vectors_probabilities_and_likelihoods(
        string chromosome, long position, string reference, string alternative)
    {
        (string before, string after) = Windows(chromosome, position, reference, alternative, 64);
        string turnedBefore = Turned(before), turnedAfter = Turned(after);
        var options = new VariantOptions { Window = 64, AverageReverseComplement = true };
        VariantScore score = new VariantScorer(small.FineTuned(TaskKind.SingleLabel), Genome(), options)
            .Score([new(1, chromosome, position, ".", reference, alternative)]).Single();
        double[] a = Average(small.Plain.Mean(before), small.Plain.Mean(turnedBefore)),
            b = Average(small.Plain.Mean(after), small.Plain.Mean(turnedAfter));
        Assert.Equal(Math.Sqrt(a.Zip(b, (x, y) => (x - y) * (x - y)).Sum()), score.EuclideanDistance, 1e-5);
        Assert.Equal(1 - (a.Zip(b, (x, y) => x * y).Sum() / Math.Sqrt(a.Sum(x => x * x) * b.Sum(x => x * x))), score.CosineDistance, 1e-5);
        (double without, double with) = small.Plain.LogLikelihoods(before, after);
        (double turnedWithout, double turnedWith) = small.Plain.LogLikelihoods(turnedBefore, turnedAfter);
        Assert.Equal((with - without + turnedWith - turnedWithout) / 2, score.LikelihoodChange, 1e-5);
        double[] p = Average(Softmax(small.Plain.Logits(before)), Softmax(small.Plain.Logits(turnedBefore)));
        double[] q = Average(Softmax(small.Plain.Logits(after)), Softmax(small.Plain.Logits(turnedAfter)));
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(p[i], score.Probabilities[i], 1e-5);
            Assert.Equal(q[i] - p[i], score.ProbabilityChanges[i], 1e-5);
        }
    }

    [Fact]
    public void Where_the_model_takes_few_tokens_the_other_strand_is_of_the_bases_it_sees()
    {
        Variant variant = new(2, "one", 3, ".", One.Substring(2, 1), One[2] == 'A' ? "G" : "A");
        var options = new VariantOptions { Window = 64, AverageReverseComplement = true };
        VariantScore score = new VariantScorer(small.FineTuned(TaskKind.SingleLabel, maxTokens: 8), Genome(), options)
            .Score([variant]).Single();
        (string before, string after) = Windows("one", 3, variant.Reference, variant.Alternative, 64);
        double[] p = Average(
            Softmax(small.Plain.Logits(before, 8)), Softmax(small.Plain.Logits(Turned(before[..small.Plain.Tokens(before)[6].Start]))));
        double[] q = Average(
            Softmax(small.Plain.Logits(after, 8)), Softmax(small.Plain.Logits(Turned(after[..small.Plain.Tokens(after)[6].Start]))));
        for (int i = 0; i < 3; i++)
        {
            Assert.Equal(p[i], score.Probabilities[i], 1e-5);
            Assert.Equal(q[i] - p[i], score.ProbabilityChanges[i], 1e-5);
        }
    }

    public static TheoryData<string, long, string, string, VariantStatus, string> LeftOut => new()
    {
        { "one", 5, One.Substring(4, 1), "<DEL>", VariantStatus.Symbolic, "the allele <DEL> is symbolic" },
        { "one", 5, One.Substring(4, 1), "*", VariantStatus.SpanningDeletion, "another line" },
        { "one", 5, One.Substring(4, 1), "G]17:198982]", VariantStatus.Breakend, "breakend" },
        { "one", 5, One.Substring(4, 1), ".A", VariantStatus.Breakend, "breakend" },
        { "one", 5, One.Substring(4, 1), ".", VariantStatus.NoAlternative, "no alternative" },
        { "one", 5, One.Substring(4, 1), One.Substring(4, 1).ToLowerInvariant(), VariantStatus.NoAlternative, "the same" },
        { "one", 5, One.Substring(4, 1), "R", VariantStatus.NotBases, "the allele R holds other letters" },
        { "one", 5, One.Substring(4, 1), "\u212A", VariantStatus.NotBases, "holds other letters" },
        { "chr7", 122, "N", "A", VariantStatus.NotBases, "the reference allele N holds other letters" },
        { "chr7", 122, "A", "C", VariantStatus.ReferenceMismatch, "the reference allele is A, the genome has N at chr7:122" },
        { "one", 5, One[4] == 'A' ? "C" : "A", "T", VariantStatus.ReferenceMismatch, $"the genome has {One[4]} at one:5" },
        { "one", 400, $"{One[^1]}A", "T", VariantStatus.OutOfRange, "one has 400 bases, the reference allele would lie at 400 to 401" },
        { "one", 0, "A", "T", VariantStatus.OutOfRange, "at 0 to 0" },
        { "one", -3, "A", "T", VariantStatus.OutOfRange, "at -3" },
        { "one", long.MaxValue, "A", "T", VariantStatus.OutOfRange, "one has 400 bases" },
        { "two", 5, "A", "T", VariantStatus.UnknownChromosome, "the genome has no 'two'; it has one, chr7, MT" },
        { "7", 5, "A", "T", VariantStatus.UnknownChromosome, "the genome has no '7', but 'chr7': the names of chromosomes have to agree" },
        { "chrM", 5, "A", "T", VariantStatus.UnknownChromosome, "but 'MT'" },
        { "one", 5, One.Substring(4, 1), new string('A', 65), VariantStatus.TooLong,
            "an allele of 65 bases does not fit into a window of 64" },
        { "one", 5, One.Substring(4, 70), "A", VariantStatus.TooLong, " bases" },
    };

    [Theory]
    [MemberData(nameof(LeftOut))]
    public void What_cannot_be_scored_says_why(
        string chromosome, long position, string reference, string alternative, VariantStatus status, string reason)
    {
        VariantScore score = Score(small.PreTrained(), [new(9, chromosome, position, ".", reference, alternative)]).Single();
        Assert.Equal(status, score.Status);
        Assert.Contains(reason, score.Reason, StringComparison.Ordinal);
        Assert.True(double.IsNaN(score.CosineDistance) && double.IsNaN(score.LikelihoodChange) && score.Probabilities.Count == 0);
        Assert.Equal(status is VariantStatus.UnknownChromosome or VariantStatus.OutOfRange or VariantStatus.ReferenceMismatch,
            score.ContradictsGenome);
    }

    [Fact]
    public void Scores_come_in_the_order_of_the_input_whatever_the_batch()
    {
        Variant[] variants = [
            .. Enumerable.Range(1, 90)
            .Select(i => new Variant(i, "one", i, $"v{i}", One.Substring(i - 1, 1), i % 7 == 0 ? "*" : One[i - 1] == 'A' ? "C" : "A"))];
        VariantScore[] few = [.. Score(small.PreTrained(), variants, 1)], many = [.. Score(small.PreTrained(), variants, 20_000)];
        Assert.Equal(78, few.Count(s => s.Status == VariantStatus.Scored));
        Assert.Equal(variants, few.Select(s => s.Variant));
        Assert.Equal(variants, many.Select(s => s.Variant));
        for (int i = 0; i < variants.Length; i++) Assert.Equal(few[i].LikelihoodChange, many[i].LikelihoodChange, 1e-5);
    }

    [Fact]
    public void A_variant_past_the_tokens_that_the_model_takes_is_not_said_to_have_no_effect()
    {
        Variant[] variants = [new(1, "one", 200, ".", One.Substring(199, 1), One[199] == 'A' ? "G" : "A"),
            new(2, "one", 3, ".", One.Substring(2, 1), One[2] == 'A' ? "G" : "A")];
        VariantScore[] scores = [.. Score(small.FineTuned(TaskKind.SingleLabel, maxTokens: 8), variants)];
        Assert.Equal([VariantStatus.Unseen, VariantStatus.Scored], scores.Select(s => s.Status));
        Assert.Contains("8 tokens", scores[0].Reason, StringComparison.Ordinal);
        (string before, string after) = Windows("one", 3, variants[1].Reference, variants[1].Alternative, 64);
        double change = Softmax(small.Plain.Logits(after, 8))[2] - Softmax(small.Plain.Logits(before, 8))[2];
        Assert.Equal(change, scores[1].ProbabilityChanges[2], 1e-5);
    }

    [Fact]
    public void The_window_is_chosen_for_the_model_and_checked()
    {
        Assert.Equal(512, new VariantScorer(small.PreTrained(), Genome()).Window);
        Assert.Equal(280, new VariantScorer(small.FineTuned(TaskKind.SingleLabel, 70), Genome()).Window);
        Assert.Equal(512, new VariantScorer(small.FineTuned(TaskKind.SingleLabel, 256), Genome()).Window);
        Assert.Throws<ArgumentException>(() => new VariantScorer(small.PreTrained(), Genome(), new VariantOptions { Window = 7 }));
    }

    [Fact]
    public void Variants_of_lambda_have_the_scores_of_their_windows_with_the_model_that_comes_with_the_tool()
    {
        string path = SharedData.Path("genomes/lambda_virus.fa.gz");
        Assert.SkipUnless(File.Exists(Path.Combine(SharedData.BuiltInFolder, "config.json")),
            "the model that comes with the tool is not in this build");
        using SequenceReader reader = SequenceReader.Open(path, new SequenceOptions { OnAmbiguous = AmbiguousBases.Unknown });
        Genome genome = Dnabert2.Sequences.Genome.Read(reader);
        string name = genome.Names.Single();
        byte[] bases = new byte[genome.Bases];
        genome.Read(name, 0, bases);
        string lambda = Encoding.ASCII.GetString(bases);
        using InterpretedModel model = InterpretedModel.Load(SharedData.BuiltInFolder);
        var plain = new PlainScorer(model.Model);
        Variant[] variants = [.. new[] { 100, 12_345, 24_000, 48_400 }.Select((at, i) =>
            new Variant(i, name, at, ".", lambda.Substring(at - 1, 1 + (i % 2)), lambda[at - 1] == 'A' ? "GTT" : "A"))];
        foreach (VariantScore score in new VariantScorer(model, genome, new VariantOptions { Window = 200 }).Score(variants))
        {
            int at = (int)score.Variant.Position - 1, length = score.Variant.Reference.Length,
                start = Math.Max(0, at - ((200 - length) / 2));
            string before = lambda[start..Math.Min(lambda.Length, at + length + ((200 - length + 1) / 2))];
            string after = before[..(at - start)] + score.Variant.Alternative + before[(at - start + length)..];
            (double without, double with) = plain.LogLikelihoods(before, after);
            Assert.Equal(with - without, score.LikelihoodChange, 1e-5);
            double[] a = plain.Mean(before), b = plain.Mean(after);
            Assert.Equal(Math.Sqrt(a.Zip(b, (x, y) => (x - y) * (x - y)).Sum()), score.EuclideanDistance, 1e-5);
        }
    }

    private static Genome Genome() => GenomeTests.Of($">one\n{One}\n>chr7\n{Seven}\n>MT\n{One[..50]}\n");

    private static IEnumerable<VariantScore> Score(InterpretedModel model, Variant[] variants, int batchTokens = 500) =>
        new VariantScorer(model, Genome(), new VariantOptions { Window = 64, BatchTokens = batchTokens }).Score(variants);

    /// <summary>
    /// The windows around a variant, from whole sequences: what both end with and then what both begin with is taken off, which leaves the
    /// change as far to the left as it can be; a change without bases on one side has the base before it beside it, as in a VCF.
    /// </summary>
    private static (string Before, string After) Windows(string chromosome, long position, string reference, string alternative, int width)
    {
        string whole = chromosome == "one" ? One : Seven;
        int written = (int)position - 1, least, end = 0, at = 0;
        string changed = whole[..written] + alternative.ToUpperInvariant() + whole[(written + reference.Length)..];
        for (least = Math.Min(whole.Length, changed.Length); end < least && whole[^(end + 1)] == changed[^(end + 1)];) end++;
        while (at < least - end && whole[at] == changed[at]) at++;
        if ((at == whole.Length - end || at == changed.Length - end) && at > 0) at--;
        int room = width - (whole.Length - end - at), left = Math.Min(at, room / 2), right = Math.Min(end, room - (room / 2));
        return (whole[(at - left)..^(end - right)], changed[(at - left)..^(end - right)]);
    }

    private static double[] Average(double[] a, double[] b) => [.. a.Zip(b, (x, y) => (x + y) / 2)];

    private static string Turned(string bases) => Tests.Field.StrandTests.Turned(bases);

    private static double[] Softmax(double[] logits) => [.. logits.Select(z => Math.Exp(z) / logits.Sum(Math.Exp))];
}
