using System.Text.Json;
using Dnabert2.FineTuning;
using Dnabert2.Metrics;

namespace Tests.Metrics;

public class MetricTests
{
    private const double Tolerance = 1e-12;

    private static readonly JsonElement Golden = JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(SharedData.Checkout, "tests", "Metrics", "sklearn_cases.json"))).RootElement;

    public static TheoryData<string> Names =>
        [.. Golden.GetProperty("cases").EnumerateArray().Select(c => c.GetProperty("name").GetString()!)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_metric_equals_that_of_scikit_learn(string name)
    {
        JsonElement golden = Golden.GetProperty("cases").EnumerateArray().Single(c => c.GetProperty("name").GetString() == name);
        TaskKind kind = ProblemTypes.Find(golden.GetProperty("kind").GetString()!)!.Value;
        Target[] truth = [.. golden.GetProperty("truth").EnumerateArray().Select(t => ToTarget(kind, t))];
        float[] logits =
            [.. golden.GetProperty("logits").EnumerateArray().SelectMany(row => row.EnumerateArray()).Select(v => v.GetSingle())];
        TaskScores scores = TaskScores.Compute(kind, truth, logits);
        Assert.All(scores.Metrics, metric =>
        {
            JsonElement expected = golden.GetProperty(metric.Name());
            if (expected.ValueKind == JsonValueKind.Null) Assert.True(double.IsNaN(scores[metric]), $"{metric} is {scores[metric]}");
            else Assert.InRange(scores[metric], expected.GetDouble() - Tolerance, expected.GetDouble() + Tolerance);
        });
        Assert.All(Enum.GetValues<Metric>().Except(scores.Metrics), metric => Assert.True(double.IsNaN(scores[metric])));
    }

    [Fact]
    public void The_stored_cases_say_which_versions_made_them() =>
        Assert.Matches("scikit-learn [0-9.]+, SciPy [0-9.]+", Golden.GetProperty("made_by").GetString());

    [Fact]
    public void The_areas_are_those_under_the_curves()
    {
        bool[] positive = [true, false, true, true, false, false, true, false];
        double[] scores = [0.9, 0.9, 0.8, 0.7, 0.7, 0.3, 0.3, 0.1];
        var ranking = new Ranking(positive, scores);
        IReadOnlyList<CurvePoint> roc = ranking.RocCurve(), recall = ranking.PrecisionRecallCurve();
        Assert.Equal((new CurvePoint(0, 0), new CurvePoint(1, 1)), (roc[0], roc[^1]));
        double area = 0, steps = 0;
        for (int i = 1; i < roc.Count; i++) area += (roc[i].X - roc[i - 1].X) * (roc[i].Y + roc[i - 1].Y) / 2;
        for (int i = 0; i < recall.Count; i++) steps += (recall[i].X - (i == 0 ? 0 : recall[i - 1].X)) * recall[i].Y;
        Assert.Equal(ranking.Auroc, area, 12);
        Assert.Equal(ranking.AveragePrecision, steps, 12);
        Assert.Equal(5, recall.Count);
    }

    [Fact]
    public void Nothing_is_measured_of_nothing_or_of_what_is_no_number()
    {
        Assert.Throws<ArgumentException>(() => TaskScores.Compute(TaskKind.SingleLabel, [], []));
        Assert.Throws<ArgumentException>(() => new Ranking([], []));
        Assert.Throws<ArgumentException>(() => new ConfusionMatrix([], [], 2));
        Assert.Throws<ArgumentException>(() => new ConfusionMatrix([0, 2], [0, 1], 2));
        Assert.Throws<ArgumentException>(() => Regression.R2([1], [1, 2]));
        Assert.Throws<ArgumentException>(() => TaskScores.Compute(TaskKind.SingleLabel, [Target.OfClass(0), Target.OfClass(1)], [1, 2, 3]));
        ArgumentException e = Assert.Throws<ArgumentException>(
            () => TaskScores.Compute(TaskKind.SingleLabel, [Target.OfClass(0), Target.OfClass(1)], [1, 2, float.NaN, 0]));
        Assert.Contains("row 1", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Probabilities_of_large_outputs_are_numbers_and_sum_to_one()
    {
        double[] p = new double[3];
        Probabilities.Of(TaskKind.SingleLabel, [3e38f, 3e38f, -3e38f], p);
        Assert.Equal([0.5, 0.5, 0], p);
        Probabilities.Of(TaskKind.MultiLabel, [800, -800, 0], p);
        Assert.Equal([1, 0, 0.5], p);
        Probabilities.Of(TaskKind.Regression, [1.5f], p);
        Assert.Equal(1.5, p[0]);
        Assert.Equal(1, Probabilities.Likeliest([1, 3, 3]));
    }

    private static Target ToTarget(TaskKind kind, JsonElement truth) => kind switch
    {
        TaskKind.SingleLabel => Target.OfClass(truth.GetInt32()),
        TaskKind.Regression => Target.OfValues(truth.GetSingle()),
        _ => Target.OfClasses([.. truth.EnumerateArray().Index().Where(c => c.Item.GetInt32() == 1).Select(c => c.Index)]),
    };
}
