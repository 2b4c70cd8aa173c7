using System.Text;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Folders;

namespace Tests.Interpretation;

/// <summary>What substitutions and variants do to a model of any architecture, against one sequence at a time.</summary>
[Trait("Category", "Slow")]
public sealed class EveryModelTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(2);

    public static TheoryData<string> Names => TinyModels.Names;

    public void Dispose() => _backend.Dispose();

    [Theory]
    [MemberData(nameof(Names))]
    public void The_effect_on_the_likelihood_is_that_of_scoring_each_mutant_alone(string name)
    {
        using SequenceModel model = Make(name);
        var plain = new PlainScorer(model);
        // Single bases around N, and k-mers with one in them; sites at both ends.
        string dna = SmallModels.Dna(3, 13) + "N" + SmallModels.Dna(4, 6);
        SubstitutionEffects effects = Single(new InterpretedModel(model, null, [], null), dna, new AttributionOptions { BatchTokens = 70 });
        ForEach(dna, effects, (mutant, effect) =>
        {
            (double reference, double alternative) = plain.LogLikelihoods(dna, mutant);
            Assert.Equal(alternative - reference, effect, 2e-5);
        });
        Assert.True(effects.Effects.ToArray().Max(e => float.IsNaN(e) ? 0 : Math.Abs(e)) > 0.05, "all effects are next to nothing");
        SubstitutionEffects both = Single(
            new InterpretedModel(model, null, [], null), dna, new AttributionOptions { AverageReverseComplement = true });
        ForEach(dna, both, (mutant, effect) =>
        {
            (double reference, double alternative) = plain.LogLikelihoods(dna, mutant);
            (double turned, double turnedAlternative) = plain.LogLikelihoods(Turned(dna), Turned(mutant));
            Assert.Equal((alternative - reference + turnedAlternative - turned) / 2, effect, 2e-5);
        });
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_effect_on_a_class_is_that_of_classifying_each_mutant_alone_cut_as_in_training(string name)
    {
        using SequenceModel model = Make(name);
        var plain = new PlainScorer(model);
        string dna = SmallModels.Dna(5, 20);
        int special = model.Frame.Before.Length + model.Frame.After.Length, most = special + (plain.Tokens(dna).Count * 2 / 3);
        foreach (int limit in (int[])[most, special + plain.Tokens(dna).Count])
        {
            var tuned = new InterpretedModel(model, TaskKind.SingleLabel, ["no", "yes"], limit);
            SubstitutionEffects effects = Single(tuned, dna, new AttributionOptions { Class = "yes", BatchTokens = 90 });
            int seen = effects.Bases.Length;
            Assert.Equal(plain.Tokens(dna).Take(limit - special).Max(t => t.End), seen);
            Assert.Equal(dna.Length - seen, effects.Unseen);
            double p = Probability(plain.Logits(dna, limit));
            ForEach(dna[..seen], effects, (mutant, effect) =>
                Assert.Equal(Probability(plain.Logits(mutant + dna[seen..], limit)) - p, effect, 1e-5));
            Assert.True(effects.Effects.ToArray().Max(Math.Abs) > 1e-3, "all effects are next to nothing");
        }
    }

    [Fact]
    public void The_effect_on_a_class_of_more_tokens_than_a_DNABERT_has_positions_for_is_that_of_its_windows()
    {
        using SequenceModel model = Make("DNABERT");
        string dna = SmallModels.Dna(8, 60), mutant = dna[..40] + (dna[40] == 'A' ? 'C' : 'A') + dna[41..];
        var sequences = new TokenSequences(model.Tokenizer, 100);
        sequences.Add(Encoding.ASCII.GetBytes(dna));
        sequences.Add(Encoding.ASCII.GetBytes(mutant));
        double[] logits;
        using (var classification = new Classification(model, 500))
            logits = [.. classification.Run(sequences, TestContext.Current.CancellationToken).Select(v => (double)v)];
        SubstitutionEffects effects = Single(
            new InterpretedModel(model, TaskKind.SingleLabel, ["no", "yes"], 100), dna,
            new AttributionOptions { Class = "yes", Region = new(null, 40, 41) });
        double expected = Probability(logits[2..]) - Probability(logits[..2]);
        Assert.Equal(expected, effects.Effects.Span[dna[40] == 'A' ? 1 : 0], 1e-5);
        Assert.True(Math.Abs(expected) > 1e-4);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_long_record_is_scored_in_windows_that_the_model_has_positions_for(string name)
    {
        using SequenceModel model = Make(name);
        string dna = SmallModels.Dna(6, 130);
        var attribution = new Attribution(new InterpretedModel(model, null, [], null), new AttributionOptions { Window = 100 });
        SubstitutionEffects[] parts = [.. attribution.Run(SmallModels.Records($">a\n{dna}\n"))];
        int next = 0;
        foreach (SubstitutionEffects part in parts)
        {
            Assert.Equal((next, 0), ((int)part.Start, part.Unseen));
            next += part.Bases.Length;
        }

        Assert.Equal(130, next);
        var plain = new PlainScorer(model);
        if (model.MaxTokens is not { } most) Assert.Equal(100, attribution.Window);
        else
        {
            Assert.InRange(attribution.Window, 8, 99);
            Assert.InRange(
                plain.Tokens(dna[..attribution.Window]).Count, 1, most - model.Frame.Before.Length - model.Frame.After.Length);
        }

        string window = dna[^attribution.Window..], mutant = window[..^1] + (window[^1] == 'A' ? 'C' : 'A');
        (double reference, double alternative) = plain.LogLikelihoods(window, mutant);
        Assert.Equal(alternative - reference, parts[^1].Effects.Span[^4..][window[^1] == 'A' ? 1 : 0], 2e-5);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_variant_has_the_scores_of_its_two_windows_alone(string name)
    {
        const int width = 18;
        using SequenceModel model = Make(name);
        var plain = new PlainScorer(model);
        string one = SmallModels.Dna(1, 40) + "CAAAAAAG" + SmallModels.Dna(2, 40);
        Genome genome = GenomeTests.Of($">one\n{one}\n");
        var tuned = new InterpretedModel(model, TaskKind.SingleLabel, ["no", "yes"], null);
        Variant[] variants =
        [
            Of(30, 1, one[29] == 'A' ? "G" : "A"), Of(25, 3, "TTT"), Of(20, 1, one[19] + "GAT"), Of(33, 4, one.Substring(32, 1)),
            // In a repeat.
            Of(41, 2, "C"), Of(41, 1, "CA"),
        ];
        foreach (bool bothStrands in (bool[])[false, true])
        {
            var scorer = new VariantScorer(
                tuned, genome, new VariantOptions { Window = width, BatchTokens = 80, AverageReverseComplement = bothStrands });
            foreach (VariantScore score in scorer.Score(variants))
            {
                Assert.Equal((VariantStatus.Scored, ""), (score.Status, score.Reason));
                (string before, string after) = Windows(one, score.Normalized!, width, Math.Min(
                    width, MostBases(model) - Math.Max(0, score.Variant.Alternative.Length - score.Variant.Reference.Length)));
                Func<string, string>[] strands = bothStrands ? [s => s, Turned] : [s => s];
                double[] a = Average(strands, turn => plain.Mean(turn(before))), b = Average(strands, turn => plain.Mean(turn(after)));
                Assert.Equal(Math.Sqrt(a.Zip(b, (x, y) => (x - y) * (x - y)).Sum()), score.EuclideanDistance, 2e-5);
                double change = strands.Average(turn =>
                {
                    (double without, double with) = plain.LogLikelihoods(turn(before), turn(after));
                    return with - without;
                });
                Assert.Equal(change, score.LikelihoodChange, 3e-5);
                double p = strands.Average(turn => Probability(plain.Logits(turn(before))));
                double q = strands.Average(turn => Probability(plain.Logits(turn(after))));
                Assert.Equal(p, score.Probabilities[1], 1e-5);
                Assert.Equal(q - p, score.ProbabilityChanges[1], 1e-5);
            }
        }

        Variant Of(int position, int length, string alternative) =>
            new(1, "one", position, ".", one.Substring(position - 1, length), alternative);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_window_is_no_wider_than_the_model_has_positions_for(string name)
    {
        using SequenceModel model = Make(name);
        string one = SmallModels.Dna(1, 400);
        Genome genome = GenomeTests.Of($">one\n{one}\n");
        var pretrained = new InterpretedModel(model, null, [], null);
        var scorer = new VariantScorer(pretrained, genome, new VariantOptions { Window = 300 });
        int most = MostBases(model);
        Assert.Equal(Math.Min(300, most), scorer.Window);
        Assert.Equal(Math.Min(512, most), new VariantScorer(pretrained, genome).Window);
        string inserted = one[199] + new string('A', 10) + "C";
        VariantScore score = scorer.Score([new(1, "one", 200, ".", one.Substring(199, 1), inserted)]).Single();
        Assert.Equal(VariantStatus.Scored, score.Status);
        if (most > 300) return;
        // It fits alone, and not with the bases that it is inserted into.
        score = scorer.Score([new(1, "one", 200, ".", one.Substring(199, 1), one[199] + new string('A', most - 1) + "C")]).Single();
        Assert.Equal(VariantStatus.TooLong, score.Status);
    }

    /// <summary>A model whose weights are large enough that every base counts.</summary>
    private SequenceModel Make(string name)
    {
        SequenceModel model = TinyModels.Make(name, _backend, ModelParts.MlmHead | ModelParts.Pooler | ModelParts.Classifier);
        Tensor values = model.Parameters.Values;
        var weights = new float[values.Count];
        _backend.Download<float>(values, weights);
        for (int i = 0; i < weights.Length; i++)
            if (weights[i] != 1) weights[i] *= 12;
        _backend.Upload<float>(weights, values);
        return model;
    }

    private static int MostBases(SequenceModel model) => model.MaxTokens is { } most
        ? model.Tokenizer.BasesThatFit(most - model.Frame.Before.Length - model.Frame.After.Length)!.Value : int.MaxValue / 2;

    /// <summary>The windows around a variant in the form that all its spellings have.</summary>
    private static (string Before, string After) Windows(string whole, Variant variant, int width, int fitting)
    {
        Assert.True(fitting <= width);
        int at = (int)variant.Position - 1, length = variant.Reference.Length, room = fitting - length;
        int left = Math.Min(at, room / 2), right = Math.Min(whole.Length - at - length, room - (room / 2));
        string before = whole.Substring(at - left, left + length + right);
        return (before, before[..left] + variant.Alternative + before[(left + length)..]);
    }

    private static double[] Average(Func<string, string>[] strands, Func<Func<string, string>, double[]> of)
    {
        double[][] all = [.. strands.Select(of)];
        return [.. Enumerable.Range(0, all[0].Length).Select(i => all.Average(vector => vector[i]))];
    }

    private static double Probability(double[] logits) => 1 / (1 + Math.Exp(logits[0] - logits[1]));

    private static string Turned(string bases) => Tests.Field.StrandTests.Turned(bases);

    private static SubstitutionEffects Single(InterpretedModel model, string dna, AttributionOptions options) =>
        new Attribution(model, options).Run(SmallModels.Records($">a\n{dna}\n")).Single();

    private static void ForEach(string dna, SubstitutionEffects effects, Action<string, double> check)
    {
        Assert.Equal(dna, Encoding.ASCII.GetString(effects.Bases.Span));
        for (int at = 0; at < dna.Length; at++)
        {
            for (int b = 0; b < 4; b++)
            {
                float effect = effects.Effects.Span[(4 * at) + b];
                if (dna[at] == 'N') Assert.True(float.IsNaN(effect));
                else if ("ACGT"[b] == dna[at]) Assert.Equal(0, effect);
                else check(dna[..at] + "ACGT"[b] + dna[(at + 1)..], effect);
            }
        }
    }
}
