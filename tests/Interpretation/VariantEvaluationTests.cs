using Dnabert2.Interpretation;
using Dnabert2.Sequences;

namespace Tests.Interpretation;

public sealed class VariantEvaluationTests(SmallModels small) : IClassFixture<SmallModels>
{
    private static readonly string One = SmallModels.Dna(71, 300);

    [Fact]
    public void Each_score_is_ranked_over_all_and_in_each_group_as_pairs_are_counted()
    {
        VariantScorer scorer = Scorer(VariantScores.Distances | VariantScores.Classes);
        var evaluation = new VariantEvaluation(scorer.Columns, ["bad", "worse"], ["good"]);
        var random = new Random(3);
        var rows = new List<(string Label, string Group, VariantScore Score)>();
        foreach (VariantScore score in scorer.Score(Enumerable.Range(20, 60).Select(at =>
            new Variant(at, "one", at, ".", One.Substring(at - 1, 1), at % 9 == 0 ? "*" : One[at - 1] == 'A' ? "C" : "A"))))
        {
            string label = new[] { "bad", "worse", "good", "good", "unsure", "" }[random.Next(6)];
            string group = new[] { "x", "y", "" }[random.Next(3)];
            evaluation.Add(score, label, group);
            rows.Add((label, group, score));
        }

        bool HasLabel((string Label, string, VariantScore) row) => row.Label is "bad" or "worse" or "good";
        (string Label, string Group, VariantScore Score)[] used =
            [.. rows.Where(row => HasLabel(row) && row.Score.Status == VariantStatus.Scored)];
        Assert.Equal(used.Length, evaluation.Count);
        Assert.Equal(used.Count(row => row.Label != "good"), evaluation.Positives);
        Assert.Equal(rows.Count(row => !HasLabel(row)), evaluation.Unlabelled);
        Assert.Equal(rows.Count(row => HasLabel(row) && row.Score.Status != VariantStatus.Scored), evaluation.NotScored);
        IReadOnlyList<VariantMetrics> results = evaluation.Results();
        Assert.Equal(
            new string?[] { null, "x", "y" }.SelectMany(group => new[] { "cosine_distance", "euclidean_distance", "|change_none|",
                "|change_weak|", "|change_strong|" }.Select(by => (group, by))),
            results.Select(row => (row.Group, row.RankedBy)));
        foreach (VariantMetrics row in results)
        {
            Func<VariantScore, double> of = row.RankedBy switch
            {
                "cosine_distance" => s => s.CosineDistance,
                "euclidean_distance" => s => s.EuclideanDistance,
                "|change_none|" => s => Math.Abs(s.ProbabilityChanges[0]),
                "|change_weak|" => s => Math.Abs(s.ProbabilityChanges[1]),
                _ => s => Math.Abs(s.ProbabilityChanges[2]),
            };
            (bool Positive, float Score)[] group =
                [.. used.Where(r => row.Group is null || r.Group == row.Group).Select(r => (r.Label != "good", (float)of(r.Score)))];
            Assert.Equal((group.Length, group.Count(r => r.Positive)), ((int)row.Variants, (int)row.Positives));
            Assert.Equal(Auroc(group), row.Auroc, 1e-12);
            Assert.Equal(AveragePrecision(group), row.AveragePrecision, 1e-12);
        }
    }

    [Fact]
    public void The_less_probable_a_variant_the_higher_its_rank()
    {
        VariantScorer scorer = Scorer(VariantScores.Likelihood);
        VariantScore[] scores = [.. scorer.Score(Enumerable.Range(20, 20).Select(at =>
            new Variant(at, "one", at, ".", One.Substring(at - 1, 1), One[at - 1] == 'A' ? "C" : "A")))];
        double median = scores.Select(s => s.LikelihoodChange).Order().ElementAt(10);
        var evaluation = new VariantEvaluation(scorer.Columns, ["1"]);
        foreach (VariantScore score in scores) evaluation.Add(score, score.LikelihoodChange < median ? "1" : "0");
        VariantMetrics first = evaluation.Results()[0];
        Assert.Equal(("-likelihood_change", 1.0, 1.0, 20, 10),
            (first.RankedBy, first.Auroc, first.AveragePrecision, (int)first.Variants, (int)first.Positives));
    }

    [Fact]
    public void Without_both_kinds_there_is_no_number_and_wrong_labels_are_refused()
    {
        VariantScorer scorer = Scorer(VariantScores.Distances);
        var evaluation = new VariantEvaluation(scorer.Columns, ["1"]);
        Assert.All(evaluation.Results(), row => Assert.True(row.Variants == 0 && double.IsNaN(row.Auroc)));
        evaluation.Add(scorer.Score([new(1, "one", 20, ".", One.Substring(19, 1), One[19] == 'A' ? "C" : "A")]).Single(), "1");
        Assert.All(
            evaluation.Results(),
            row => Assert.True(row.Positives == 1 && double.IsNaN(row.Auroc) && double.IsNaN(row.AveragePrecision)));
        Assert.Throws<ArgumentException>(() => new VariantEvaluation(scorer.Columns, []));
        Assert.Contains("'b' is both", Assert.Throws<ArgumentException>(
            () => new VariantEvaluation(scorer.Columns, ["a", "b"], ["b"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Groups_without_number_are_refused()
    {
        VariantScorer scorer = Scorer(VariantScores.Distances);
        VariantScore score = scorer.Score([new(7, "one", 20, ".", One.Substring(19, 1), One[19] == 'A' ? "C" : "A")]).Single();
        var evaluation = new VariantEvaluation(scorer.Columns, ["1"]);
        for (int i = 0; i < VariantEvaluation.MostGroups; i++) evaluation.Add(score, "1", $"g{i}");
        Assert.Contains("line 7: there are more than 1000 groups",
            Assert.Throws<InvalidDataException>(() => evaluation.Add(score, "0", "one more")).Message, StringComparison.Ordinal);
    }

    /// <summary>The share of pairs of a positive and a negative in which the positive is higher, equal ones counted half.</summary>
    private static double Auroc((bool Positive, float Score)[] rows) =>
        rows.Where(r => r.Positive)
            .SelectMany(p => rows.Where(r => !r.Positive).Select(n => p.Score > n.Score ? 1 : p.Score == n.Score ? 0.5 : 0)).Average();

    /// <summary>The mean over positives of the precision among all that are at least as high.</summary>
    private static double AveragePrecision((bool Positive, float Score)[] rows) =>
        rows.Where(r => r.Positive).Average(p =>
            (double)rows.Count(r => r.Positive && r.Score >= p.Score) / rows.Count(r => r.Score >= p.Score));

    private VariantScorer Scorer(VariantScores scores) => new(
        small.FineTuned(Dnabert2.FineTuning.TaskKind.SingleLabel), GenomeTests.Of($">one\n{One}\n"),
        new VariantOptions { Window = 32, Scores = scores });
}
