using System.Text;
using Dnabert2;
using Dnabert2.Cnn;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Tools;
using Tests.Training;
using Tests.Weights;

namespace Tests.Cnn;

/// <summary>The network is trained from the start on a labelled task, which decides its vocabulary and length.</summary>
[Trait("Category", "Slow")]
public sealed class CnnTrainingTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly Backend _backend = CpuBackend.Create(2);

    private static FineTuneOptions Recipe { get; } = NewNetwork.Recipe with { Batch = 16, Steps = 24, EvaluateEvery = 8 };

    public void Dispose()
    {
        _backend.Dispose();
        _folder.Dispose();
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void The_loss_falls_and_the_folder_gives_the_predictions_that_were_measured(int classes)
    {
        LabelledTask task = Task(classes);
        ModelSource start = NewNetwork.Write(task, _folder["start"]);
        var losses = new List<double>();
        using var run = new FineTuner(start, task, _folder["run"], Recipe, _backend);
        FineTuneResult result = run.Run(new Report<FineTuneProgress>(p => losses.Add(p.Loss)));
        Assert.True(losses[^4..].Average() < losses[..4].Average() - 0.05, $"the loss was {losses[0]} and is {losses[^1]}");
        // The network's probability is taken for a logit, so the loss never falls below this.
        if (classes == 2) Assert.All(losses, loss => Assert.True(loss > 0.313));
        using ClassifierModel classifier = ClassifierModel.Load(_folder["run"], _backend);
        Assert.IsType<CnnModel>(classifier.Model);
        Assert.Equal(63, classifier.MaxTokens);
        float[] logits = classifier.Logits(TokenSequences.Of(task.Test!, classifier.Model.Tokenizer, classifier.MaxTokens));
        Target[] targets = [.. task.Test!.Select(row => row.Target)];
        double loss = new TaskLoss(new TaskConfig(task.Kind, task.Names, 63), default, [])
            .Mean(targets, classifier.Model.LossInputs(logits));
        Assert.Equal(result.TestLoss, loss, 1e-5);
        int right = targets.Where((t, i) => logits.AsSpan(i * classes, classes).IndexOf(
            logits.AsSpan(i * classes, classes).ToArray().Max()) == t.Class).Count();
        Assert.True(right > 0.6 * targets.Length, $"{right} of {targets.Length} are right");
    }

    [Fact]
    public void A_run_that_was_interrupted_goes_on_to_the_same_bits_and_running_statistics()
    {
        FineTuneOptions recipe = Recipe with { Steps = 12, EvaluateEvery = 4 };
        LabelledTask task = Task(2);
        ModelSource start = NewNetwork.Write(task, _folder["start"]);
        using (var whole = new FineTuner(start, task, _folder["whole"], recipe, _backend)) whole.Run();
        using (var source = new CancellationTokenSource())
        using (var run = new FineTuner(start, task, _folder["cut"], recipe, _backend))
            Assert.Throws<OperationCanceledException>(() => run.Run(new Report<FineTuneProgress>(p =>
            {
                if (p.Step == 5) source.Cancel();
            }), source.Token));
        using (var run = new FineTuner(start, task, _folder["cut"], recipe, _backend, resume: true)) run.Run();
        foreach (string file in (string[])["model.safetensors", "config.json", "vocab.txt", "evaluation.csv"])
            Assert.Equal(File.ReadAllBytes(_folder["whole/" + file]), File.ReadAllBytes(_folder["cut/" + file]));
        using CnnModel model = CnnModel.Load(_folder["whole"], _backend, trainable: true);
        Assert.All(model.Statistics, p => Assert.Contains(p.Value.Span<float>().ToArray(), v => v is not (0 or 1)));
    }

    [Fact]
    public void What_the_network_cannot_be_trained_for_is_refused()
    {
        LabelledTask task = Task(2);
        ModelSource start = NewNetwork.Write(task, _folder["start"]);
        Assert.Contains("has running statistics, which an adapter would leave behind", Assert.Throws<ArgumentException>(() => new FineTuner(
            start, task, _folder["lora"], Recipe with { Method = FineTuneMethod.Lora }, _backend)).Message, StringComparison.Ordinal);
        Assert.Contains("there are no weights", Assert.ThrowsAny<IOException>(() => new FineTuner(
            start, task, _folder["model"], Recipe with { RandomInitialization = false }, _backend)).Message, StringComparison.Ordinal);
        LabelledTask several = LabelledTask.Read(_folder["task"], TaskKind.MultiLabel);
        Assert.Contains("tells one class of several", Assert.Throws<InvalidDataException>(
            () => NewNetwork.Write(several, _folder["several"])).Message, StringComparison.Ordinal);
        Assert.Contains("tells one class of several", Assert.Throws<InvalidDataException>(
            () => new FineTuner(start, several, _folder["several"], Recipe, _backend)).Message, StringComparison.Ordinal);

        // A vocabulary of rows of one length has no padding, so that others cannot be taken.
        LabelledTask equal = Task(2, differ: false, name: "equal");
        ModelSource exact = NewNetwork.Write(equal, _folder["exact"]);
        File.AppendAllText(_folder["equal/dev.csv"], new string('A', 58) + ",0\n");
        Assert.Contains("dev, row 17: the sequence has 60 tokens, and this model takes exactly 62", Assert.Throws<InvalidDataException>(
            () => new FineTuner(exact, LabelledTask.Read(_folder["equal"]), _folder["equal-run"], Recipe, _backend)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_tool_trains_it_from_one_command_and_predicts_with_it()
    {
        Task(2);
        string[] train = ["finetune", "--model", "cnn", "--data", _folder["task"], "-o", _folder["run"], "--epochs", "2", "--threads", "2"];
        ToolRun run = ToolRun.Of(train).Succeeds();
        Assert.Contains("encoder, classifier", run.Error, StringComparison.Ordinal);
        ToolRun again = ToolRun.Of([.. train, "--resume"]).Succeeds();
        Assert.Equal(run.Text, again.Text);
        ToolRun predicted = ToolRun.Of(
            "predict", _folder["task/test.csv"], "--model", _folder["run"], "--threads", "2").Succeeds();
        Assert.Equal(17, predicted.Lines.Length);
        Assert.Equal(predicted.Lines.Length, ToolRun.Of(
            "predict", _folder["task/test.csv"], "--model", _folder["run"], "--rc-average", "--threads", "2").Succeeds().Lines.Length);
        Assert.Matches("(?m)^missing +nothing", ToolRun.Of("info", _folder["run"]).Succeeds().Text);
    }

    /// <summary>Writes and reads a task of sequences of about 60 bases: which base is frequent decides.</summary>
    private LabelledTask Task(int classes, bool differ = true, string name = "task")
    {
        Directory.CreateDirectory(_folder[name]);
        foreach ((string part, int rows, uint seed) in new[] { ("train", 64, 1u), ("dev", 16, 2u), ("test", 16, 3u) })
        {
            var csv = new StringBuilder("sequence,label\n");
            var random = new Philox(seed, 1, 0);
            for (int i = 0; i < rows; i++)
            {
                int label = i % classes, length = differ && i % 5 == 1 ? 57 : 60;
                for (int j = 0; j < length; j++)
                {
                    uint word = random.Word((ulong)((100 * i) + j));
                    csv.Append(word % 8 < 5 ? "ACG"[label] : "ACGT"[(int)(word >> 8) % 4]);
                }

                csv.Append(',').Append(label).Append('\n');
            }

            File.WriteAllText(_folder[$"{name}/{part}.csv"], csv.ToString());
        }

        return LabelledTask.Read(_folder[name]);
    }
}
