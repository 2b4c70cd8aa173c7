using System.Text.Json;
using Dnabert2.FineTuning;
using Dnabert2.Metrics;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Case 27: all test rows are of one class, and metrics still are what they are by hand, or said to be undefined.</summary>
public sealed class OneClassTestSetCases(ToyModel toy) : IClassFixture<ToyModel>
{
    [Fact]
    public void Of_nine_rows_of_one_class_two_of_them_missed_every_metric_is_the_one_by_hand()
    {
        int[] predicted = [1, 1, 2, 1, 1, 1, 2, 1, 1];
        float[] logits = [.. predicted.SelectMany(c => Enumerable.Range(0, 3).Select(i => i == c ? 1f : 0f))];
        TaskScores scores = TaskScores.Compute(TaskKind.SingleLabel, [.. predicted.Select(_ => Target.OfClass(1))], logits);
        // Class 1: precision 1, recall 7/9, F1 0.875; class 2 is predicted and never true; class 0 does not occur.
        Assert.Equal(7 / 9.0, scores[Metric.Accuracy], 1e-12);
        Assert.Equal(0.875 / 2, scores[Metric.MacroF1], 1e-12);
        Assert.Equal(0, scores[Metric.Mcc]);
        Assert.True(double.IsNaN(scores[Metric.Auroc]));
        Assert.Equal(1 / 3.0, scores[Metric.Auprc], 1e-12);
    }

    [Fact]
    public void A_fine_tuning_whose_test_rows_are_of_one_class_ends_with_the_metrics_of_its_predictions()
    {
        string data = SharedData.Path("cases/27-test-set-one-class");
        using var folder = new TempFolder();
        ToolRun.Of("finetune", "--data", data, "-o", folder["run"], "--model", toy.Folder, "--steps", "6", "--batch", "8", "--warmup", "1",
            "--lr", "1e-2").Succeeds();
        ToolRun predictions = ToolRun.Of("predict", Path.Combine(data, "test.csv"), "--model", folder["run"]).Succeeds();
        int column = Array.IndexOf(predictions.Lines[0].Split('\t'), "label");
        string[] labels = [.. predictions.Lines.Skip(1).Select(line => line.Split('\t')[column])];
        double right = labels.Count(label => label == "1"), rows = labels.Length;
        using JsonDocument json = JsonDocument.Parse(File.ReadAllText(folder["run/finetune.json"]));
        JsonElement test = json.RootElement.GetProperty("result").GetProperty("test");
        Assert.Equal(right / rows, test.GetProperty("accuracy").GetDouble(), 1e-9);
        Assert.Equal(2 * right / (rows + right) / labels.Append("1").Distinct().Count(), test.GetProperty("f1_macro").GetDouble(), 1e-9);
        Assert.Equal(0, test.GetProperty("mcc").GetDouble());
        Assert.Equal(JsonValueKind.Null, test.GetProperty("auroc").ValueKind);
        Assert.Equal(1 / 3.0, test.GetProperty("auprc").GetDouble(), 1e-9);
    }
}
