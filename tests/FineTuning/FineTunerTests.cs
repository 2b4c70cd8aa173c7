using System.Runtime.InteropServices;
using System.Text.Json;
using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Training;

namespace Tests.FineTuning;

[Trait("Category", "Slow")]
public sealed class FineTunerTests : IDisposable
{
    private static readonly string[] ModelFiles = ["config.json", "model.safetensors", "tokenizer.json", "evaluation.csv"];
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly ToyTask _toy;

    public FineTunerTests() => _toy = new ToyTask(_backend);

    public void Dispose()
    {
        _toy.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [InlineData(FineTuneMethod.Full, TaskKind.SingleLabel)]
    [InlineData(FineTuneMethod.Lora, TaskKind.SingleLabel)]
    [InlineData(FineTuneMethod.Full, TaskKind.MultiLabel)]
    [InlineData(FineTuneMethod.Full, TaskKind.Regression)]
    public void It_learns_and_the_folder_gives_the_predictions_that_were_measured(FineTuneMethod method, TaskKind kind)
    {
        LabelledTask task = _toy.Task(kind, train: 120, pairs: kind == TaskKind.MultiLabel);
        FineTuneOptions recipe = ToyTask.With(method) with
        {
            Steps = 300,
            Batch = 16,
            LearningRate = 4e-3,
            EvaluateEvery = 100,
            Dropout = 0,
            MaxTokens = 40,
        };
        var losses = new List<double>();
        using var run = new FineTuner(_toy.Start, task, _toy["run"], recipe, _backend);
        Assert.Equal(["pooler", "classifier"], run.NewWeights);
        FineTuneResult result = run.Run(new Report<FineTuneProgress>(p =>
        {
            if (p.DevLoss is { } loss) losses.Add(loss);
        }));
        Assert.Equal(3, losses.Count);
        Assert.Equal(losses.Min(), result.DevLoss, 1e-12);
        if (kind == TaskKind.Regression) Assert.InRange(result.Test["r2"], 0.5, 1);
        else Assert.InRange(result.Test["f1_macro"], 0.8, 1);

        using ClassifierModel classifier = ClassifierModel.Load(_toy["run"], _backend);
        Assert.Equal((kind, 40), (classifier.Kind, classifier.MaxTokens));
        Assert.Equal(task.Names, classifier.Names);
        TokenSequences sequences = TokenSequences.Of(task.Test!, classifier.Model.Tokenizer, classifier.MaxTokens);
        float[] logits = classifier.Logits(sequences), few = classifier.Logits(sequences, batchTokens: 50);
        var scores = Dnabert2.Metrics.TaskScores.Compute(kind, [.. task.Test!.Select(r => r.Target)], logits);
        foreach (Dnabert2.Metrics.Metric metric in scores.Metrics)
            Assert.Equal(result.Test[Dnabert2.Metrics.MetricNames.Name(metric)], scores[metric], 1e-4);
        for (int i = 0; i < logits.Length; i++) Assert.Equal(logits[i], few[i], 1e-5);
        Assert.False(Directory.Exists(_toy["run/checkpoints"]));
        Assert.True(File.Exists(_toy["run/loss.svg"]));
        FineTuneResult read = FineTuneResult.Of(_toy["run"])!;
        Assert.Equal(
            (result.BestStep, result.DevLoss, result.TestLoss, result.Seconds), (read.BestStep, read.DevLoss, read.TestLoss, read.Seconds));
        Assert.Equal(result.Test, read.Test);
    }

    [Fact]
    public void What_is_not_trained_stays_and_has_no_gradient()
    {
        LabelledTask task = _toy.Task();
        using Dnabert2Model start = Dnabert2Model.Load(_toy.Start, _backend, ModelParts.Encoder, trainable: true);
        using (var run = new FineTuner(_toy.Start, task, _toy["head"], ToyTask.With(FineTuneMethod.Head), _backend))
        {
            (long trained, long all) = run.Parameters;
            Assert.Equal((24 * 24) + 24 + (3 * 24) + 3, trained);
            Assert.Equal(start.Parameters.Count + trained, all);
            run.Run();
        }

        using Dnabert2Model head = Dnabert2Model.Load(_toy["head"], _backend, ModelParts.Encoder, trainable: true);
        Assert.Equal(Toy.Weights(start), Toy.Weights(head));
        using (var run = new FineTuner(_toy.Start, task, _toy["full"], ToyTask.With(FineTuneMethod.Full), _backend)) run.Run();
        using Dnabert2Model full = Dnabert2Model.Load(_toy["full"], _backend, ModelParts.Encoder, trainable: true);
        Assert.NotEqual(Toy.Weights(start), Toy.Weights(full));
    }

    [Fact]
    public void Two_runs_with_one_seed_are_bit_equal_and_another_seed_is_another_run()
    {
        LabelledTask task = _toy.Task();
        foreach ((string name, ulong seed) in new[] { ("a", 1ul), ("b", 1ul), ("c", 2ul) })
        {
            using var run = new FineTuner(_toy.Start, task, _toy[name], ToyTask.Recipe with { Seed = seed }, _backend);
            run.Run();
        }

        foreach (string file in ModelFiles) Assert.Equal(File.ReadAllBytes(_toy["a/" + file]), File.ReadAllBytes(_toy["b/" + file]));
        Assert.NotEqual(File.ReadAllBytes(_toy["a/model.safetensors"]), File.ReadAllBytes(_toy["c/model.safetensors"]));
    }

    [Theory]
    [InlineData(FineTuneMethod.Full, 1)]
    [InlineData(FineTuneMethod.Full, 4, true)]
    [InlineData(FineTuneMethod.Lora, 7)]
    [InlineData(FineTuneMethod.Head, 9)]
    [InlineData(FineTuneMethod.Lora, 10, true)]
    public void A_run_that_was_interrupted_goes_on_to_the_same_bits(FineTuneMethod method, int stopAfter, bool bothStrands = false)
    {
        LabelledTask task = _toy.Task();
        FineTuneOptions recipe = ToyTask.With(method);
        if (bothStrands) recipe = recipe with { AugmentReverseComplement = true, AverageReverseComplement = true };
        using (var whole = new FineTuner(_toy.Start, task, _toy["whole"], recipe, _backend)) whole.Run();
        using (var source = new CancellationTokenSource())
        using (var run = new FineTuner(_toy.Start, task, _toy["cut"], recipe, _backend))
        {
            if (stopAfter == 1) source.Cancel();
            string? checkpoint = null;
            Assert.Throws<OperationCanceledException>(() => run.Run(new Report<FineTuneProgress>(p =>
            {
                checkpoint = p.Checkpoint ?? checkpoint;
                if (p.Step == stopAfter - 1) source.Cancel();
            }), source.Token));
            Assert.EndsWith($"step-{stopAfter:D8}", checkpoint, StringComparison.Ordinal);
        }

        Assert.Contains(
            "holds a run", Assert.Throws<IOException>(() => new FineTuner(_toy.Start, task, _toy["cut"], recipe, _backend)).Message,
            StringComparison.Ordinal);
        using (var run = new FineTuner(_toy.Start, task, _toy["cut"], recipe, _backend, resume: true))
        {
            Assert.Equal(stopAfter, run.Step);
            run.Run();
        }

        SortedDictionary<string, byte[]> expected = ToyTask.Files(_toy["whole"]), actual = ToyTask.Files(_toy["cut"]);
        Assert.Equal(expected.Keys, actual.Keys);
        foreach (string file in expected.Keys.Where(
            f => f.EndsWith(".safetensors", StringComparison.Ordinal) || f is "evaluation.csv" or "config.json"))
            Assert.Equal(expected[file], actual[file]);
        Assert.Equal(11, File.ReadAllLines(_toy["cut/train.csv"]).Length);
        // Finished, it is not run again.
        using (var again = new FineTuner(_toy.Start, task, _toy["cut"], recipe, _backend, resume: true))
            Assert.Equal(FineTuneResult.Of(_toy["cut"])!.TestLoss, again.Run().TestLoss);
        Assert.Equal(actual, ToyTask.Files(_toy["cut"]));
    }

    [Fact]
    public void Another_recipe_other_data_or_another_model_is_refused_by_name_when_resumed()
    {
        LabelledTask task = _toy.Task();
        using (var run = new FineTuner(_toy.Start, task, _toy["run"], ToyTask.Recipe, _backend))
        using (var source = new CancellationTokenSource())
        {
            source.Cancel();
            Assert.Throws<OperationCanceledException>(() => run.Run(cancellation: source.Token));
        }

        Refused(_toy.Start, task, ToyTask.Recipe with { LearningRate = 1e-3 }, "learning_rate was 0.005 and is 0.001");
        Refused(_toy.Start, _toy.Task(train: 29, name: "other"), ToyTask.Recipe, "other data");
        using (Dnabert2Model other = Dnabert2Model.Initialize(Toy.Config, Toy.Tokenizer, seed: 8, _backend, trainable: true))
            ModelFolder.Save(other, _toy["start2"]);
        Refused(_toy["start2"], task, ToyTask.Recipe, "another model");
        using (var run = new FineTuner(_toy.Start, task, _toy["run"], ToyTask.Recipe with { MaxNonFinite = 3 }, _backend, resume: true))
            run.Run();
        Refused(_toy.Start, task, ToyTask.Recipe with { LearningRate = 1e-3 }, "learning_rate was 0.005 and is 0.001");

        void Refused(string start, LabelledTask data, FineTuneOptions options, string why) => Assert.Contains(
            why, Assert.Throws<InvalidDataException>(
                () => new FineTuner(start, data, _toy["run"], options, _backend, resume: true)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Micro_batches_have_the_loss_and_the_gradients_of_the_whole_batch_with_weighted_classes_too()
    {
        foreach (TaskKind kind in Enum.GetValues<TaskKind>())
        {
            LabelledTask task = _toy.Task(kind, name: kind.ToString());
            FineTuneOptions options = ToyTask.Recipe with { Batch = 9, Dropout = 0, ClassWeights = ClassWeighting.Balanced };
            (StepResult one, float[] expected) = First(options with { MicroBatchTokens = 100_000 });
            (StepResult many, float[] actual) = First(options with { MicroBatchTokens = 25 });
            Assert.Equal((9, one.Tokens), (many.Targets, many.Tokens));
            Assert.Equal(one.Loss, many.Loss, 1e-5);
            double distance = Math.Sqrt(expected.Zip(actual).Sum(p => Math.Pow(p.First - p.Second, 2))),
                norm = Math.Sqrt(expected.Sum(g => (double)g * g));
            Assert.InRange(distance / norm, 0, 1e-5);

            (StepResult, float[]) First(FineTuneOptions o)
            {
                var data = new TaskData(task, Toy.Tokenizer, o);
                using SequenceModel model = FineTuneModel.Create(ModelSource.Open(_toy.Start), data.Config, o, _backend, out _);
                using var step = new FineTuningStep(model, data.Train, new TaskLoss(data.Config, o.ClassWeights, data.Train.Targets), o);
                StepResult result = step.Run(0, 1e-3);
                var moment = new float[step.Optimizer.FirstMoment.Count];
                _backend.Download<float>(step.Optimizer.FirstMoment, moment);
                return (result, moment);
            }
        }
    }

    [Fact]
    public void The_loss_of_a_step_is_that_of_the_same_rows_in_evaluation()
    {
        foreach (TaskKind kind in Enum.GetValues<TaskKind>())
        {
            LabelledTask task = _toy.Task(kind, name: kind.ToString());
            foreach (ClassWeighting weights in Enum.GetValues<ClassWeighting>())
            {
                FineTuneOptions options = ToyTask.Recipe with { Batch = 30, Dropout = 0, ClassWeights = weights };
                var data = new TaskData(task, Toy.Tokenizer, options);
                var loss = new TaskLoss(data.Config, options.ClassWeights, data.Train.Targets);
                using SequenceModel model = FineTuneModel.Create(ModelSource.Open(_toy.Start), data.Config, options, _backend, out _);
                using var classification = new Classification(model, 100);
                double expected = loss.Mean(data.Train.Targets, classification.Run(data.Train.Sequences));
                using var step = new FineTuningStep(model, data.Train, loss, options);
                Assert.Equal(expected, step.Run(0, 0).Loss, 1e-5);
            }
        }
    }

    [Fact]
    public void Balanced_classes_weigh_inversely_to_their_rows()
    {
        var config = new TaskConfig(TaskKind.SingleLabel, new LabelNames(["a", "b"]), 20);
        Target a = Target.OfClass(0), b = Target.OfClass(1);
        var loss = new TaskLoss(config, ClassWeighting.Balanced, [a, a, a, b]);
        // Weights 4 / (2 · 3) and 4 / (2 · 1), divided by their sum over the rows.
        Assert.Equal((2.0 / 3) + 2, loss.Weight([a, b]), 1e-6);
        double la = Math.Log(1 + Math.Exp(-1)), lb = Math.Log(1 + Math.Exp(3));
        Assert.Equal(((2.0 / 3 * la) + (2 * lb)) / ((2.0 / 3) + 2), loss.Mean([a, b], [1, 0, 3, 0]), 1e-6);
        Target none = Target.OfClasses([]), both = Target.OfClasses([0, 1]), first = Target.OfClasses([0]);
        var multi = new TaskLoss(config with { Kind = TaskKind.MultiLabel }, ClassWeighting.Balanced, [none, both, first, none, none]);
        // Present, class 0 weighs 3 / 2 and class 1 weighs 4.
        double l = Math.Log(1 + Math.Exp(-2));
        Assert.Equal(((1.5 * l) + (4 * (l + 2)) + l + l) / 4, multi.Mean([both, none], [2, -2, -2, -2]), 1e-6);
    }

    [Fact]
    public void Every_epoch_takes_each_row_once_in_another_order()
    {
        LabelledTask task = _toy.Task(train: 20);
        FineTuneOptions options = ToyTask.Recipe with { Batch = 6, Steps = null, Epochs = 2 };
        var data = new TaskData(task, Toy.Tokenizer, options);
        Assert.Equal(8, options.StepsOf(20));
        using SequenceModel model = FineTuneModel.Create(ModelSource.Open(_toy.Start), data.Config, options, _backend, out _);
        using var step = new FineTuningStep(
            model, data.Train, new TaskLoss(data.Config, options.ClassWeights, data.Train.Targets), options);
        int[][] epochs = [[], []];
        for (int s = 0; s < 8; s++)
        {
            StepResult result = step.Run(s, 0);
            Assert.Equal(s % 4 == 3 ? 2 : 6, result.Targets);
            epochs[s / 4] = [.. epochs[s / 4], .. step.Rows];
        }

        Assert.All(epochs, e => Assert.Equal(Enumerable.Range(0, 20), e.Order()));
        Assert.NotEqual(epochs[0], epochs[1]);
    }

    [Fact]
    public void Training_ends_when_the_dev_loss_no_longer_falls_and_the_best_model_is_kept()
    {
        LabelledTask task = _toy.Task();
        // At this rate the loss soon rises.
        FineTuneOptions recipe = ToyTask.Recipe with
        {
            Steps = 400,
            LearningRate = 0.5,
            WarmupSteps = 0,
            ClipNorm = null,
            Patience = 2,
            EvaluateEvery = 2,
        };
        using var run = new FineTuner(_toy.Start, task, _toy["run"], recipe, _backend);
        FineTuneResult result = run.Run();
        Assert.InRange(result.Steps, 4, 398);
        Assert.Equal(result.BestStep + 4, result.Steps);
        double[] losses = [.. File.ReadLines(_toy["run/evaluation.csv"]).Skip(1)
            .Select(l => double.Parse(l.Split(',')[3], System.Globalization.CultureInfo.InvariantCulture))];
        Assert.Equal(losses.Min(), result.DevLoss, 1e-9);
    }

    [Fact]
    public void A_loss_that_stays_not_finite_stops_and_names_rows()
    {
        LabelledTask task = _toy.Task();
        using var run = new FineTuner(_toy.Start, task, _toy["run"],
            ToyTask.Recipe with { LearningRate = 1e9, ClipNorm = null, MaxNonFinite = 2, WarmupSteps = 0, Steps = 50 }, _backend);
        string message = Assert.Throws<NotFiniteNumberException>(() => run.Run()).Message;
        Assert.Contains("the last 2 steps", message, StringComparison.Ordinal);
        Assert.Contains("training rows", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_fine_tuned_model_is_a_warm_start_with_its_heads_where_the_classes_are_the_same()
    {
        using (var run = new FineTuner(_toy.Start, _toy.Task(), _toy["first"], ToyTask.Recipe, _backend)) run.Run();
        using (var same = new FineTuner(_toy["first"], _toy.Task(), _toy["same"], ToyTask.Recipe, _backend)) Assert.Empty(same.NewWeights);
        using (var other = new FineTuner(
            _toy["first"], _toy.Task(TaskKind.MultiLabel, name: "multi"), _toy["other"], ToyTask.Recipe, _backend))
            Assert.Equal(["classifier"], other.NewWeights);
        using (var random = new FineTuner(
            _toy["first"], _toy.Task(), _toy["random"], ToyTask.Recipe with { RandomInitialization = true }, _backend))
            Assert.Equal(["encoder", "pooler", "classifier"], random.NewWeights);
    }

    [Fact]
    public void Without_pre_training_low_rank_additions_have_a_base_of_their_own()
    {
        LabelledTask task = _toy.Task();
        FineTuneResult result;
        using (var run = new FineTuner(_toy.Start, task, _toy["run"],
            ToyTask.With(FineTuneMethod.Lora) with { RandomInitialization = true }, _backend)) result = run.Run();
        Directory.Move(_toy["run"], _toy["moved"]);
        using ClassifierModel classifier = ClassifierModel.Load(_toy["moved"], _backend);
        float[] logits = classifier.Logits(TokenSequences.Of(task.Test!, classifier.Model.Tokenizer, classifier.MaxTokens));
        Assert.Equal(result.TestLoss, new TaskLoss(new TaskConfig(task.Kind, task.Names, 20), default, [])
            .Mean([.. task.Test!.Select(r => r.Target)], logits), 1e-5);
    }

    [Fact]
    public void Further_pre_training_changes_the_encoder_and_is_resumed()
    {
        LabelledTask task = _toy.Task();
        string folder = FurtherPretraining.Run(ModelSource.Open(_toy.Start), task, _toy["further"], 3, 1, _backend);
        Assert.EndsWith("step-00000003", folder, StringComparison.Ordinal);
        Assert.Equal(folder, FurtherPretraining.Run(ModelSource.Open(_toy.Start), task, _toy["further"], 3, 1, _backend));
        using Dnabert2Model before = Dnabert2Model.Load(_toy.Start, _backend, ModelParts.Encoder, trainable: true);
        using Dnabert2Model after = Dnabert2Model.Load(folder, _backend, ModelParts.Encoder, trainable: true);
        Assert.NotEqual(Toy.Weights(before), Toy.Weights(after));
        using var run = new FineTuner(folder, task, _toy["run"], ToyTask.Recipe, _backend);
        run.Run();
    }

    [Theory]
    [InlineData("mouse/3", 30)]
    [InlineData("prom/prom_core_tata", 20)]
    public void Real_data_of_GUE_train_a_few_steps(string name, int maxTokens)
    {
        LabelledTask task = LabelledTask.Read(SharedData.Path("gue/" + name));
        FineTuneOptions recipe = GueTasks.Find(name)!.Apply(ToyTask.Recipe) with { Steps = 4, Batch = 32 };
        Assert.Equal(maxTokens, recipe.MaxTokens);
        using var run = new FineTuner(_toy.Start, task, _toy["run"], recipe, _backend);
        // This tokenizer has 64 entries: most sequences are longer than with the published one.
        Assert.Equal(3, run.Truncation.Count());
        Assert.InRange(run.Run().Test["mcc"], -1, 1);
    }

    [Fact]
    public void The_tasks_have_the_paper_s_epochs_metrics_and_sizes()
    {
        var rows = File.ReadLines(SharedData.Path("paper/table12_datasets.tsv")).Where(l => !l.StartsWith('#')).Skip(1)
            .Select(l => l.Split('\t')).ToArray();
        Assert.Equal(36, rows.Length);
        Assert.Equal(rows.Select(r => r[0]).Order(StringComparer.Ordinal), GueTasks.All.Select(t => t.Name).Order(StringComparer.Ordinal));
        foreach (string[] row in rows)
        {
            GueTask task = GueTasks.Find(row[0])!;
            Assert.Equal((int.Parse(row[4]), int.Parse(row[5])), (task.Classes, task.Bases));
            Assert.Equal(row[3] == "f1" ? "f1_macro" : row[3], Dnabert2.Metrics.MetricNames.Name(task.Metric));
            if (row[9] == "1k") Assert.Equal((null, 1000), (task.Epochs, task.Steps));
            else if (row[9].Length > 0) Assert.Equal((int.Parse(row[9]), null), (task.Epochs, task.Steps));
            Assert.Equal(row[0].Contains("EPI", StringComparison.Ordinal), task.Pairs);
        }
    }
}
