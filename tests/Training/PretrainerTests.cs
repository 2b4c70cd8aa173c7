using System.Globalization;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Training;

[Trait("Category", "Slow")]
public sealed class PretrainerTests : IDisposable
{
    private readonly Toy _toy = new();
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly Corpus _corpus;

    public PretrainerTests() => _corpus = _toy.Build();

    public void Dispose()
    {
        _corpus.Dispose();
        _backend.Dispose();
        _toy.Dispose();
    }

    [Fact]
    public void The_loss_falls_and_the_checkpoint_is_a_model_folder()
    {
        PretrainOptions recipe = Toy.Recipe with
        {
            Steps = 150,
            GlobalBatch = 16,
            MicroBatchTokens = 400,
            LearningRate = 5e-3,
            EvaluateEvery = 50,
            CheckpointEvery = 150,
        };
        using Dnabert2Model model = Toy.Model(_backend);
        using var run = new Pretrainer(model, _corpus, _toy["run"], recipe);
        var evaluations = new List<Evaluation>();
        PretrainResult result = run.Run(new Report<PretrainProgress>(p =>
        {
            if (p.Evaluation is { } e) evaluations.Add(e);
        }));
        Assert.Equal(3, evaluations.Count);
        Assert.True(
            evaluations[2].Total.Loss < evaluations[0].Total.Loss - 0.05, $"{evaluations[0].Total.Loss} to {evaluations[2].Total.Loss}");
        Assert.Equal(["alpha", "beta"], evaluations[2].Species.Select(s => s.Name));
        Assert.Equal(result.Checkpoint, result.BestCheckpoint);

        using Dnabert2Model loaded = Dnabert2Model.Load(result.Checkpoint, _backend, trainable: true);
        Assert.Equal(Toy.Weights(model), Toy.Weights(loaded));
        Assert.Equal(Toy.Config, loaded.Config);
        using Dnabert2Model packed = Dnabert2Model.Load(result.Checkpoint, _backend);
        using var evaluator = new Evaluator(packed, _corpus, recipe.EvaluationWindows);
        Assert.Equal(result.Evaluation!.Total.Nats, evaluator.Run().Total.Nats, 1e-3);
        Assert.Equal(
            ["SHA256SUMS", "config.json", "model.safetensors", "optimizer.safetensors", "state.json", "tokenizer.json",
                "tokenizer_config.json"],
            Directory.GetFiles(result.Checkpoint).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_step_in_micro_batches_has_the_loss_and_the_gradients_of_one_whole_batch()
    {
        PretrainOptions whole = Toy.Recipe with { GlobalBatch = 20, MicroBatchTokens = 100_000 };
        Dnabert2Config plain = Toy.Config with { HiddenDropoutProb = 0 };
        (StepResult one, float[] expected) = FirstStep(whole, plain);
        (StepResult many, float[] actual) = FirstStep(whole with { MicroBatchTokens = 70 }, plain);
        Assert.Equal((one.Tokens, one.Targets, one.Flops), (many.Tokens, many.Targets, many.Flops));
        Assert.Equal(one.Loss, many.Loss, 1e-6);
        Assert.Equal(one.GradientNorm, many.GradientNorm, 1e-5 * one.GradientNorm);
        double distance = Math.Sqrt(expected.Zip(actual).Sum(p => Math.Pow(p.First - p.Second, 2))),
            norm = Math.Sqrt(expected.Sum(g => (double)g * g));
        Assert.InRange(distance / norm, 0, 1e-5);

        // The first moment after the first step is (1 − β₁) times the gradient.
        (StepResult, float[]) FirstStep(PretrainOptions options, Dnabert2Config config)
        {
            using Dnabert2Model model = Toy.Model(_backend, config);
            using var step = new TrainingStep(model, _corpus, options);
            StepResult result = step.Run(0, 1e-3);
            var moment = new float[step.Optimizer.FirstMoment.Count];
            _backend.Download<float>(step.Optimizer.FirstMoment, moment);
            return (result, moment);
        }
    }

    [Fact]
    public void A_step_allocates_nothing_after_the_first_ones()
    {
        using Dnabert2Model model = Toy.Model(_backend);
        using var step = new TrainingStep(model, _corpus, Toy.Recipe with { Steps = 1000, GlobalBatch = 12, ClipNorm = 1 });
        for (int s = 0; s < 200; s++) step.Run(s, 1e-3);
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int s = 200; s < 230; s++) step.Run(s, 1e-3);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(4)]
    [InlineData(7)]
    [InlineData(11)]
    public void A_run_that_was_interrupted_goes_on_to_the_same_bits(int stopAfter)
    {
        (float[] weights, SortedDictionary<string, byte[]> files) = WholeRun();
        using (Dnabert2Model first = Toy.Model(_backend))
        using (var run = new Pretrainer(first, _corpus, _toy["cut"], Toy.Recipe))
        using (var source = new CancellationTokenSource())
        {
            string? checkpoint = null;
            Assert.Throws<OperationCanceledException>(() => run.Run(
                new Report<PretrainProgress>(p =>
                {
                    checkpoint = p.Checkpoint ?? checkpoint;
                    if (p.Step == stopAfter - 1) source.Cancel();
                }), Cancelled(source, stopAfter)));
            Assert.EndsWith($"step-{stopAfter:D8}", checkpoint, StringComparison.Ordinal);
        }

        // What comes after the checkpoint in the log is of steps that will be done again.
        File.AppendAllText(_toy["cut/train.csv"], "99,1,1,1,1,1,1,1,0\n");
        using Dnabert2Model second = Dnabert2Model.Initialize(Toy.Config, Toy.Tokenizer, seed: 99, _backend, trainable: true);
        using (var run = new Pretrainer(second, _corpus, _toy["cut"], Toy.Recipe, resume: true))
        {
            Assert.Equal(stopAfter, run.Step);
            run.Run();
        }

        Assert.Equal(weights, Toy.Weights(second));
        SortedDictionary<string, byte[]> resumed = Toy.Files(_toy["cut"]);
        const string last = "checkpoints/step-00000012/";
        Assert.Equal(files[last + "optimizer.safetensors"], resumed[last + "optimizer.safetensors"]);
        Assert.Equal(files[last + "model.safetensors"], resumed[last + "model.safetensors"]);
        Assert.Equal(files["evaluation.csv"], resumed["evaluation.csv"]);
        Assert.Equal(Column("run/train.csv", 1), Column("cut/train.csv", 1));
        Assert.Equal(13, Column("cut/train.csv", 0).Length);

        static CancellationToken Cancelled(CancellationTokenSource source, int stopAfter)
        {
            if (stopAfter == 1) source.Cancel();
            return source.Token;
        }
    }

    [Fact]
    public void A_run_at_a_constant_rate_can_be_made_longer_and_one_whose_rate_falls_cannot()
    {
        PretrainOptions whole = Toy.Recipe with { Decay = Decay.Constant }, half = whole with { Steps = 6 },
            falling = Toy.Recipe with { Steps = 6 };
        float[] expected = Weights(whole, "whole", resume: false);
        Weights(half, "half", resume: false);
        Assert.Equal(expected, Weights(whole, "half", resume: true));
        Weights(falling, "falling", resume: false);
        var e = Assert.Throws<InvalidDataException>(() => Weights(Toy.Recipe, "falling", resume: true));
        Assert.Contains("steps was 6 and is 12", e.Message, StringComparison.Ordinal);

        float[] Weights(PretrainOptions recipe, string folder, bool resume)
        {
            using Dnabert2Model model = Toy.Model(_backend);
            using (var run = new Pretrainer(model, _corpus, _toy[folder], recipe, resume)) run.Run();
            return Toy.Weights(model);
        }
    }

    [Fact]
    public void The_newest_checkpoints_and_the_best_one_are_kept()
    {
        // Without warm-up at this rate the loss only rises: the first checkpoint is the best.
        PretrainOptions recipe = Toy.Recipe with { Steps = 10, CheckpointEvery = 2, LearningRate = 1, WarmupSteps = 0 };
        using Dnabert2Model model = Toy.Model(_backend);
        using var run = new Pretrainer(model, _corpus, _toy["run"], recipe);
        PretrainResult result = run.Run();
        string[] rows = [.. File.ReadAllLines(_toy["run/evaluation.csv"]).Where(l => l.Contains(",all,", StringComparison.Ordinal))];
        string best = rows.MinBy(l => double.Parse(l.Split(',')[5], CultureInfo.InvariantCulture))!.Split(',')[0].PadLeft(8, '0');
        Assert.Equal($"step-{best}", Path.GetFileName(result.BestCheckpoint));
        Assert.True(best is not ("00000008" or "00000010"), "the best checkpoint is among the newest: the test shows nothing");
        Assert.Equal([$"step-{best}", "step-00000008", "step-00000010"],
            Directory.GetDirectories(_toy["run/checkpoints"]).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void A_step_that_is_not_finite_is_skipped_and_training_goes_on()
    {
        using Dnabert2Model model = Toy.Model(_backend);
        using var run = new Pretrainer(model, _corpus, _toy["run"], Toy.Recipe);
        Parameter bias = model.Parameters.Parameters.Single(p => p.Name == "cls.predictions.decoder.bias");
        float[] good = new float[bias.Shape.Count];
        var skipped = new List<int>();
        PretrainResult result = run.Run(new Report<PretrainProgress>(p =>
        {
            if (p.Skipped) skipped.Add(p.Step);
            if (p.Step == 5)
            {
                _backend.Download<float>(bias.Value, good);
                _backend.Upload<float>(Enumerable.Repeat(float.NaN, good.Length).ToArray(), bias.Value);
            }

            if (p.Step == 7) _backend.Upload<float>(good, bias.Value);
            // A loss that is finite, and gradients that are not.
            if (p.Step == 9) _backend.Upload<float>(Enumerable.Repeat(float.PositiveInfinity, good.Length).ToArray(), bias.Gradient);
        }));
        Assert.Equal([6, 7, 10], skipped);
        Assert.Equal(3, result.SkippedSteps);
        Assert.Equal(9, run.TrainingStep.Optimizer.Steps);
        Assert.All(Toy.Weights(model), w => Assert.True(float.IsFinite(w)));
        Assert.Equal(["NaN", "NaN"], Column("run/train.csv", 1)[6..8]);
        Assert.Equal(["yes", "yes", "no", "no", "yes", "no"], Column("run/train.csv", 8)[6..12]);
    }

    [Fact]
    public void A_run_that_stays_not_finite_stops_and_names_the_batch()
    {
        using Dnabert2Model model = Toy.Model(_backend);
        Parameter word = model.Parameters.Parameters[0];
        _backend.Upload<float>(Enumerable.Repeat(float.NaN, (int)word.Shape.Count).ToArray(), word.Value);
        using var run = new Pretrainer(model, _corpus, _toy["run"], Toy.Recipe with { MaxNonFinite = 3, MicroBatchTokens = 100_000 });
        string message = Assert.Throws<NotFiniteNumberException>(() => run.Run()).Message;
        Assert.Contains("the last 3 steps", message, StringComparison.Ordinal);
        Assert.Contains("samples 12 to 17", message, StringComparison.Ordinal);
        Assert.Equal(
            6, Enumerable.Range(12, 6)
            .Count(n => run.TrainingStep.SampleAt(n) is var s
                && message.Contains($"{_corpus.Species[s.Species].Name} {s.Window}", StringComparison.Ordinal)));
        Assert.Empty(new CheckpointStore(_toy["run"]).Steps);
    }

    [Fact]
    public void A_checkpoint_of_another_architecture_corpus_or_recipe_is_refused()
    {
        WholeRun();
        Refused(Toy.Recipe, Toy.Config with { HiddenSize = 48 }, _corpus, "hidden_size was 24 and is 48");
        Refused(Toy.Recipe, Toy.Config with { HiddenDropoutProb = 0 }, _corpus, "hidden_dropout_prob");
        Refused(Toy.Recipe with { LearningRate = 1e-3 }, Toy.Config, _corpus, "learning_rate was 0.002 and is 0.001");
        using Corpus other = _toy.Build(Toy.Cuts with { Seed = 2 }, "other");
        Refused(Toy.Recipe, Toy.Config, other, "another corpus");
        using Dnabert2Model model = Toy.Model(_backend);
        Assert.Contains(
            "holds a run already", Assert.Throws<IOException>(() => new Pretrainer(model, _corpus, _toy["run"], Toy.Recipe)).Message,
            StringComparison.Ordinal);
        // What does not change the weights may change.
        new Pretrainer(model, _corpus, _toy["run"], Toy.Recipe with { EvaluateEvery = 3, KeepCheckpoints = 9 }, resume: true).Dispose();

        void Refused(PretrainOptions recipe, Dnabert2Config config, Corpus corpus, string why)
        {
            SortedDictionary<string, byte[]> before = Toy.Files(_toy["run"]);
            using Dnabert2Model model = Toy.Model(_backend, config);
            string message =
                Assert.Throws<InvalidDataException>(() => new Pretrainer(model, corpus, _toy["run"], recipe, resume: true)).Message;
            Assert.Contains(why, message, StringComparison.Ordinal);
            Assert.Equal(before, Toy.Files(_toy["run"]));
        }
    }

    [Fact]
    public void A_damaged_checkpoint_is_refused_as_invalid_and_named()
    {
        WholeRun();
        string checkpoint = _toy["run/checkpoints/step-00000012"];
        foreach ((string name, byte[] bytes) in Toy.Files(checkpoint))
        {
            string path = Path.Combine(checkpoint, name);
            foreach (int keep in (int[])[0, bytes.Length / 2])
            {
                File.WriteAllBytes(path, bytes[..keep]);
                using Dnabert2Model model = Toy.Model(_backend);
                Assert.Contains(
                    "step-00000012",
                    Assert.Throws<InvalidDataException>(
                        () => new Pretrainer(model, _corpus, _toy["run"], Toy.Recipe, resume: true)).Message, StringComparison.Ordinal);
            }

            File.WriteAllBytes(path, bytes);
        }

        byte[] state = File.ReadAllBytes(Path.Combine(checkpoint, "state.json"));
        var random = new Random(2);
        for (int round = 0; round < 200; round++)
        {
            byte[] bad = [.. state];
            bad[random.Next(bad.Length)] = (byte)random.Next(256);
            File.WriteAllBytes(Path.Combine(checkpoint, "state.json"), bad);
            try
            {
                RunState.Read(Path.Combine(checkpoint, "state.json"), RunIdentity.Of(_corpus.Hash, Toy.Recipe));
            }
            catch (InvalidDataException e)
            {
                Assert.Contains("state.json", e.Message, StringComparison.Ordinal);
            }
        }
    }

    [Fact]
    public void Training_continues_from_a_given_model_and_needs_its_tokenizer()
    {
        using Dnabert2Model start = Toy.Model(_backend);
        ModelFolder.Save(start, _toy["start"]);
        using Dnabert2Model model = Dnabert2Model.Load(_toy["start"], _backend, trainable: true);
        using (var run = new Pretrainer(model, _corpus, _toy["further"], Toy.Recipe)) run.Run();
        (float[] weights, _) = WholeRun();
        Assert.Equal(weights, Toy.Weights(model));

        using Dnabert2Model other = Dnabert2Model.Initialize(Toy.Config, Toy.TrainTokenizer(60), 1, _backend, trainable: true);
        Assert.Contains(
            "another tokenizer", Assert.Throws<InvalidDataException>(() => new Pretrainer(other, _corpus, _toy["x"], Toy.Recipe)).Message,
            StringComparison.Ordinal);
        using Dnabert2Model packed = Dnabert2Model.Load(_toy["start"], _backend);
        Assert.Contains("trainable", Assert.Throws<ArgumentException>(() => new Pretrainer(packed, _corpus, _toy["x"], Toy.Recipe)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Without_held_out_windows_there_is_nothing_to_evaluate_and_no_best()
    {
        using Corpus corpus = _toy.Build(Toy.Cuts with { HeldOut = 0 }, "all");
        using Dnabert2Model model = Toy.Model(_backend);
        using var run = new Pretrainer(model, corpus, _toy["run"], Toy.Recipe);
        PretrainResult result = run.Run();
        Assert.Null(result.BestCheckpoint);
        Assert.Null(result.Evaluation);
        Assert.Single(File.ReadAllLines(_toy["run/evaluation.csv"]));
    }

    [Fact]
    public void The_operations_of_a_step_are_those_of_its_matrix_products()
    {
        Dnabert2Config c = Toy.Config with { HiddenSize = 4, NumHiddenLayers = 2, NumAttentionHeads = 2, IntermediateSize = 6 };
        using Dnabert2Model model = Toy.Model(_backend, c);
        // One sequence of 5 tokens, 2 masked: products of [5, 4] with Wqkv, Wo, the gated weight and wo; Q Kᵀ and P V; the head.
        double forward = 2 * ((2 * 5 * 4 * 12) + (2 * 5 * 4 * 4) + (2 * 5 * 4 * 12) + (2 * 5 * 6 * 4) + (2 * 2 * 5 * 5 * 4))
            + (2 * 2 * 4 * 4) + (2 * 2 * 4 * c.VocabSize);
        Assert.Equal(3 * forward, TrainingFlops.Of(model.Cost, 5, 2, 25));
    }

    private string[] Column(string file, int column) => [.. File.ReadAllLines(_toy[file]).Select(line => line.Split(',')[column])];

    private (float[] Weights, SortedDictionary<string, byte[]> Files) WholeRun()
    {
        using Dnabert2Model model = Toy.Model(_backend);
        using (var run = new Pretrainer(model, _corpus, _toy["run"], Toy.Recipe)) run.Run();
        return (Toy.Weights(model), Toy.Files(_toy["run"]));
    }
}
