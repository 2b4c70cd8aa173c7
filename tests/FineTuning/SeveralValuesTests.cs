using System.Globalization;
using Dnabert2.FineTuning;
using Engine.Runtime;
using Tests.Tools;

namespace Tests.FineTuning;

[Trait("Category", "Slow")]
public sealed class SeveralValuesTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly ToyTask _toy;

    public SeveralValuesTests() => _toy = new ToyTask(_backend);

    public void Dispose()
    {
        _toy.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void A_regression_of_several_values_learns_each_and_predicts_each_under_its_name()
    {
        _toy.Task(TaskKind.Regression, train: 120, name: "several");
        // The second value falls as the first rises, the third does neither.
        foreach (string part in (string[])["train", "dev", "test"])
        {
            string file = Path.Combine(_toy["several"], part + ".csv");
            File.WriteAllLines(file, File.ReadAllLines(file).Select((line, i) => i == 0 ? line
                : line + ";" + (-2 * double.Parse(line.Split(',')[1], CultureInfo.InvariantCulture)).ToString(CultureInfo.InvariantCulture)
                    + (i % 2 == 0 ? ";1" : ";-1")));
        }

        LabelledTask task = LabelledTask.Read(_toy["several"], TaskKind.Regression);
        FineTuneOptions recipe = ToyTask.With(FineTuneMethod.Full) with
        {
            Steps = 300,
            Batch = 16,
            LearningRate = 4e-3,
            EvaluateEvery = 100,
            Dropout = 0,
            MaxTokens = 40,
        };
        FineTuneResult result;
        using (var run = new FineTuner(_toy.Start, task, _toy["run"], recipe, _backend)) result = run.Run();
        using ClassifierModel classifier = ClassifierModel.Load(_toy["run"], _backend);
        Assert.Equal(["value_1", "value_2", "value_3"], classifier.Outputs);
        float[] logits = classifier.Logits(TokenSequences.Of(task.Test!, classifier.Model.Tokenizer, classifier.MaxTokens));
        int rows = task.Test!.Count;
        Assert.Equal(3 * rows, logits.Length);
        double[] r2 = new double[3];
        double error = 0;
        for (int value = 0; value < 3; value++)
        {
            double[] truth = [.. task.Test.Select(row => (double)row.Target.Values[value])];
            double[] predicted = [.. Enumerable.Range(0, rows).Select(row => (double)logits[(3 * row) + value])];
            r2[value] = 1 - (Squares(predicted) / Squares([.. truth.Select(_ => truth.Average())]));
            error += Squares(predicted) / rows / 3;

            double Squares(double[] others) => truth.Zip(others, (t, o) => (t - o) * (t - o)).Sum();
        }

        Assert.InRange(r2[0], 0.5, 1);
        Assert.InRange(r2[1], 0.5, 1);
        Assert.Equal(r2.Average(), result.Test["r2"], 1e-4);
        Assert.Equal(error, result.TestLoss, 1e-4);
        string[] lines = ToolRun.Of("predict", Path.Combine(_toy["several"], "test.csv"), "--model", _toy["run"], "-q").Succeeds().Lines;
        Assert.Equal("id\tvalue_1\tvalue_2\tvalue_3\ttruncated", lines[0]);
        for (int value = 0; value < 3; value++)
            Assert.Equal(logits[value], float.Parse(lines[1].Split('\t')[1 + value], CultureInfo.InvariantCulture), 1e-5f);
    }
}
