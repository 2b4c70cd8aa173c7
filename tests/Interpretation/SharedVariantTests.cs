using System.Text;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Engine.Runtime;
using Tests.Folders;

namespace Tests.Interpretation;

/// <summary>What variants share is computed once, and no score is another one for it, not in its last bit.</summary>
public sealed class SharedVariantTests(SmallModels small) : IClassFixture<SmallModels>
{
    private static readonly string Bases = SmallModels.Dna(41, 300) + "NNNN" + SmallModels.Dna(42, 196);

    public static TheoryData<string, bool, int?, int> Cases
    {
        get
        {
            var data = new TheoryData<string, bool, int?, int>();
            foreach (string name in (string[])[.. TinyModels.Names.Select(row => row.Data)])
                foreach (int tokens in (int[])[1, 90, 20_000])
                {
                    data.Add(name, false, null, tokens);
                    data.Add(name, true, 8, tokens);
                }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Scores_are_those_of_the_plain_loop_to_the_last_bit(string name, bool bothStrands, int? step, int batchTokens)
    {
        using Backend backend = CpuBackend.Create(2);
        using SequenceModel model = TinyModels.Make(
            name, backend, ModelParts.MlmHead | ModelParts.Pooler | ModelParts.Classifier);
        var interpreted = new InterpretedModel(model, TaskKind.SingleLabel, ["no", "yes"], null);
        VariantScores scores = VariantScores.Distances | VariantScores.Likelihood | VariantScores.Classes
            | (model.IsCausal ? 0 : VariantScores.PseudoLikelihood);
        var options = new VariantOptions { Window = 18, AverageReverseComplement = bothStrands, Step = step, Scores = scores };
        Genome genome = GenomeTests.Of($">one\n{Bases}\n");
        Variant[] variants = Variants(seed: 5, count: 40);
        var loop = new VariantScorer(interpreted, genome, options with { BatchTokens = 300 }, shares: false);
        VariantScore[] plain = [.. loop.Score(variants)];
        VariantScore[] shared = [.. new VariantScorer(interpreted, genome, options with { BatchTokens = batchTokens }).Score(variants)];
        Assert.Equal(variants, shared.Select(score => score.Variant));
        Assert.Equal(plain.Select(Numbers), shared.Select(Numbers));
        Assert.Contains(shared, score => score.Status == VariantStatus.Scored && score.EuclideanDistance > 0);
    }

    [Fact]
    public void Variants_of_one_window_send_the_genome_through_the_model_once_and_the_same_variant_once()
    {
        // Five variants in the middle of one window of the step, and each of them twice.
        Variant[] five = [.. new[] { 98, 99, 100, 101, 102 }.Select(at => Substitution(at, 1))];
        Variant[] ten = [.. five, .. five];
        var options = new VariantOptions { Window = 64, Step = 32, Scores = VariantScores.Distances };
        (long plain, long shared) = (Passes(ten, options, shares: false), Passes(ten, options, shares: true));
        // Windows that begin at 64 hold them: 96 is their middle.
        int reference = small.Plain.Tokens(Bases[64..128]).Count + 2;
        int alternatives = five.Sum(v =>
            small.Plain.Tokens(Bases[64..((int)v.Position - 1)] + v.Alternative + Bases[(int)v.Position..128]).Count + 2);
        Assert.Equal(reference + alternatives, shared);
        Assert.Equal((10 * reference) + (2 * alternatives), plain);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Windows_of_a_step_are_those_that_have_the_variant_nearest_to_the_middle(bool insertion)
    {
        const int width = 64, step = 16;
        int length = Bases.Length;
        foreach (int at in (int[])[1, 20, 33, 47, 150, 263, 430, length - 40, length - 2])
        {
            string there = Bases.Substring(at - 1, 1);
            Variant variant = insertion ? new(at, "one", at, ".", there, there + (Bases[at] == 'G' ? "TC" : "GT"))
                : Substitution(at, 1);
            VariantScore score = new VariantScorer(small.PreTrained(), GenomeTests.Of($">one\n{Bases}\n"),
                new VariantOptions { Window = width, Step = step }).Score([variant]).Single();
            Variant form = score.Normalized!;
            // By the distances of all windows; the last one ends with the sequence.
            double middle = form.Position - 1 + (form.Reference.Length / 2.0);
            int nearest = Enumerable.Range(0, length).Where(s => s % step == 0).MinBy(s => Math.Abs(s + (width / 2.0) - middle));
            int start = Math.Min(nearest, length - width);
            string before = Bases.Substring(start, width);
            int inside = (int)form.Position - 1 - start;
            string after = before[..inside] + form.Alternative + before[(inside + form.Reference.Length)..];
            (double without, double with) = small.Plain.LogLikelihoods(before, after);
            Assert.Equal(with - without, score.LikelihoodChange, 1e-5);
        }
    }

    [Fact]
    public void An_allele_that_no_window_of_the_step_holds_has_one_of_its_own()
    {
        Variant variant = new(1, "one", 117, ".", Bases.Substring(116, 60), Bases.Substring(116, 1));
        var options = new VariantOptions { Window = 64 };
        Genome genome = GenomeTests.Of($">one\n{Bases}\n");
        Assert.Equal(
            Numbers(new VariantScorer(small.PreTrained(), genome, options).Score([variant]).Single()),
            Numbers(new VariantScorer(small.PreTrained(), genome, options with { Step = 32 }).Score([variant]).Single()));
    }

    [Theory]
    [InlineData(0, "Step is 0")]
    [InlineData(33, "Step is 33: it must be from 1 to half of the window, which has 64 bases")]
    public void A_step_is_at_most_half_a_window(int step, string message)
    {
        var options = new VariantOptions { Window = 64, Step = step };
        Assert.Contains(message, Assert.Throws<ArgumentException>(
            () => new VariantScorer(small.PreTrained(), GenomeTests.Of(">one\nACGT\n"), options)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Variants_stream_and_whoever_stops_early_leaves_nothing_running()
    {
        int asked = 0;
        Genome genome = GenomeTests.Of($">one\n{Bases}\n");
        var scorer = new VariantScorer(small.PreTrained(), genome, new VariantOptions { Window = 64, BatchTokens = 64 });
        foreach (VariantScore score in scorer.Score(Endless()))
        {
            Assert.Equal(VariantStatus.Scored, score.Status);
            break;
        }

        Assert.InRange(asked, 1, 60);
        genome.Dispose();

        IEnumerable<Variant> Endless()
        {
            while (true) yield return Substitution(1 + (asked++ % 290), 1);
        }
    }

    [Fact]
    public void An_error_of_the_input_comes_out_as_it_is()
    {
        var scorer = new VariantScorer(
            small.PreTrained(), GenomeTests.Of($">one\n{Bases}\n"), new VariantOptions { Window = 64, BatchTokens = 1 });
        int scored = 0;
        Assert.Throws<InvalidDataException>(() =>
        {
            foreach (VariantScore _ in scorer.Score(Broken())) scored++;
        });
        Assert.InRange(scored, 1, 8);

        static IEnumerable<Variant> Broken()
        {
            for (int i = 1; i < 10; i++) yield return Substitution(i, 1);
            throw new InvalidDataException("line 10");
        }
    }

    private long Passes(Variant[] variants, VariantOptions options, bool shares)
    {
        var tokens = new Tokens();
        _ = new VariantScorer(small.PreTrained(), GenomeTests.Of($">one\n{Bases}\n"), options, shares).Score(variants, tokens).Count();
        return tokens.Done;
    }

    /// <summary>Substitutions, some of them at one place, insertions, deletions, and what cannot be scored.</summary>
    private static Variant[] Variants(int seed, int count)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(1, count).Select(line =>
        {
            int at = 60 + random.Next(60);
            return (line % 8) switch
            {
                0 => new Variant(line, "one", at, ".", Bases.Substring(at - 1, 1), "*"),
                1 => new(line, "one", at, ".", Bases.Substring(at - 1, 1), Bases[at - 1] + SmallModels.Dna(line, 1 + random.Next(4))),
                2 => new(line, "one", at, ".", Bases.Substring(at - 1, 2 + random.Next(4)), Bases.Substring(at - 1, 1)),
                3 => new(line, "one", 301 + random.Next(6), ".", "N", "A"),
                _ => Substitution(at, 1 + random.Next(3), line),
            };
        })];
    }

    private static Variant Substitution(int at, int which, long line = 1)
    {
        char there = Bases[at - 1];
        return new(line, "one", at, ".", $"{there}", $"{"ACGT"[("ACGT".IndexOf(there, StringComparison.Ordinal) + which) % 4]}");
    }

    private static string Numbers(VariantScore score)
    {
        double[] numbers = [score.CosineDistance, score.EuclideanDistance, score.LikelihoodChange, score.LikelihoodChangePerBase,
            score.PseudoLikelihoodChange, score.PseudoLikelihoodChangePerBase, score.UnknownBases, .. score.Probabilities,
            .. score.ProbabilityChanges];
        return new StringBuilder($"{score.Variant.Line} {score.Status} ").AppendJoin(' ', numbers.Select(BitConverter.DoubleToInt64Bits))
            .ToString();
    }

    private sealed class Tokens : IProgress<long>
    {
        public long Done { get; private set; }

        public void Report(long value) => Done = value;
    }
}
