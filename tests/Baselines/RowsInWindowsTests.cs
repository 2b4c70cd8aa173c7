using Conformance.Gpu;
using Dnabert2;
using Dnabert2.Dnabert;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Folders;
using Tests.Gpu;
using Tests.Training;
using Tests.Weights;

namespace Tests.Baselines;

/// <summary>Rows of more tokens than a DNABERT has positions, in fine-tuning and in prediction.</summary>
public sealed class RowsInWindowsTests : IDisposable
{
    private const string Name = "DNABERT";
    private const ModelParts Head = ModelParts.Pooler | ModelParts.Classifier;
    private readonly Backend _backend = CpuBackend.Create(1);
    private readonly TempFolder _folder = new();

    public void Dispose()
    {
        _folder.Dispose();
        _backend.Dispose();
    }

    [Fact]
    public void Rows_of_as_many_windows_have_the_logits_and_the_gradients_of_the_published_class()
    {
        int[] lengths = [60, 49, 55], labels = [0, 1, 1];
        int[] ids = Ids(lengths);
        (float[] Logits, float[] Gradients) published = Run((tape, arena, model) =>
            model.Classify(tape, new WindowedBatch(arena, ids, lengths, model.MaxTokens!.Value, model.Tokenizer.PadId!.Value)));
        (float[] Logits, float[] Gradients) own = Run((tape, arena, model) => model.Classify(
            tape, new RoundedBatch(model, cutsRows: true).Upload(arena, ids, lengths)));
        Assert.Equal(published.Logits, own.Logits);
        Assert.Equal(published.Gradients, own.Gradients);
        Assert.Contains(own.Gradients, g => g != 0);

        (float[], float[]) Run(Func<Tape, Arena, DnabertModel, Variable> classify)
        {
            using var model = (DnabertModel)TinyModels.Make(Name, _backend, Head);
            model.Parameters.AllocateGradients();
            using Arena activations = new(_backend), gradients = new(_backend);
            var tape = Tape.ForTraining(activations, gradients);
            tape.Reset(1, 0);
            Variable logits = classify(tape, activations, model);
            Tensor targets = activations.Rent(new Shape(labels.Length), DType.I32);
            _backend.Upload<int>(labels, targets);
            float[] values = new float[logits.Data.Count], all = new float[model.Parameters.Gradients.Count];
            _backend.DownloadNumbers(logits.Data, values);
            tape.Backward(CrossEntropy.Instance.Forward(tape, logits, targets, tape.Number(1)));
            _backend.Download<float>(model.Parameters.Gradients, all);
            return (values, all);
        }
    }

    [Fact]
    public void The_result_of_a_row_does_not_depend_on_the_other_rows()
    {
        using SequenceModel model = TinyModels.Make(Name, _backend, Head);
        string[] rows = [Toy.Bases(1, 90), Toy.Bases(2, 10), Toy.Bases(3, 24), Toy.Bases(4, 200), Toy.Bases(5, 22)];
        float[] all = Logits(rows, 100_000);
        for (int i = 0; i < rows.Length; i++)
        {
            float[] alone = Logits([rows[i]], 1);
            for (int label = 0; label < alone.Length; label++) Assert.Equal(alone[label], all[(i * alone.Length) + label], 1e-5);
        }

        // The second window counts.
        Assert.NotEqual(Logits([rows[0][..60]], 100)[0], Logits([rows[0]], 100)[0], 1e-4);

        float[] Logits(string[] texts, int budget)
        {
            var sequences = new TokenSequences(model.Tokenizer, 4096);
            foreach (string text in texts) sequences.Add(System.Text.Encoding.ASCII.GetBytes(text));
            using var run = new Classification(model, budget);
            return run.Run(sequences);
        }
    }

    [Fact]
    public void Encoding_takes_no_row_that_is_longer_than_the_positions()
    {
        using SequenceModel model = TinyModels.Make(Name, _backend, Head);
        using var arena = new Arena(_backend);
        int[] lengths = [60];
        Batch batch = new RoundedBatch(model).Upload(arena, Ids(lengths), lengths);
        Assert.Contains("the longest sequence has 60 tokens", Assert.Throws<ArgumentException>(
            () => model.Encode(Tape.ForInference(arena), batch)).Message, StringComparison.Ordinal);
    }

    [Fact]
    [Trait("Category", "Slow")]
    public void Fine_tuning_and_prediction_have_the_same_bits_rounded_and_captured()
    {
        // The interpreter is slow.
        var config = new DnabertConfig
        {
            VocabSize = 9,
            HiddenSize = 16,
            NumHiddenLayers = 1,
            NumAttentionHeads = 2,
            IntermediateSize = 16,
            MaxPositionEmbeddings = 8,
        };
        using (var model = DnabertModel.Initialize(config, new DnabertTokenizer(1), seed: 7, _backend, trainable: true))
            ModelFolder.Save(model, _folder["start"]);
        Directory.CreateDirectory(_folder["task"]);
        foreach (string part in (string[])["train", "dev", "test"])
            File.WriteAllText(
                _folder[$"task/{part}.csv"],
                "sequence,label\n"
                + string.Concat(Enumerable.Range(0, 2).Select(i => $"{Toy.Bases((ulong)i, 4 + (i * 9))},{i % 2}\n")));
        LabelledTask task = LabelledTask.Read(_folder["task"]);
        (double[] Losses, float[] Weights, float[] Logits) expected = Train(new CudaBackend(new InterpretedDevice())),
            actual = Train(CapturedPassTests.Open(new FakeDriver()));
        Assert.Equal(expected.Losses, actual.Losses);
        Assert.Equal(expected.Weights, actual.Weights);
        Assert.Equal(expected.Logits, actual.Logits);

        (double[], float[], float[]) Train(Backend backend)
        {
            ModelSource start = ModelSource.Open(_folder["start"]);
            FineTuneOptions options = FineTuneModel.Resolved(new FineTuneOptions { Batch = 2, MicroBatchTokens = 100 }, start);
            var data = new TaskData(task, start.LoadTokenizer(), options);
            using (backend)
            using (SequenceModel model = FineTuneModel.Create(start, data.Config, options, backend, out _))
            using (var step = new FineTuningStep(
                model, data.Train, new TaskLoss(data.Config, options.ClassWeights, data.Train.Targets), options))
            using (var classification = new Classification(model, 80))
            {
                double[] losses = [.. Enumerable.Range(0, 3).Select(s => step.Run(s, 1e-2).Loss)];
                return (losses, Toy.Weights(model), classification.Run(data.Dev.Sequences));
            }
        }
    }

    private static int[] Ids(int[] lengths) => [.. Enumerable.Range(0, lengths.Sum()).Select(i => 5 + (i * 7 % 64))];
}
