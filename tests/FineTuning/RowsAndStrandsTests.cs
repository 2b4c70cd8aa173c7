using Dnabert2;
using Dnabert2.FineTuning;
using Dnabert2.Sequences;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Training;

namespace Tests.FineTuning;

/// <summary>What becomes of a row before it is classified: strands, merges left out, and the vector that stands for it.</summary>
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
    public void Drawn_rows_are_the_kept_bases_of_either_strand_cut_otherwise_in_each_epoch()
    {
        LabelledSet train = _toy.Task(train: 60).Train!;
        FineTuneOptions options = ToyTask.Recipe with { AugmentReverseComplement = true, BpeDropout = 0.3, MaxTokens = 12 };
        int[] rows = [.. Enumerable.Range(0, train.Count)];
        DrawnRows drawn = DrawnRows.Of(train, Toy.Tokenizer, options)!;
        string[] first = Draw(rows, 0), second = Draw(rows, 1);
        Assert.NotEqual(first, second);
        // A row does not depend on those around it.
        Assert.Equal([first[7], first[3]], Draw([7, 3], 0));
        var plain = TokenSequences.Of(train, Toy.Tokenizer, 12);
        int others = 0, cut = 0;
        for (int i = 0; i < rows.Length; i++)
        {
            string kept = Letters(plain[i]);
            string other = new([.. kept.Reverse().Select(b => "TGCA"["ACGT".IndexOf(b, StringComparison.Ordinal)])]);
            Assert.Contains(first[i].Replace(" ", "", StringComparison.Ordinal), (string[])[kept, other]);
            if (first[i].Replace(" ", "", StringComparison.Ordinal) == other) others++;
            cut += first[i].Count(c => c == ' ');
        }

        Assert.InRange(others, 18, 42);
        Assert.True(cut > 1.1 * rows.Sum(i => plain[i].Length - 3), $"{cut} borders: no merge was left out");
        Assert.Null(DrawnRows.Of(train, Toy.Tokenizer, ToyTask.Recipe));

        string[] Draw(int[] numbers, int epoch)
        {
            drawn.Draw(numbers, epoch);
            return [.. numbers.Select((_, i) => Toy.Tokenizer.Decode(drawn[i]))];
        }

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
            if (target.Classes.IsEmpty && outputs.Length == 1) return Math.Pow(outputs[0] - target.Value, 2);
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
