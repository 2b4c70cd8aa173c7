using System.Text.Json.Nodes;
using Dnabert2;
using Dnabert2.Adapters;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Folders;
using Tests.Training;

namespace Tests.FineTuning;

/// <summary>What holds of fine-tuning whatever the model's architecture is; a new architecture is among them by itself.</summary>
[Trait("Category", "Slow")]
public sealed class EveryArchitectureTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly ToyTask _toy;

    public EveryArchitectureTests() => _toy = new ToyTask(_backend);

    public static TheoryData<string> Names => TinyModels.Names;

    public static TheoryData<string, FineTuneMethod> NamesAndMethods
    {
        get
        {
            var data = new TheoryData<string, FineTuneMethod>();
            foreach (string name in Names)
                foreach (FineTuneMethod method in Enum.GetValues<FineTuneMethod>()) data.Add(name, method);
            return data;
        }
    }

    /// <summary>What is not given is the architecture's own.</summary>
    private static FineTuneOptions Recipe { get; } = new()
    {
        Steps = 40,
        Batch = 10,
        LearningRate = 1e-2,
        WarmupSteps = 2,
        EvaluateEvery = 20,
    };

    public void Dispose()
    {
        _toy.Dispose();
        _backend.Dispose();
    }

    [Theory]
    [MemberData(nameof(NamesAndMethods))]
    public void The_loss_falls_and_the_folder_gives_the_predictions_that_were_measured(string name, FineTuneMethod method)
    {
        string start = Start(name);
        LabelledTask task = _toy.Task(TaskKind.SingleLabel, train: 60);
        var losses = new List<double>();
        using var run = new FineTuner(start, task, _toy["run"], Recipe with { Method = method, Dropout = 0 }, _backend);
        ModelParts head = TinyModels.Find(name).Head;
        Assert.Equal(head.HasFlag(ModelParts.Pooler) ? ["pooler", "classifier"] : ["classifier"], run.NewWeights);
        FineTuneResult result = run.Run(new Report<FineTuneProgress>(p => losses.Add(p.Loss)));
        Assert.True(losses[^5..].Average() < losses[..5].Average(), $"the loss was {losses[0]} and is {losses[^1]}");

        using ClassifierModel classifier = ClassifierModel.Load(_toy["run"], _backend);
        Assert.Same(TinyModels.Find(name), classifier.Model.Architecture);
        Assert.Equal(task.Names, classifier.Names);
        float[] logits = Logits(classifier, task);
        double loss = new TaskLoss(new TaskConfig(task.Kind, task.Names, classifier.MaxTokens), default, [])
            .Mean([.. task.Test!.Select(r => r.Target)], logits);
        Assert.Equal(result.TestLoss, loss, 1e-5);
        if (method != FineTuneMethod.Lora) return;

        // An adapter is what PEFT has: its layers by the ends of their names, and what merges with the base to the same model.
        using (WeightFile adapter = WeightFile.Open(_toy["run/adapter_model.safetensors"]))
            Assert.All(adapter.Entries, e => Assert.StartsWith("base_model.model.", e.Name, StringComparison.Ordinal));
        LoraMerge.Merge(_toy["run"], _toy["merged"]);
        using ClassifierModel merged = ClassifierModel.Load(_toy["merged"], _backend);
        Assert.Equal(logits, Logits(merged, task));
        Assert.Equal(classifier.MaxTokens, merged.MaxTokens);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void A_run_that_was_interrupted_goes_on_to_the_same_bits(string name)
    {
        string start = Start(name);
        LabelledTask task = _toy.Task();
        FineTuneOptions recipe = Recipe with { Steps = 8, EvaluateEvery = 3 };
        using (var whole = new FineTuner(start, task, _toy["whole"], recipe, _backend)) whole.Run();
        using (var source = new CancellationTokenSource())
        using (var run = new FineTuner(start, task, _toy["cut"], recipe, _backend))
            Assert.Throws<OperationCanceledException>(() => run.Run(new Report<FineTuneProgress>(p =>
            {
                if (p.Step == 3) source.Cancel();
            }), source.Token));
        using (var run = new FineTuner(start, task, _toy["cut"], recipe, _backend, resume: true))
        {
            Assert.Equal(4, run.Step);
            run.Run();
        }

        foreach (string file in (string[])["model.safetensors", "config.json", "evaluation.csv"])
            Assert.Equal(File.ReadAllBytes(_toy["whole/" + file]), File.ReadAllBytes(_toy["cut/" + file]));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Another_vector_to_classify_is_refused_by_name_where_there_is_none(string name)
    {
        ModelSource start = ModelSource.Open(Start(name));
        Exception? fault = Record.Exception(
            () => FineTuner.Check(start, Recipe with { ClassifierPooling = Pooling.Mean }, _backend));
        if (start.Architecture.Model == typeof(Dnabert2Model)) Assert.Null(fault);
        else Assert.StartsWith("ClassifierPooling is Mean", Assert.IsType<ArgumentException>(fault).Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Without_pre_training_a_run_begins_with_new_weights_that_its_seed_decides(string name)
    {
        string start = Start(name);
        LabelledTask task = _toy.Task();
        FineTuneOptions recipe = Recipe with { RandomInitialization = true, Steps = 2, EvaluateEvery = 2 };
        foreach ((string folder, FineTuneOptions options) in new[]
            { ("a", recipe), ("b", recipe), ("c", recipe with { Seed = 2 }), ("lora", recipe with { Method = FineTuneMethod.Lora }) })
        {
            using var run = new FineTuner(start, task, _toy[folder], options, _backend);
            Assert.Equal("encoder", run.NewWeights[0]);
            run.Run();
        }

        byte[] a = File.ReadAllBytes(_toy["a/model.safetensors"]);
        Assert.Equal(a, File.ReadAllBytes(_toy["b/model.safetensors"]));
        Assert.NotEqual(a, File.ReadAllBytes(_toy["c/model.safetensors"]));

        // The base of additions to new weights is in the run's own folder.
        using ClassifierModel classifier = ClassifierModel.Load(_toy["lora"], _backend);
        Assert.Same(TinyModels.Find(name), classifier.Model.Architecture);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void It_begins_with_a_model_that_was_pre_trained_further_on_the_sequences_of_the_task(string name)
    {
        string start = Start(name);
        LabelledTask task = _toy.Task();
        string further = FurtherPretraining.Run(ModelSource.Open(start), task, _toy["further"], steps: 2, seed: 1, _backend);
        using var run = new FineTuner(further, task, _toy["run"], Recipe with { Steps = 1, EvaluateEvery = 1 }, _backend);
        run.Run();
        using SequenceModel before = SequenceModel.Load(start, _backend, ModelParts.Encoder, trainable: true),
            after = SequenceModel.Load(further, _backend, ModelParts.Encoder, trainable: true);
        Assert.IsType(before.GetType(), after);
        Assert.NotEqual(Toy.Weights(before), Toy.Weights(after));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_usual_targets_of_low_rank_additions_are_layers_of_the_model_and_PEFT_finds_the_same(string name)
    {
        ModelSource start = ModelSource.Open(Start(name));
        LabelledTask task = _toy.Task();
        using var run = new FineTuner(
            start, task, _toy["run"], Recipe with { Method = FineTuneMethod.Lora, Steps = 1, EvaluateEvery = 1 }, _backend);
        Linear[] all = [.. run.Model!.Linears];
        string[] targeted = [.. all.Where(l => l.Addition is not null).Select(l => l.Prefix)];
        Assert.NotEmpty(targeted);
        run.Run();
        JsonObject config = JsonNode.Parse(File.ReadAllText(_toy["run/adapter_config.json"]))!.AsObject();
        string[] saved = [.. config["modules_to_save"]!.AsArray().Select(n => n!.GetValue<string>())];
        string[] trained = [.. run.Model.Parameters.Parameters.Where(p => p.IsTrained).Select(p => p.Name)
            .Where(parameter => !parameter.Contains(".lora_", StringComparison.Ordinal))];
        Assert.NotEmpty(saved);
        Assert.All(saved, module => Assert.Contains(trained, parameter => parameter.Split('.').Contains(module)));
        Assert.All(trained, parameter => Assert.Contains(saved, module => parameter.Split('.').Contains(module)));
        string[] ends = [.. config["target_modules"]!.AsArray().Select(n => n!.GetValue<string>())];
        Assert.Equal(targeted, all.Select(l => l.Prefix).Where(module => ends.Any(end => module == end || module.EndsWith("." + end))));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_limit_of_tokens_is_the_usual_one_or_what_the_model_takes_and_more_is_refused(string name)
    {
        ModelSource start = ModelSource.Open(Start(name));
        int? most = TinyModels.Find(name).MostTokens(start.ConfigPath);
        FineTuneOptions resolved = FineTuneModel.Resolved(new FineTuneOptions(), start);
        Assert.Equal(Math.Min(512, most ?? 512), resolved.MaxTokens);
        if (most is null) return;
        FineTuneOptions more = Recipe with { MaxTokens = most + 1 };
        string said = Assert.Throws<ArgumentException>(() => FineTuner.Check(start, more, _backend)).Message;
        Assert.Contains($"MaxTokens is {most + 1}: this model has positions for {most} tokens", said, StringComparison.Ordinal);

        // What is longer is truncated, and said.
        Directory.CreateDirectory(_toy["long"]);
        foreach (string part in (string[])["train", "dev", "test"])
            File.WriteAllText(
                _toy[$"long/{part}.csv"], $"sequence,label\n{Toy.Bases(3, 40 * most.Value)},a\n{Toy.Bases(4, 12)},b\n");
        using (var run = new FineTuner(
            start, LabelledTask.Read(_toy["long"]), _toy["run"], Recipe with { Steps = 1, EvaluateEvery = 1 }, _backend))
        {
            Assert.Contains($"train: 1 of 2 rows are longer than {most} tokens and were truncated", run.Truncation);
            run.Run();
        }

        using ClassifierModel classifier = ClassifierModel.Load(_toy["run"], _backend);
        Assert.Equal(most, classifier.MaxTokens);
        Assert.Contains("this model has positions for",
            Assert.Throws<ArgumentException>(() => classifier.NewSequences(most + 1)).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("DNABERT", "EMP/H3", 512)]
    [InlineData("DNABERT", "virus/covid", 1024)]
    [InlineData("DNABERT", "tf/0", 110)]
    [InlineData("the Nucleotide Transformer", "EMP/H3", 100)]
    [InlineData("the Nucleotide Transformer", "tf/0", 30)]
    [InlineData("DNABERT-2", "EMP/H3", 128)]
    public void A_data_set_of_GUE_has_the_limit_of_the_scripts_for_the_tokenizer(string name, string task, int limit) =>
        Assert.Equal(limit, TinyModels.Find(name).TokensOf(GueTasks.Find(task)!));

    [Fact]
    public void No_row_of_GUE_is_truncated_by_its_limit_for_tokens_that_are_k_mers()
    {
        (string Name, ISequenceTokenizer Tokenizer)[] all =
        [
            ("DNABERT", new DnabertTokenizer(3)), ("DNABERT", new DnabertTokenizer(6)),
            ("the Nucleotide Transformer", new NucleotideTransformerTokenizer()),
        ];
        foreach (GueTask task in GueTasks.All)
            foreach ((string name, ISequenceTokenizer tokenizer) in all)
            {
                var sequences = new TokenSequences(tokenizer, TinyModels.Find(name).TokensOf(task));
                byte[] bases = System.Text.Encoding.ASCII.GetBytes(Toy.Bases(1, task.Bases));
                Assert.False(task.Pairs ? sequences.Add(bases, bases) : sequences.Add(bases), $"{name}, {task.Name}");
            }

        // But by the positions of the model.
        ModelSource start = ModelSource.Open(Start("the Nucleotide Transformer"));
        Assert.Equal(24, GueTasks.Find("EMP/H3")!.Apply(new FineTuneOptions(), start).MaxTokens);
    }

    private static float[] Logits(ClassifierModel classifier, LabelledTask task) =>
        classifier.Logits(TokenSequences.Of(task.Test!, classifier.Model.Tokenizer, classifier.MaxTokens));

    private string Start(string name)
    {
        TinyModels.Write(name, _toy["tiny"], _backend);
        return _toy["tiny"];
    }
}
