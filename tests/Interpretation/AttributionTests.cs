using System.Text;
using Dnabert2.FineTuning;
using Dnabert2.Interpretation;
using Dnabert2.Sequences;

namespace Tests.Interpretation;

[Trait("Category", "Slow")]
public class AttributionTests(SmallModels small) : IClassFixture<SmallModels>
{
    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    [InlineData(100_000)]
    public void The_effect_on_the_likelihood_is_that_of_scoring_each_mutant_alone(int batchTokens)
    {
        string dna = SmallModels.Dna(1, 70);
        SubstitutionEffects effects = Single(small.PreTrained(), dna, new AttributionOptions { BatchTokens = batchTokens });
        ForEach(dna, effects, (at, b, mutant, effect) =>
        {
            (double reference, double alternative) = small.Plain.LogLikelihoods(dna, mutant);
            Assert.Equal(alternative - reference, effect, 1e-5);
        });
        Assert.True(effects.Effects.ToArray().Max(Math.Abs) > 0.1);
        Assert.True(effects.LogitEffects.IsEmpty && effects.Class is null);
    }

    [Theory]
    [InlineData(TaskKind.SingleLabel)]
    [InlineData(TaskKind.MultiLabel)]
    [InlineData(TaskKind.Regression)]
    public void The_effect_on_a_class_is_that_of_classifying_each_mutant_alone(TaskKind kind)
    {
        string dna = SmallModels.Dna(2, 50);
        SubstitutionEffects effects = Single(small.FineTuned(kind), dna, new AttributionOptions { Class = "weak", BatchTokens = 200 });
        (double p, double odds) = Score(small.Plain.Logits(dna), 1, kind);
        ForEach(dna, effects, (at, b, mutant, effect) =>
        {
            (double changed, double changedOdds) = Score(small.Plain.Logits(mutant), 1, kind);
            Assert.Equal(changed - p, effect, 1e-5);
            if (kind != TaskKind.Regression) Assert.Equal(changedOdds - odds, effects.LogitEffects.Span[(4 * at) + b], 1e-5);
        });
        Assert.True(effects.Effects.ToArray().Max(Math.Abs) > 0.01);
        Assert.Equal("weak", effects.Class);
        Assert.Equal(kind == TaskKind.Regression, effects.LogitEffects.IsEmpty);
    }

    [Fact]
    public void Without_a_class_it_is_the_one_that_is_predicted()
    {
        foreach (int seed in Enumerable.Range(1, 6))
        {
            string dna = SmallModels.Dna(seed, 40);
            double[] logits = small.Plain.Logits(dna);
            SubstitutionEffects effects = Single(
                small.FineTuned(TaskKind.SingleLabel), dna, new AttributionOptions { Region = new(null, 3, 4) });
            Assert.Equal(((string[])["none", "weak", "strong"])[Array.IndexOf(logits, logits.Max())], effects.Class);
        }
    }

    [Fact]
    public void A_sequence_is_cut_as_in_training_and_what_the_model_does_not_see_is_not_scored()
    {
        string dna = SmallModels.Dna(3, 90);
        int seen = small.Plain.Tokens(dna)[12 - 2].Start;
        SubstitutionEffects effects = Single(
            small.FineTuned(TaskKind.SingleLabel, maxTokens: 12), dna, new AttributionOptions { Class = "strong" });
        Assert.Equal((seen, 90 - seen), (effects.Bases.Length, effects.Unseen));
        (double p, _) = Score(small.Plain.Logits(dna, 12), 2, TaskKind.SingleLabel);
        ForEach(dna[..seen], effects, (_, _, mutant, effect) =>
            Assert.Equal(Score(small.Plain.Logits(mutant + dna[seen..], 12), 2, TaskKind.SingleLabel).Probability - p, effect, 1e-5));
    }

    [Fact]
    public void A_long_record_is_scored_in_windows_each_base_once()
    {
        string dna = SmallModels.Dna(4, 230);
        var options = new AttributionOptions { Window = 60, BatchTokens = 500 };
        SubstitutionEffects[] parts = [.. new Attribution(small.PreTrained(), options).Run(SmallModels.Records($">a\n{dna}\n"))];
        Assert.True(parts.Length > 3);
        int next = 0;
        foreach (SubstitutionEffects part in parts)
        {
            Assert.Equal(next, part.Start);
            next += part.Bases.Length;
            Assert.Equal(dna[(int)part.Start..(int)next], Encoding.ASCII.GetString(part.Bases.Span));
        }

        Assert.Equal(230, next);
        // The second window begins at base 30 and substitutes from a quarter of it on.
        Assert.Equal(45, parts[1].Start);
        string window = dna[30..90];
        string mutant = (window[..20] + (window[20] == 'A' ? 'C' : 'A')) + window[21..];
        (double reference, double alternative) = small.Plain.LogLikelihoods(window, mutant);
        Assert.Equal(alternative - reference, parts[1].Effects.Span[(4 * 5) + (window[20] == 'A' ? 1 : 0)], 1e-5);
    }

    [Fact]
    public void Windows_substitute_every_base_of_a_range_once_with_a_quarter_around_it()
    {
        var random = new Random(1);
        for (int i = 0; i < 3000; i++)
        {
            int length = random.Next(1, 300), window = random.Next(8, 90), from = random.Next(length),
                to = random.Next(from + 1, length + 1);
            long next = from;
            foreach (AttributionWindow w in AttributionWindow.Of(length, window, from, to))
            {
                Assert.Equal(next, w.From);
                Assert.True(w.From < w.To && w.Start <= w.From && w.To <= w.End && w.Start >= 0 && w.End <= length);
                Assert.Equal(Math.Min(window, length), w.End - w.Start);
                Assert.True(w.Start == 0 || w.From - w.Start >= window / 4, $"{w} of {length}, {window}");
                Assert.True(w.End == length || w.End - w.To >= window / 4, $"{w} of {length}, {window}");
                next = w.To;
            }

            Assert.Equal((long)to, next);
        }
    }

    [Fact]
    public void A_region_has_the_effects_that_the_whole_record_has_there()
    {
        string dna = SmallModels.Dna(5, 60);
        string fasta = $">other\n{SmallModels.Dna(6, 30)}\n>it\n{dna}\n";
        SubstitutionEffects whole = Single(small.PreTrained(), dna, new AttributionOptions());
        SubstitutionEffects part = new Attribution(small.PreTrained(), new AttributionOptions { Region = new("it", 20, 31) })
            .Run(SmallModels.Records(fasta)).Single();
        Assert.Equal(("it", 2L, 20L, 11), (part.Id, part.Number, part.Start, part.Bases.Length));
        for (int i = 0; i < 44; i++) Assert.Equal(whole.Effects.Span[80 + i], part.Effects.Span[i], 1e-5f);
    }

    [Fact]
    public void Unknown_bases_are_seen_and_not_substituted()
    {
        string dna = "ACGTTGCANNNNACCGTTTGACA";
        SubstitutionEffects effects = Single(small.PreTrained(), dna, new AttributionOptions());
        ForEach(dna, effects, (at, b, mutant, effect) =>
        {
            (double reference, double alternative) = small.Plain.LogLikelihoods(dna, mutant);
            Assert.Equal(alternative - reference, effect, 1e-5);
        });
        Assert.All(effects.Effects.ToArray()[32..48], effect => Assert.True(float.IsNaN(effect)));
    }

    [Theory]
    [InlineData(1000)]
    [InlineData(60)]
    public void Of_both_strands_the_effect_on_the_likelihood_is_the_average_with_that_of_the_complement_in_the_reverse_complement(
        int window)
    {
        string dna = SmallModels.Dna(11, 100), seen = window < dna.Length ? dna[..60] : dna;
        var options = new AttributionOptions { AverageReverseComplement = true, Window = window, BatchTokens = 300 };
        SubstitutionEffects effects = new Attribution(small.PreTrained(), options).Run(SmallModels.Records($">a\n{dna}\n")).First();
        Assert.Equal(window < dna.Length ? 45 : 100, effects.Bases.Length);
        for (int at = 0; at < effects.Bases.Length; at += 3)
        {
            for (int b = 0; b < 4; b++)
            {
                string mutant = seen[..at] + "ACGT"[b] + seen[(at + 1)..];
                if (mutant == seen) continue;
                (double reference, double alternative) = small.Plain.LogLikelihoods(seen, mutant);
                (double turned, double turnedAlternative) = small.Plain.LogLikelihoods(Turned(seen), Turned(mutant));
                Assert.Equal((alternative - reference + turnedAlternative - turned) / 2, effects.Effects.Span[(4 * at) + b], 1e-5);
            }
        }
    }

    [Theory]
    [InlineData(TaskKind.SingleLabel)]
    [InlineData(TaskKind.Regression)]
    public void Of_both_strands_the_effect_on_a_class_is_the_average_and_the_class_the_likeliest_over_both(TaskKind kind)
    {
        bool differ = false;
        foreach (int seed in Enumerable.Range(1, 8))
        {
            string dna = SmallModels.Dna(seed, 40) + "N" + SmallModels.Dna(seed + 50, 9);
            // Of the values of a regression none is the likeliest: one is named.
            var options = new AttributionOptions
            {
                AverageReverseComplement = true,
                Region = new(null, 12, 43),
                Class = kind == TaskKind.Regression ? "weak" : null,
            };
            SubstitutionEffects effects = Single(small.FineTuned(kind), dna, options);
            double[] f = [.. Enumerable.Range(0, 3).Select(c => Score(small.Plain.Logits(dna), c, kind).Probability)];
            double[] r = [.. Enumerable.Range(0, 3).Select(c => Score(small.Plain.Logits(Turned(dna)), c, kind).Probability)];
            double[] sum = [.. f.Zip(r, (x, y) => x + y)];
            int label = Array.IndexOf(["none", "weak", "strong"], effects.Class);
            Assert.Equal(kind == TaskKind.Regression ? 1 : Array.IndexOf(sum, sum.Max()), label);
            differ |= Array.IndexOf(f, f.Max()) != label;
            for (int at = 12; at < 43; at += 5)
            {
                for (int b = 0; b < 4 && dna[at] != 'N'; b++)
                {
                    string mutant = dna[..at] + "ACGT"[b] + dna[(at + 1)..];
                    if (mutant == dna) continue;
                    (double p, double odds) = Score(small.Plain.Logits(mutant), label, kind);
                    (double q, double turnedOdds) = Score(small.Plain.Logits(Turned(mutant)), label, kind);
                    Assert.Equal((p - f[label] + q - r[label]) / 2, effects.Effects.Span[(4 * (at - 12)) + b], 1e-5);
                    if (kind == TaskKind.Regression) continue;
                    double before = (
                        Score(small.Plain.Logits(dna), label, kind).LogOdds
                        + Score(small.Plain.Logits(Turned(dna)), label, kind).LogOdds) / 2;
                    Assert.Equal(((odds + turnedOdds) / 2) - before, effects.LogitEffects.Span[(4 * (at - 12)) + b], 1e-5);
                }
            }

            Assert.True(float.IsNaN(effects.Effects.Span[4 * 28]));
        }

        Assert.True(differ || kind == TaskKind.Regression,
            "for one of them the likeliest class of the two strands is another than that of the first");
    }

    [Fact]
    public void Of_both_strands_a_sequence_is_cut_once_and_the_other_strand_is_of_the_bases_that_are_seen()
    {
        string dna = SmallModels.Dna(3, 90);
        int seen = small.Plain.Tokens(dna)[12 - 2].Start;
        var options = new AttributionOptions { Class = "strong", AverageReverseComplement = true };
        SubstitutionEffects effects = Single(small.FineTuned(TaskKind.SingleLabel, maxTokens: 12), dna, options);
        Assert.Equal((seen, 90 - seen), (effects.Bases.Length, effects.Unseen));
        (double p, _) = Score(small.Plain.Logits(dna, 12), 2, TaskKind.SingleLabel);
        (double q, _) = Score(small.Plain.Logits(Turned(dna[..seen])), 2, TaskKind.SingleLabel);
        ForEach(dna[..seen], effects, (_, _, mutant, effect) =>
        {
            double changed = Score(small.Plain.Logits(mutant + dna[seen..], 12), 2, TaskKind.SingleLabel).Probability - p;
            double turned = Score(small.Plain.Logits(Turned(mutant)), 2, TaskKind.SingleLabel).Probability - q;
            Assert.Equal((changed + turned) / 2, effect, 1e-5);
        });
        // Nothing of this region is seen.
        effects = Single(small.FineTuned(TaskKind.SingleLabel, maxTokens: 12), dna, options with { Region = new(null, 85, 90) });
        Assert.Equal((0, 5), (effects.Bases.Length, effects.Unseen));
    }

    [Fact]
    public void A_region_is_of_the_one_record_of_its_name_and_a_number_is_no_name()
    {
        Refused("record 3 'a', line 5: record 1 has this name too", ">a\nACGT\n>b\nACGT\n>a\nACGT\n",
            new AttributionOptions { Region = new("a", 0, 2) });
        Refused("there is no record '1', of which a region is asked for; a number is no name", ">\nACGT\n>b\nACGT\n",
            new AttributionOptions { Region = new("1", 0, 2) });
        SubstitutionEffects named = new Attribution(small.PreTrained(), new AttributionOptions { Region = new("1", 0, 2) })
            .Run(SmallModels.Records(">\nACGT\n>1\nACGT\n")).Single();
        Assert.Equal(2, named.Number);
    }

    [Fact]
    public void Faults_name_the_record_and_the_way_out()
    {
        Refused("record 1 'a', line 1: it has 10 bases, and the region ends at 11", ">a\nACGTACGTAC\n",
            new AttributionOptions { Region = new(null, 0, 11) });
        Refused("there is no record 'b'", ">a\nACGT\n", new AttributionOptions { Region = new("b", 0, 2) });
        Refused("record 1 'a', line 1: it has no A, C, G or T", ">a\nNNN\n", new AttributionOptions());
        Assert.Throws<ArgumentException>(
            () => new Attribution(small.PreTrained(), new AttributionOptions { Target = AttributionTarget.Class }));
        Assert.Throws<ArgumentException>(() => new Attribution(small.PreTrained(), new AttributionOptions { Class = "weak" }));
        Assert.Throws<ArgumentException>(() => new Attribution(small.PreTrained(), new AttributionOptions { Window = 7 }));
        Assert.Throws<ArgumentException>(() => new Attribution(small.PreTrained(), new AttributionOptions { Region = new(null, 4, 4) }));
        ArgumentException unknown = Assert.Throws<ArgumentException>(
            () => new Attribution(small.FineTuned(TaskKind.SingleLabel), new AttributionOptions { Class = "huge" }));
        Assert.Contains("none, weak, strong", unknown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Progress_reaches_its_end_and_cancelling_ends_between_batches()
    {
        var seen = new List<AttributionProgress>();
        var attribution = new Attribution(small.PreTrained(), new AttributionOptions { BatchTokens = 100 });
        string fasta = $">a\n{SmallModels.Dna(7, 60)}\n>b\n{SmallModels.Dna(8, 40)}\n";
        Assert.Equal(2, attribution.Run(SmallModels.Records(fasta), new Watch(seen.Add)).Count());
        Assert.Equal((100, 100), (seen[^1].BasesDone, seen[^1].BasesFound));
        Assert.Equal(seen.Select(s => s.BasesDone).Order(), seen.Select(s => s.BasesDone));
        using var source = new CancellationTokenSource();
        Assert.Throws<OperationCanceledException>(
            () => attribution.Run(SmallModels.Records(fasta), new Watch(_ => source.Cancel()), source.Token).Count());
    }

    [Fact]
    public void Substitutions_in_one_token_share_their_passes()
    {
        var seen = new List<AttributionProgress>();
        string dna = SmallModels.Dna(9, 100);
        _ = new Attribution(small.PreTrained()).Run(SmallModels.Records($">a\n{dna}\n"), new Watch(seen.Add)).Count();
        int tokens = small.Plain.Tokens(dna).Count + 2;
        // One pass for each of 300 mutants and one for the sequence would be 301.
        Assert.True(seen[^1].TokensDone < 200L * tokens, $"{seen[^1].TokensDone} tokens of {tokens} a pass");
    }

    private static string Turned(string bases) => Tests.Field.StrandTests.Turned(bases);

    private void Refused(string message, string fasta, AttributionOptions options) => Assert.Contains(
        message,
        Assert.Throws<InvalidDataException>(
            () => new Attribution(small.PreTrained(), options).Run(SmallModels.Records(fasta)).Count()).Message, StringComparison.Ordinal);

    private static SubstitutionEffects Single(InterpretedModel model, string dna, AttributionOptions options) =>
        new Attribution(model, options).Run(SmallModels.Records($">a\n{dna}\n")).Single();

    private static (double Probability, double LogOdds) Score(double[] logits, int label, TaskKind kind)
    {
        if (kind == TaskKind.Regression) return (logits[label], logits[label]);
        double p = kind == TaskKind.MultiLabel ? 1 / (1 + Math.Exp(-logits[label])) : Math.Exp(logits[label]) / logits.Sum(Math.Exp);
        return (p, Math.Log(p / (1 - p)));
    }

    /// <summary>Every substitution with its effect; the base that stands there has 0.</summary>
    private static void ForEach(string dna, SubstitutionEffects effects, Action<int, int, string, double> check)
    {
        Assert.Equal(dna, Encoding.ASCII.GetString(effects.Bases.Span));
        Assert.Equal(4 * dna.Length, effects.Effects.Length);
        for (int at = 0; at < dna.Length; at++)
        {
            if (dna[at] == 'N') continue;
            for (int b = 0; b < 4; b++)
            {
                float effect = effects.Effects.Span[(4 * at) + b];
                if ("ACGT"[b] == dna[at]) Assert.Equal(0, effect);
                else check(at, b, dna[..at] + "ACGT"[b] + dna[(at + 1)..], effect);
            }
        }
    }

    private sealed class Watch(Action<AttributionProgress> see) : IProgress<AttributionProgress>
    {
        public void Report(AttributionProgress value) => see(value);
    }
}
