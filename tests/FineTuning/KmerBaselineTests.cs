using System.Text.Json;
using Dnabert2.FineTuning;
using Dnabert2.FineTuning.Baselines;
using Dnabert2.Metrics;

namespace Tests.FineTuning;

public class KmerBaselineTests
{
    private static readonly JsonElement Golden = JsonDocument.Parse(
        File.ReadAllBytes(Path.Combine(SharedData.Checkout, "tests", "FineTuning", "kmer_case.json"))).RootElement;

    [Fact]
    public void Probabilities_are_those_of_scikit_learn()
    {
        using TaskFolder folder = GoldenTask();
        LabelledTask task = LabelledTask.Read(folder.Path);
        var options = new KmerOptions { Lambdas = [Golden.GetProperty("lambda").GetDouble()], Tolerance = 1e-9, Iterations = 2000 };
        float[] logits = KmerBaseline.Train(task.Train!, task.Dev!, options).Logits(task.Dev!);
        double[] row = new double[3];
        foreach ((int r, JsonElement expected) in Golden.GetProperty("probabilities").EnumerateArray().Index())
        {
            Probabilities.Of(TaskKind.SingleLabel, logits.AsSpan(3 * r, 3), row);
            for (int c = 0; c < 3; c++) Assert.InRange(row[c] - expected[c].GetDouble(), -1e-6, 1e-6);
        }
    }

    [Fact]
    public void The_strength_of_the_lowest_dev_loss_is_chosen_and_its_fit_kept()
    {
        using TaskFolder folder = GoldenTask();
        LabelledTask task = LabelledTask.Read(folder.Path);
        var options = new KmerOptions { Lambdas = [10, 1e-5, 1e-9] };
        KmerBaseline found = KmerBaseline.Train(task.Train!, task.Dev!, options);
        Assert.Equal(1e-5, found.Lambda);
        Assert.Equal(found.Tried.Min(t => t.DevLoss), found.DevLoss);
        float[] logits = found.Logits(task.Dev!);
        double loss = task.Dev!.Index()
            .Average(
                row => LogisticLoss.Softmax(
                    logits[(3 * row.Index)..((3 * row.Index) + 3)].Select(v => (double)v).ToArray(), row.Item.Target.Class));
        Assert.Equal(found.DevLoss, loss, 6);
    }

    [Fact]
    public void The_fit_does_not_depend_on_the_number_of_threads()
    {
        using TaskFolder folder = GoldenTask();
        LabelledTask task = LabelledTask.Read(folder.Path);
        float[] one = KmerBaseline.Train(task.Train!, task.Dev!, new KmerOptions { Threads = 1 }).Logits(task.Test!);
        Assert.Equal(one, KmerBaseline.Train(task.Train!, task.Dev!, new KmerOptions { Threads = 5 }).Logits(task.Test!));
    }

    [Fact]
    public void The_gradient_is_that_of_the_loss()
    {
        using TaskFolder folder = GoldenTask();
        LabelledSet train = LabelledTask.Read(folder.Path).Train!;
        KmerCounts counts = KmerCounts.Count(train, 2, pairs: false);
        var loss = new LogisticLoss(counts, [.. train.Select(r => r.Target.Class)], 3, new ParallelOptions()) { Lambda = 0.1 };
        double[] x = [.. Enumerable.Range(0, loss.Size).Select(i => Math.Sin(i))], gradient = new double[x.Length],
            other = new double[x.Length];
        loss.Evaluate(x, gradient);
        for (int i = 0; i < x.Length; i += 5)
        {
            double at = x[i];
            x[i] = at + 1e-6;
            double above = loss.Evaluate(x, other);
            x[i] = at - 1e-6;
            double below = loss.Evaluate(x, other);
            x[i] = at;
            Assert.Equal((above - below) / 2e-6, gradient[i], 1e-8);
        }
    }

    [Fact]
    public void Each_sequence_of_a_pair_has_kmers_of_its_own()
    {
        using var folder = new TaskFolder("AAAA,CCCC,0\nCCCC,AAAA,1\nAAAA,CCNCC,0\nCCCCC,AAAA,1\n", "AAAAAA,CCCC,0\nCCCC,AAAA,1\n",
            "AAAA,CCCC,0\n", "sequence1,sequence2,label");
        LabelledTask task = LabelledTask.Read(folder.Path);
        KmerBaseline baseline = KmerBaseline.Train(task.Train!, task.Dev!, new KmerOptions { K = 3 });
        float[] logits = baseline.Logits(task.Dev!);
        Assert.True(logits[0] > logits[1] && logits[2] < logits[3], string.Join(' ', logits));
        KmerCounts counts = KmerCounts.Count(task.Train!, 3, pairs: true);
        Assert.Equal([0], counts.Columns(2).ToArray());
        Assert.Equal((128, 2f), (counts.Width, counts.Values(0)[0]));
    }

    [Fact]
    public void Real_promoters_are_told_apart()
    {
        LabelledTask task = LabelledTask.Read(SharedData.Path("gue/prom/prom_core_tata"));
        KmerBaseline baseline = KmerBaseline.Train(task.Train!, task.Dev!, new KmerOptions { Lambdas = [1e-2, 1e-3], Tolerance = 1e-4 });
        TaskScores scores = TaskScores.Compute(TaskKind.SingleLabel, [.. task.Test!.Select(r => r.Target)], baseline.Logits(task.Test!));
        Assert.InRange(scores[Metric.Mcc], 0.4, 0.6);
    }

    [Fact]
    public void What_cannot_be_fitted_is_refused()
    {
        using var folder = new TaskFolder("ACGT,0\nGGCC,1\n", "ACGT,0\n", "ACGT,0\n");
        LabelledTask task = LabelledTask.Read(folder.Path);
        Assert.Contains("no sequence has 6 known bases",
            Assert.Throws<InvalidDataException>(() => KmerBaseline.Train(task.Train!, task.Dev!)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => KmerBaseline.Train(task.Train!, task.Dev!, new KmerOptions { K = 9 }));
        Assert.Throws<OperationCanceledException>(
            () => KmerBaseline.Train(task.Train!, task.Dev!, new KmerOptions { K = 2 }, new CancellationToken(true)));
        LabelledTask numbers = LabelledTask.Read(folder.Path, TaskKind.Regression);
        Assert.Throws<ArgumentException>(() => KmerBaseline.Train(numbers.Train!, numbers.Dev!, new KmerOptions { K = 2 }));
    }

    private static TaskFolder GoldenTask()
    {
        string[] lines = [.. Golden.GetProperty("rows").EnumerateArray().Zip(Golden.GetProperty("labels").EnumerateArray())
            .Select(r => $"{r.First.GetString()},{r.Second.GetInt32()}\n")];
        int train = Golden.GetProperty("train").GetInt32();
        return new TaskFolder(string.Concat(lines[..train]), string.Concat(lines[train..]), string.Concat(lines[train..]));
    }
}
