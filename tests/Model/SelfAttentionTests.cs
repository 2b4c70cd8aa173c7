using System.Text.Json.Nodes;
using AttentionVariant;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.FineTuning;
using Tests.Training;

namespace Tests.Model;

/// <summary>Models with another attention than DNABERT-2's: built in and named by the config, and of a type of one's own.</summary>
public sealed class SelfAttentionTests : IDisposable
{
    private static readonly SelfAttention Decay = SelfAttention.Of("decay:5", new DistanceDecay(5));
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly ToyTask _toy;

    public SelfAttentionTests() => _toy = new ToyTask(_backend);

    public void Dispose()
    {
        _toy.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [InlineData("decay:5")]
    [InlineData("alibi")]
    [InlineData("causal")]
    [InlineData("window:2")]
    [InlineData("softcap:1.5")]
    [InlineData("relative:2")]
    [InlineData("rotary:9")]
    public void The_gradients_of_a_models_loss_are_its_differences(string name)
    {
        (double gradient, double difference) = Slope(name == Decay.Name ? Decay : SelfAttention.Parse(name));
        Assert.True(gradient > 1e-3, $"{gradient}");
        Assert.Equal(1, difference / gradient, 0.01);
    }

    [Fact]
    public void A_derivative_that_is_wrong_shows_in_the_differences_of_a_models_loss()
    {
        (double gradient, double difference) = Slope(SelfAttention.Of("twice", default(Twice)));
        Assert.True(Math.Abs((difference / gradient) - 1) > 0.3, $"{gradient}, {difference}");
    }

    [Theory]
    [InlineData("none", "none")]
    [InlineData("window", "window:256")]
    [InlineData("softcap:2.50", "softcap:2.5")]
    [InlineData("relative:7", "relative:7")]
    [InlineData("rotary", "rotary:2048")]
    public void A_folder_keeps_the_attention_of_its_model(string given, string name)
    {
        using Dnabert2Model model = Toy.Model(_backend, Toy.Config with { Attention = SelfAttention.Parse(given) });
        ModelFolder.Save(model, _toy["saved"]);
        Assert.Equal(name, JsonNode.Parse(File.ReadAllText(_toy["saved/config.json"]))!["attention"]!.GetValue<string>());
        using Dnabert2Model loaded = Dnabert2Model.Load(_toy["saved"], _backend, trainable: true);
        Assert.Equal(model.Config, loaded.Config);
        Assert.Equal(Toy.Weights(model), Toy.Weights(loaded));
        float[,] expected = Embed(model), other = Embed(ModelSource.Open(_toy.Start));
        Assert.Equal(expected, Embed(loaded));
        Assert.NotEqual(expected, other);
    }

    [Theory]
    [InlineData("alibi:3")]
    [InlineData("windows")]
    [InlineData("window:-1")]
    [InlineData("softcap:0")]
    [InlineData("relative:65537")]
    [InlineData("rotary:0")]
    [InlineData("")]
    public void An_attention_that_is_not_known_is_refused_with_those_that_are(string name)
    {
        Assert.Contains(
            SelfAttention.Names, Assert.Throws<ArgumentException>(() => SelfAttention.Parse(name)).Message, StringComparison.Ordinal);
        string message = Assert.Throws<InvalidDataException>(() => LoadWith($"\"{name}\"")).Message;
        Assert.Contains($"config.json: attention is '{name}', which is not built in; these are {SelfAttention.Names}", message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void An_attention_that_does_not_fit_the_model_is_refused_by_its_key()
    {
        Fault(Toy.Config with { NumAttentionHeads = 8, Attention = SelfAttention.Parse("rotary") },
            "num_attention_heads 8 makes heads of 3");
        Fault(Toy.Config with { Attention = SelfAttention.Parse("rotary:99999999") }, "may have 8388608 positions at most");
        Fault(Toy.Config with { NumAttentionHeads = 24, NumHiddenLayers = 1024, Attention = SelfAttention.Parse("relative:65536") },
            "parameters");
        Assert.Throws<ArgumentException>(() => SelfAttention.Of("window:3", new DistanceDecay(5)));
        Assert.Throws<ArgumentException>(() => SelfAttention.Of(" ", new DistanceDecay(5)));
        Assert.Contains("attention is 3", Assert.Throws<InvalidDataException>(() => LoadWith("3")).Message, StringComparison.Ordinal);

        static void Fault(Dnabert2Config config, string message) =>
            Assert.Contains(message, Assert.Throws<ArgumentException>(() => Toy.Model(null, config)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_is_pre_trained_with_an_attention_of_ones_own_and_goes_on_with_it()
    {
        using var toy = new Toy();
        using Corpus corpus = toy.Build();
        Dnabert2Config config = Toy.Config with { Attention = Decay };
        float[] whole = Run("whole", config, 8), alibi = Run("alibi", Toy.Config, 8);
        Run("halves", config, 4);
        Assert.Equal(whole, Run("halves", config, 8));
        Assert.NotEqual(whole, alibi);
        string checkpoint = toy["whole"];
        Assert.Contains("'decay:5'", Assert.Throws<InvalidDataException>(() => Dnabert2Model.Load(checkpoint, _backend)).Message,
            StringComparison.Ordinal);
        using Dnabert2Model loaded = ModelSource.Open(checkpoint, attention: Decay).Load<Dnabert2Model>(_backend, trainable: true);
        Assert.Equal(config, loaded.Config);
        Assert.Equal(whole, Toy.Weights(loaded));
        Assert.Contains(
            "attention was", Assert.Throws<InvalidDataException>(() => Run("alibi", config, 8)).Message, StringComparison.Ordinal);

        float[] Run(string folder, Dnabert2Config of, int until)
        {
            using Dnabert2Model model = Toy.Model(_backend, of);
            using var run = new Pretrainer(
                model, corpus, toy[folder], Toy.Recipe with { Steps = 8 }, resume: Directory.Exists(toy[folder]));
            using var stop = new CancellationTokenSource();
            var progress = new Report<PretrainProgress>(p =>
            {
                if (p.Step == until && until < 8) stop.Cancel();
            });
            try
            {
                run.Run(progress, stop.Token);
            }
            catch (OperationCanceledException) when (until < 8)
            {
            }

            return Toy.Weights(model);
        }
    }

    [Theory]
    [InlineData("decay:5", FineTuneMethod.Full)]
    [InlineData("decay:5", FineTuneMethod.Lora)]
    [InlineData("window:2", FineTuneMethod.Lora)]
    public void A_model_is_fine_tuned_with_another_attention_than_it_had_and_its_folder_keeps_that(string name, FineTuneMethod method)
    {
        bool isOwn = name == Decay.Name;
        SelfAttention attention = isOwn ? Decay : SelfAttention.Parse(name);
        LabelledTask task = _toy.Task();
        FineTuneResult result = Tune(ModelSource.Open(_toy.Start, attention: attention), "run");
        Assert.NotEqual(result.DevLoss, Tune(ModelSource.Open(_toy.Start), "alibi").DevLoss);
        if (isOwn) Assert.Throws<InvalidDataException>(() => ClassifierModel.Load(_toy["run"], _backend));
        using ClassifierModel classifier = ClassifierModel.Load(
            ModelSource.Open(_toy["run"], attention: isOwn ? attention : null), _backend);
        Assert.Equal(attention, ((Dnabert2Model)classifier.Model).Config.Attention);
        float[] logits = classifier.Logits(TokenSequences.Of(task.Test!, classifier.Model.Tokenizer, classifier.MaxTokens));
        var scores = Dnabert2.Metrics.TaskScores.Compute(TaskKind.SingleLabel, [.. task.Test!.Select(r => r.Target)], logits);
        foreach (Dnabert2.Metrics.Metric metric in scores.Metrics)
            Assert.Equal(result.Test[Dnabert2.Metrics.MetricNames.Name(metric)], scores[metric], 1e-4);

        FineTuneResult Tune(ModelSource start, string folder)
        {
            using var run = new FineTuner(start, task, _toy[folder], ToyTask.With(method), _backend);
            return run.Run();
        }
    }

    [Fact]
    public void A_run_of_fine_tuning_is_not_resumed_with_another_attention()
    {
        LabelledTask task = _toy.Task();
        using (var run = new FineTuner(ModelSource.Open(_toy.Start, attention: Decay), task, _toy["run"], ToyTask.Recipe, _backend))
            run.Run();
        Assert.Throws<InvalidDataException>(() => new FineTuner(
            ModelSource.Open(_toy.Start), task, _toy["run"], ToyTask.Recipe, _backend, resume: true));
    }

    /// <summary>
    /// The length of the loss's gradient by the weights that make queries and keys, and the loss's difference along it.
    /// </summary>
    private (double Gradient, double Difference) Slope(SelfAttention attention)
    {
        const double Step = 1e-2;
        Dnabert2Config config = Toy.Config with { Attention = attention, HiddenDropoutProb = 0, InitializerRange = 0.4f };
        using Dnabert2Model model = Toy.Model(_backend, config);
        model.Parameters.AllocateGradients();
        using Arena activations = new(_backend), gradients = new(_backend);
        Tape tape = Tape.ForTraining(activations, gradients);
        tape.Backward(Loss());
        Parameter weight = model.Parameters.Parameters.Single(p => p.Name == "bert.encoder.layer.0.attention.self.Wqkv.weight");
        float[] gradient = new float[weight.Shape.Count], values = new float[weight.Shape.Count];
        _backend.Download<float>(weight.Gradient, gradient);
        _backend.Download<float>(weight.Value, values);
        gradient.AsSpan(2 * config.HiddenSize * config.HiddenSize).Clear();
        double length = Math.Sqrt(gradient.Sum(g => (double)g * g));
        return (length, (At(Step) - At(-Step)) / (2 * Step));

        double At(double step)
        {
            _backend.Upload<float>([.. values.Select((v, i) => (float)(v + (step * gradient[i] / length)))], weight.Value);
            Tensor losses = Loss().Data;
            var each = new float[losses.Count];
            _backend.Download<float>(losses, each);
            return each.Average(loss => (double)loss);
        }

        Variable Loss()
        {
            tape.Reset();
            int[] ids = [1, 9, 17, 33, 4, 40, 12, 2, 1, 22, 4, 2, 1], rows = [2, 4, 6, 10], labels = [17, 25, 12, 31];
            var batch = new Batch(activations, ids, [8, 4, 1]);
            return Objectives.MaskedLanguageModel(model, tape, batch, Integers(rows), Integers(labels), tape.Number(1f / rows.Length));
        }

        Tensor Integers(int[] numbers)
        {
            Tensor tensor = activations.Rent(new Shape(numbers.Length), DType.I32);
            _backend.Upload<int>(numbers, tensor);
            return tensor;
        }
    }

    private float[,] Embed(ModelSource source)
    {
        using Dnabert2Model model = source.Load<Dnabert2Model>(_backend, ModelParts.Encoder);
        return Embed(model);
    }

    private static float[,] Embed(Dnabert2Model model) => new Embedder(model).Embed([Toy.Bases(4, 90), Toy.Bases(5, 31)]).ToArray();

    private Dnabert2Model LoadWith(string json)
    {
        string path = _toy["start/config.json"];
        JsonNode config = JsonNode.Parse(File.ReadAllText(path))!;
        config["attention"] = JsonNode.Parse(json);
        File.WriteAllText(path, config.ToJsonString());
        return Dnabert2Model.Load(_toy.Start, _backend);
    }

    /// <summary>Scores doubled, without the derivative to match.</summary>
    private readonly struct Twice : IScoreModification<Twice>
    {
        public static T Score<T>(in Twice mod, T score, T query, T key)
            where T : unmanaged, IReal<T>
            => score + score;
    }
}
