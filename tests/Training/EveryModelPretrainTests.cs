using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Hyena;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;
using Tests.Folders;
using Tests.Tools;

namespace Tests.Training;

/// <summary>Pre-training of a model of any architecture.</summary>
[Trait("Category", "Slow")]
public sealed class EveryModelPretrainTests : IDisposable
{
    private static readonly CorpusOptions Cuts = new() { MinBases = 12, MaxBases = 40, MaxTokens = 24, HeldOut = 0.1, RepeatBases = 0 };

    private static readonly PretrainOptions Recipe = Toy.Recipe with
    {
        Steps = 100,
        GlobalBatch = 16,
        MicroBatchTokens = 400,
        LearningRate = 3e-3,
        WarmupSteps = 10,
        EvaluateEvery = 50,
        CheckpointEvery = 50,
        EvaluationWindows = 30,
    };

    private readonly Toy _toy = new();
    private readonly Backend _backend = CpuBackend.Create(1);

    public static TheoryData<string> Names => TinyModels.Names;

    public void Dispose()
    {
        _backend.Dispose();
        _toy.Dispose();
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_loss_falls_and_a_run_that_was_interrupted_goes_on_to_the_same_bits(string name)
    {
        using SequenceModel whole = Make(name);
        using Corpus corpus = CorpusBuilder.Build(_toy["corpus"], _toy.Sources, whole.Tokenizer, Cuts);
        double before;
        using (var evaluator = new Evaluator(whole, corpus, Recipe.EvaluationWindows)) before = evaluator.Run().Total.Loss;
        PretrainResult result;
        using (var run = new Pretrainer(whole, corpus, _toy["whole"], Recipe)) result = run.Run();
        Assert.InRange(result.Evaluation!.Total.Loss, 0.1, before - 0.05);
        Assert.InRange(result.Evaluation.Total.BitsPerBase, 0.1, 8);

        using (SequenceModel first = Make(name))
        using (var run = new Pretrainer(first, corpus, _toy["cut"], Recipe))
        using (var source = new CancellationTokenSource())
            Assert.Throws<OperationCanceledException>(() => run.Run(
                new Report<PretrainProgress>(p =>
                {
                    if (p.Step == 49) source.Cancel();
                }), source.Token));
        using SequenceModel second = Make(name);
        using (var run = new Pretrainer(second, corpus, _toy["cut"], Recipe, resume: true)) run.Run();
        Assert.Equal(Weights(whole), Weights(second));
        using SequenceModel loaded = SequenceModel.Load(result.Checkpoint, _backend, trainable: true);
        Assert.IsType(whole.GetType(), loaded);
        Assert.Equal(Weights(whole), Weights(loaded));
        using (var evaluator = new Evaluator(loaded, corpus, Recipe.EvaluationWindows))
            Assert.Equal(result.Evaluation.Total.Nats, evaluator.Run().Total.Nats, 1e-3);
        Evaluation baseline = MarkovBaseline.Train(corpus, 1).Evaluate(corpus, Recipe.EvaluationWindows);
        Assert.Equal(
            (result.Evaluation.Total.Tokens, result.Evaluation.Total.Bases), (baseline.Total.Tokens, baseline.Total.Bases));
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void The_command_line_trains_a_new_model_of_the_tokenizer_and_goes_on_from_a_given_one(string name)
    {
        TinyModels.Write(name, _toy["tiny"], _backend);
        string tokenizer = TokenizerFile.Find(_toy["tiny"])!;
        string[] common = ["--steps", "2", "--warmup", "0", "--batch", "4", "--held-out", "0.2", "--min-bases", "12", "--max-bases", "40",
            "--max-tokens", "24", "--threads", "1", "--evaluation-windows", "2", "--quiet", "--device", "cpu"];
        ToolRun run = ToolRun.Of(
            ["pretrain", _toy["alpha.fa"], "-o", _toy["new"], "--tokenizer", tokenizer, "--hidden", "24", "--layers", "1",
                "--intermediate", "20", .. name == "HyenaDNA" ? Array.Empty<string>() : ["--heads", "2"], .. common]);
        string[][] rows = [.. run.Succeeds().Lines.Select(line => line.Split('\t'))];
        Assert.Equal(["model", "alpha"], rows[1][..2]);
        using SequenceModel made = SequenceModel.Load(_toy["new"], _backend);
        Assert.Equal((TinyModels.Find(name).Model, 24), (made.GetType(), made.HiddenSize));

        ToolRun.Of(["pretrain", _toy["alpha.fa"], "-o", _toy["further"], "--from", _toy["tiny"], "--lr", "0", .. common]).Succeeds();
        using SequenceModel before = SequenceModel.Load(_toy["tiny"], _backend, Head(name), trainable: true),
            after = SequenceModel.Load(_toy["further"], _backend, Head(name), trainable: true);
        Assert.Equal(Weights(before), Weights(after));
        // Resumed with nothing but the folder: the run is at its end.
        ToolRun.Of("pretrain", "-o", _toy["further"], "--resume", "--threads", "1", "--device", "cpu").Succeeds();
        ToolRun shaped = ToolRun.Of(
            ["pretrain", _toy["alpha.fa"], "-o", _toy["shaped"], "--tokenizer", tokenizer, "--config", _toy["tiny/config.json"],
                .. common]);
        shaped.Succeeds();
        using SequenceModel likeTiny = SequenceModel.Load(_toy["shaped"], _backend, Head(name));
        Assert.Equal(before.WriteConfig().ToJsonString(), likeTiny.WriteConfig().ToJsonString());
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Windows_of_more_tokens_than_the_model_has_positions_for_are_refused(string name)
    {
        using SequenceModel model = Make(name);
        if (model.MaxTokens is not { } most) return;
        using Corpus corpus = CorpusBuilder.Build(_toy["corpus"], _toy.Sources, model.Tokenizer, Cuts with { MaxTokens = most + 1 });
        Assert.Contains(
            $"the model has positions for {most}",
            Assert.Throws<ArgumentException>(() => new Pretrainer(model, corpus, _toy["run"], Recipe)).Message, StringComparison.Ordinal);
        TinyModels.Write(name, _toy["tiny"], _backend);
        ToolRun run = ToolRun.Of("pretrain", _toy["alpha.fa"], "-o", _toy["tool"], "--from", _toy["tiny"], "--steps", "1", "--warmup", "0",
            "--max-tokens", $"{most + 1}", "--threads", "1", "--device", "cpu");
        Assert.Equal(2, run.Code);
        Assert.Contains($"--max-tokens {most + 1}: this model has positions for {most} tokens", run.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tokenizer_and_a_config_of_two_architectures_are_refused()
    {
        TinyModels.Write("DNABERT", _toy["tiny"], _backend);
        Assert.Contains(
            "is of DNABERT, the tokenizer of DNABERT-2",
            Assert.Throws<InvalidDataException>(() => SequenceModel.Initialize(
                Toy.Tokenizer, seed: 1, config: _toy["tiny/config.json"], backend: _backend)).Message, StringComparison.Ordinal);

        // A DNABERT-2 may be of k-mers, and has as many rows as these.
        using (FileStream file = File.Create(_toy["config.json"])) Toy.Config.Save(file);
        using var model = (Dnabert2Model)SequenceModel.Initialize(
            new DnabertTokenizer(3), seed: 1, config: _toy["config.json"], backend: _backend);
        Assert.Equal((69, Toy.Config.HiddenSize), (model.Config.VocabSize, model.HiddenSize));
    }

    private static ModelParts Head(string name) => TinyModels.Find(name).LanguageModel!.Value;

    private SequenceModel Make(string name) => TinyModels.Make(name, _backend, Head(name));

    [Fact]
    public void A_causal_model_is_asked_for_the_token_behind_each_and_in_training_for_the_end()
    {
        var tokenizer = new HyenaTokenizer(24);
        ushort[] window = [7, 9, 8, 10, 7];
        foreach ((ITargets targets, int asked) in ((ITargets, int)[])
            [(Targets.ForTraining(tokenizer, Recipe), 5), (Targets.ForEvaluation(tokenizer, 0.15), 4)])
        {
            int[] ids = new int[6], rows = new int[6], labels = new int[6];
            Assert.Equal(asked, targets.Choose(3, window, ids, 10, rows, labels));
            Assert.Equal([7, 9, 8, 10, 7, 1], ids);
            Assert.Equal([10, 11, 12, 13, 14], rows[..5].Select((row, i) => i < asked ? row : 10 + i));
            int[] next = HyenaLmHead.NextTokens(ids, [6]);
            Assert.Equal(next[..asked], labels[..asked]);
        }
    }

    private static float[] Weights(SequenceModel model)
    {
        var values = new float[model.Parameters.Values.Count];
        model.Backend.Download<float>(model.Parameters.Values, values);
        return values;
    }
}
