using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Sequences;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Training;

namespace Tests.FineTuning;

/// <summary>What becomes of a row before it is classified: its strands, and the vector that stands for it.</summary>
[Trait("Category", "Slow")]
public sealed class RowsAndStrandsTests : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly ToyTask _toy;

    public RowsAndStrandsTests() => _toy = new ToyTask(_backend);

    public void Dispose()
    {
        _toy.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Rows_of_training_come_from_either_strand_as_seed_and_epoch_say()
    {
        LabelledTask task = _toy.Task(train: 60);
        FineTuneOptions options = ToyTask.Recipe with { AugmentReverseComplement = true, MaxTokens = 12, Batch = 60 };
        var data = new TaskData(task, Toy.Tokenizer, options);
        using SequenceModel model = FineTuneModel.Create(ModelSource.Open(_toy.Start), data.Config, options, _backend, out _);
        using var step = new FineTuningStep(
            model, data.Train, new TaskLoss(data.Config, options.ClassWeights, data.Train.Targets), options);
        var plain = TokenSequences.Of(task.Train!, Toy.Tokenizer, 12);
        int others = 0, changed = 0, tokens = 0;
        for (int row = 0; row < 60; row++)
        {
            string kept = Letters(plain[row]), first = Letters(step.TokensOf(row, 0));
            string other = new([.. kept.Reverse().Select(b => "TGCA"["ACGT".IndexOf(b, StringComparison.Ordinal)])]);
            Assert.Contains(first, (string[])[kept, other]);
            if (first == other) others++;
            if (first != Letters(step.TokensOf(row, 1))) changed++;
            tokens += step.TokensOf(row, 0).Length;
        }

        Assert.InRange(others, 18, 42);
        Assert.InRange(changed, 18, 42);
        Assert.NotEqual(data.Train.Targets.Select((_, row) => plain[row].Length).Sum(), tokens);
        Assert.Equal(tokens, step.Run(0, 0).Tokens);

        static string Letters(ReadOnlySpan<int> ids) => Toy.Tokenizer.Decode(ids).Replace(" ", "", StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_measured_on_both_strands_is_what_the_predictor_says_of_both()
    {
        foreach (TaskKind kind in Enum.GetValues<TaskKind>())
        {
            LabelledTask task = _toy.Task(kind, name: kind.ToString());
            FineTuneOptions recipe = ToyTask.Recipe with
            {
                Steps = 2,
                LearningRate = 0.05,
                AverageReverseComplement = true,
                ClassifierPooling = Pooling.Mean,
            };
            using var run = new FineTuner(_toy.Start, task, _toy["run-" + kind], recipe, _backend);
            double measured = run.Run().TestLoss;
            using ClassifierModel model = ClassifierModel.Load(_toy["run-" + kind], _backend);
            Assert.Equal(Pooling.Mean, ((Dnabert2Model)model.Model).Config.ClassifierPooling);
            Prediction[] said =
                [.. new Predictor(model, averageReverseComplement: true).Predict(SequenceReader.Read(task.Test!.Path))];
            Assert.Equal(task.Test.Select((row, i) => Loss(row.Target, said[i].Outputs.Span)).Average(), measured, 1e-5);
        }

        static double Loss(Target target, ReadOnlySpan<float> outputs)
        {
            if (target.Class >= 0) return -Math.Log(outputs[target.Class]);
            if (target.Classes.IsEmpty && outputs.Length == 1) return Math.Pow(outputs[0] - target.Values[0], 2);
            double sum = 0;
            for (int c = 0; c < outputs.Length; c++) sum -= Math.Log(target.Classes.Contains(c) ? outputs[c] : 1 - outputs[c]);
            return sum / outputs.Length;
        }
    }

    [Fact]
    public void What_the_head_classifies_is_of_the_model_and_goes_along_until_it_is_changed()
    {
        LabelledTask task = _toy.Task();
        FineTuneOptions recipe = ToyTask.Recipe with { Steps = 1 };
        string[] pooled = [Config("mean", _toy.Start, Pooling.Mean), Config("same", _toy["mean"], null)];
        Assert.All(pooled, json => Assert.Contains("\"classifier_pooling\": \"mean\"", json, StringComparison.Ordinal));
        Assert.All(pooled, json => Assert.DoesNotContain("auto_map", json, StringComparison.Ordinal));
        Assert.DoesNotContain("classifier_pooling", Config("first", _toy["mean"], Pooling.Cls), StringComparison.Ordinal);
        float[] mean = Logits("mean");
        Assert.NotEqual(mean, Logits("first"));

        string Config(string name, string start, Pooling? pooling)
        {
            using var run = new FineTuner(start, task, _toy[name], recipe with { ClassifierPooling = pooling }, _backend);
            run.Run();
            return File.ReadAllText(_toy[name + "/config.json"]);
        }

        float[] Logits(string name)
        {
            using ClassifierModel model = ClassifierModel.Load(_toy[name], _backend);
            return model.Logits(TokenSequences.Of(task.Test!, model.Model.Tokenizer, model.MaxTokens));
        }
    }
}
