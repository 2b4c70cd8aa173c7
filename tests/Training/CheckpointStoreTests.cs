using System.Runtime.InteropServices;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.FineTuning;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.FineTuning;

namespace Tests.Training;

/// <summary>What is resumed is what was written, and what is written is finite.</summary>
[Trait("Category", "Slow")]
public sealed class CheckpointStoreTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly Toy _toy = new();

    public void Dispose()
    {
        _toy.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void One_bit_in_any_file_of_a_checkpoint_is_found_when_it_is_resumed()
    {
        using Corpus corpus = _toy.Build();
        using (Dnabert2Model model = Toy.Model(_backend))
        using (var run = new Pretrainer(model, corpus, _toy["run"], Toy.Recipe)) run.Run();
        using (var task = new ToyTask(_backend))
        {
            Interrupt(task, ToyTask.Recipe, after: 8);
            Assert.Equal(["step-00000008"], Directory.GetDirectories(task["run/checkpoints"]).Select(Path.GetFileName));
            LabelledTask data = task.Task();
            AnyBit(task["run/checkpoints/step-00000008"],
                () => new FineTuner(task.Start, data, task["run"], ToyTask.Recipe, _backend, resume: true));
        }

        AnyBit(_toy["run/checkpoints/step-00000012"], () =>
        {
            using Dnabert2Model model = Toy.Model(_backend);
            return new Pretrainer(model, corpus, _toy["run"], Toy.Recipe, resume: true);
        });

        static void AnyBit(string checkpoint, Func<IDisposable> resume)
        {
            var random = new Random(1);
            foreach ((string name, byte[] bytes) in Toy.Files(checkpoint))
            {
                string path = Path.Combine(checkpoint, name);
                for (int round = 0; round < 6; round++)
                {
                    byte[] bad = [.. bytes];
                    bad[random.Next(bad.Length)] ^= (byte)(1 << random.Next(8));
                    File.WriteAllBytes(path, bad);
                    string message = Assert.Throws<InvalidDataException>(() => resume().Dispose()).Message;
                    Assert.Contains(Path.GetFileName(checkpoint), message, StringComparison.Ordinal);
                    Assert.Contains("delete its folder to resume from the one before", message, StringComparison.Ordinal);
                }

                File.Delete(path);
                Assert.Contains(name, Assert.Throws<InvalidDataException>(() => resume().Dispose()).Message, StringComparison.Ordinal);
                File.WriteAllBytes(path, bytes);
            }

            resume().Dispose();
        }
    }

    [Theory]
    [InlineData(false, float.NaN)]
    [InlineData(false, float.PositiveInfinity)]
    [InlineData(true, float.PositiveInfinity)]
    public void A_value_that_is_not_finite_is_never_saved_and_the_checkpoint_before_is_kept(bool moment, float value)
    {
        using Corpus corpus = _toy.Build();
        using Dnabert2Model model = Toy.Model(_backend);
        PretrainOptions recipe = Toy.Recipe with
        {
            KeepCheckpoints = 1,
            MaxNonFinite = 100,
            EvaluateEvery = 100,
            CheckpointEvery = 3,
            Steps = 12,
        };
        using var run = new Pretrainer(model, corpus, _toy["run"], recipe);
        Parameter norm = model.Parameters.Parameters.Single(p => p.Name == "bert.encoder.layer.1.mlp.layernorm.bias");
        string message = Assert.Throws<NotFiniteNumberException>(() => run.Run(new Report<PretrainProgress>(p =>
        {
            // Just before the checkpoint: nothing else tells of it.
            if (p.Step != 8) return;
            Tensor tensor = moment ? run.TrainingStep.Optimizer.SecondMoment.Slice(norm.Offset, norm.Shape) : norm.Value;
            var values = new float[tensor.Count];
            _backend.Download<float>(tensor, values);
            values[5] = value;
            _backend.Upload<float>(values, tensor);
        }))).Message;
        Assert.Contains($"{(moment ? "exp_avg_sq." : "")}bert.encoder.layer.1.mlp.layernorm.bias holds {value} at element 5", message,
            StringComparison.Ordinal);
        Assert.Contains("step-00000006 is whole", message, StringComparison.Ordinal);
        Assert.Equal(["step-00000006"], Directory.GetFileSystemEntries(_toy["run/checkpoints"]).Select(Path.GetFileName));
        using Dnabert2Model again = Toy.Model(_backend);
        run.Dispose();
        using var resumed = new Pretrainer(again, corpus, _toy["run"], recipe, resume: true);
        Assert.Equal(6, resumed.Step);
    }

    [Fact]
    public void A_checkpoint_of_an_earlier_version_without_checksums_is_resumed_and_one_with_NaN_is_refused_by_name()
    {
        using Corpus corpus = _toy.Build();
        using (Dnabert2Model model = Toy.Model(_backend))
        using (var run = new Pretrainer(model, corpus, _toy["run"], Toy.Recipe)) run.Run();
        string checkpoint = _toy["run/checkpoints/step-00000012"], state = Path.Combine(checkpoint, "state.json");
        File.Delete(Path.Combine(checkpoint, "SHA256SUMS"));
        Assert.Contains("SHA256SUMS is missing", Assert.Throws<InvalidDataException>(Resume).Message, StringComparison.Ordinal);
        File.WriteAllText(state, File.ReadAllText(state).Replace("\"version\": 2", "\"version\": 1", StringComparison.Ordinal));
        Resume();
        foreach ((string file, string tensor) in new[] { ("optimizer.safetensors", "exp_avg.bert.embeddings.LayerNorm.bias"),
            ("model.safetensors", "bert.embeddings.LayerNorm.bias") })
        {
            string path = Path.Combine(checkpoint, file);
            Damage(path, tensor);
            string message = Assert.Throws<InvalidDataException>(Resume).Message;
            Assert.Contains($"{path}: {tensor} holds NaN at element 2", message, StringComparison.Ordinal);
            Assert.Contains("delete its folder to resume from the one before", message, StringComparison.Ordinal);
        }

        void Resume()
        {
            using Dnabert2Model model = Toy.Model(_backend);
            new Pretrainer(model, corpus, _toy["run"], Toy.Recipe, resume: true).Dispose();
        }
    }

    [Fact]
    public void Fine_tuning_never_writes_a_model_that_is_not_finite()
    {
        using var task = new ToyTask(_backend);
        foreach (FineTuneMethod method in Enum.GetValues<FineTuneMethod>())
        {
            using var run = new FineTuner(
                task.Start, task.Task(), task[$"{method}"], ToyTask.With(method) with { MaxNonFinite = 100 }, _backend);
            Parameter bias = run.Model!.Parameters.Parameters.Single(p => p.Name == "classifier.bias");
            string message = Assert.Throws<NotFiniteNumberException>(() => run.Run(new Report<FineTuneProgress>(p =>
            {
                if (p.Step == 7) _backend.Upload<float>([0, float.NegativeInfinity, 0], bias.Value);
            }))).Message;
            Assert.Matches("classifier.bias holds -(Infinity|∞) at element 1; step-00000004 is whole", message);
            Assert.False(File.Exists(task[$"{method}/config.json"]));
            Assert.Equal(["step-00000004"], Directory.GetFileSystemEntries(task[$"{method}/checkpoints"]).Select(Path.GetFileName));
        }
    }

    [Fact]
    public void The_best_checkpoint_of_a_fine_tuning_is_checked_too_before_more_is_trained()
    {
        using var task = new ToyTask(_backend);
        // Without warm-up at this rate the loss only rises: the first checkpoint is the best.
        FineTuneOptions recipe = ToyTask.Recipe with { LearningRate = 0.5, WarmupSteps = 0, ClipNorm = null };
        Interrupt(task, recipe, after: 9);
        string[] kept = [.. Directory.GetDirectories(task["run/checkpoints"]).Order(StringComparer.Ordinal)];
        Assert.Equal((2, "step-00000009"), (kept.Length, Path.GetFileName(kept[1])));
        string best = Path.Combine(kept[0], "trained.safetensors");
        byte[] bytes = File.ReadAllBytes(best);
        bytes[^2] ^= 1;
        File.WriteAllBytes(best, bytes);
        string message = Assert.Throws<InvalidDataException>(
            () => new FineTuner(task.Start, task.Task(), task["run"], recipe, _backend, resume: true)).Message;
        Assert.Matches("step-0000000[48]/trained.safetensors was altered.*and those after it", message);
    }

    private void Interrupt(ToyTask task, FineTuneOptions recipe, int after)
    {
        using var source = new CancellationTokenSource();
        using var run = new FineTuner(task.Start, task.Task(), task["run"], recipe, _backend);
        Assert.Throws<OperationCanceledException>(() => run.Run(new Report<FineTuneProgress>(p =>
        {
            if (p.Step == after - 1) source.Cancel();
        }), source.Token));
    }

    private static void Damage(string path, string tensor)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int header = (int)BitConverter.ToInt64(bytes);
        using var json = System.Text.Json.JsonDocument.Parse(bytes.AsMemory(8, header));
        int start = json.RootElement.GetProperty(tensor).GetProperty("data_offsets")[0].GetInt32();
        MemoryMarshal.Cast<byte, float>(bytes.AsSpan(8 + header + start))[2] = float.NaN;
        File.WriteAllBytes(path, bytes);
    }
}
