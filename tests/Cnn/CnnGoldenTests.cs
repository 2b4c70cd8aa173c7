using System.Text.Json;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Cnn;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Baselines;

namespace Tests.Cnn;

/// <summary>The network of Genomic Benchmarks beside its reference implementation in PyTorch.</summary>
public sealed class CnnGoldenTests
{
    private const double Tolerance = 2e-5;

    [Theory]
    [InlineData("cnn_2class_len72")]
    [InlineData("cnn_3class_len402")]
    public void Outputs_losses_gradients_and_running_statistics_equal_the_reference(string name)
    {
        using var run = new CnnRun(FilledGolden.Open(name));
        FilledGolden golden = run.Golden;
        Assert.Equal(
            golden.Root.GetProperty("parameters").GetInt64(),
            run.Model.Parameters.Parameters.Where(p => p.IsTrained).Sum(p => p.Shape.Count));
        FilledGolden.Near(golden.Expected("eval.output"), run.Infer(golden.Root), Tolerance, "output in inference");
        FilledGolden.Near(golden.Number("train_loss"), run.Backward(golden.Root), Tolerance, "loss in training");
        FilledGolden.Near(golden.Expected("train.output"), run.Output, Tolerance, "output in training");
        string[] gradients = golden.ExpectedNames("grad.");
        Assert.Equal(17, gradients.Length);
        foreach (string gradient in gradients)
        {
            float[] expected = golden.Expected(gradient), actual = run.Read(run.Find(gradient["grad.".Length..]).Gradient);
            FilledGolden.Near(expected, actual, Tolerance, gradient);
        }

        run.Model.Network.UpdateRunningStatistics();
        const string after = "after_one_training_forward.";
        Assert.Equal(6, golden.ExpectedNames(after).Length);
        foreach (string statistics in golden.ExpectedNames(after))
            FilledGolden.Near(golden.Expected(statistics), run.Read(run.Find(statistics[after.Length..]).Value), Tolerance, statistics);
    }

    [Theory]
    [InlineData("cnn_2class_len72")]
    [InlineData("cnn_3class_len402")]
    public void As_any_model_it_has_the_probabilities_the_loss_and_the_gradients_of_the_reference(string name)
    {
        using var run = new CnnRun(FilledGolden.Open(name));
        (float[] logits, double loss) = run.AsAnyModel();
        float[] expected = run.Golden.Expected("eval.output");
        if (run.Model.Config.Outputs == 1)
        {
            Assert.All(logits.Where((_, i) => i % 2 == 0), logit => Assert.Equal(0, logit));
            logits = [.. logits.Where((_, i) => i % 2 == 1).Select(logit => 1 / (1 + MathF.Exp(-logit)))];
        }

        FilledGolden.Near(expected, logits, Tolerance, "output in inference");
        FilledGolden.Near(run.Golden.Number("train_loss"), loss, Tolerance, "loss in training");
        foreach (string gradient in run.Golden.ExpectedNames("grad."))
            FilledGolden.Near(
                run.Golden.Expected(gradient), run.Read(run.Find(gradient["grad.".Length..]).Gradient), Tolerance, gradient);
    }

    [Theory]
    [InlineData("cnn_2class_len72")]
    [InlineData("cnn_3class_len402")]
    public void Each_layer_in_inference_equals_the_reference(string name)
    {
        using var run = new CnnRun(FilledGolden.Open(name));
        run.CheckLayers(Tolerance);
    }

    [Theory]
    [InlineData("cnn_2class_len72")]
    [InlineData("cnn_3class_len402")]
    public void Twenty_steps_of_Adam_follow_the_trajectory_of_the_reference(string name)
    {
        using var run = new CnnRun(FilledGolden.Open(name));
        FilledGolden golden = run.Golden;
        var adam = new AdamW(run.Model.Parameters, new AdamWOptions { WeightDecay = 0 });
        JsonElement batches = golden.Root.GetProperty("batches");
        float[] losses = golden.Numbers("trajectory_losses");
        for (int step = 0; step < losses.Length; step++)
        {
            FilledGolden.Near(losses[step], run.Backward(batches[step % batches.GetArrayLength()]), Tolerance, $"loss of step {step}");
            run.Model.Network.UpdateRunningStatistics();
            Assert.True(adam.Step(1e-3, out _));
        }

        foreach (JsonProperty buffer in golden.Root.GetProperty("final_buffers").EnumerateObject().Where(b => !IsOfNoise(b.Name)))
            FilledGolden.Near(
                [.. Golden.Flatten(buffer.Value).Select(v => (float)v)], run.Read(run.Find(buffer.Name).Value), 1e-4, buffer.Name);
        foreach (JsonProperty parameter in golden.Root.GetProperty("final_parameters").EnumerateObject().Where(p => !IsOfNoise(p.Name)))
        {
            float[] values = run.Read(run.Find(parameter.Name).Value);
            FilledGolden.Near(
                parameter.Value.GetProperty("l2").GetDouble(), Math.Sqrt(values.Sum(v => (double)v * v)), 1e-4, parameter.Name);
            float[] first = [.. Golden.Flatten(parameter.Value.GetProperty("first4")).Select(v => (float)v)];
            FilledGolden.Near(first, values.AsSpan(0, first.Length), 2e-4, $"{parameter.Name}, first four");
        }
    }

    // A bias before a batch normalisation, even with a pool and a convolution between, has a gradient of 0 in exact arithmetic, since the
    // mean is taken off again; Adam makes whole steps of the rounding noise that is left, so the biases, the running means of them, and
    // outputs in inference say nothing.
    private static bool IsOfNoise(string name) =>
        name is "cnn_model.0.bias" or "cnn_model.4.bias" or "cnn_model.5.bias" or "cnn_model.7.bias"
        || name.EndsWith("running_mean", StringComparison.Ordinal);
}

/// <summary>Passes of a golden network.</summary>
internal sealed class CnnRun : IDisposable
{
    private readonly Backend _backend = CpuBackend.Create();
    private readonly Arena _activations, _gradients;
    private readonly Tape _tape;

    public CnnRun(FilledGolden golden)
    {
        Golden = golden;
        (_activations, _gradients) = (new Arena(_backend), new Arena(_backend));
        _tape = Tape.ForTraining(_activations, _gradients);
        var config = new CnnConfig
        {
            VocabSize = golden.Root.GetProperty("vocab_size").GetInt32(),
            InputLength = golden.Root.GetProperty("input_len").GetInt32(),
            NumLabels = golden.Root.GetProperty("number_of_classes").GetInt32(),
        };
        Model = CnnModel.Make(config, VocabularyOf(config), _backend, set =>
        {
            set.FillFlat(golden.Fill);
            set.AllocateGradients();
        });
    }

    /// <summary>The vocabulary of rows of the network's length, of as many letters as it has.</summary>
    public static LetterVocabulary VocabularyOf(CnnConfig config)
    {
        string letters = "ACGTN"[..(config.VocabSize - 3)];
        return LetterVocabulary.FromSequences(
            [string.Concat(Enumerable.Repeat(letters, config.InputLength))[..(config.InputLength - 2)]]);
    }

    public FilledGolden Golden { get; }

    public CnnModel Model { get; }

    /// <summary>The logits in inference, and the mean loss of a pass in training, as any model has them.</summary>
    public (float[] Logits, double Loss) AsAnyModel()
    {
        int[] ids = [.. FilledGolden.Rows(Golden.Root.GetProperty("input_ids")).SelectMany(row => row)];
        int[] lengths = [.. Enumerable.Repeat(Model.Config.InputLength, ids.Length / Model.Config.InputLength)];
        int[] labels = [.. Golden.Root.GetProperty("labels").EnumerateArray().Select(e => e.GetInt32())];
        using var arena = new Arena(_backend);
        float[] logits = Read(Model.Classify(Tape.ForInference(arena), new Batch(arena, ids, lengths)).Data);
        _tape.Reset();
        Tensor classes = _activations.Rent(new Shape(labels.Length), DType.I32);
        _backend.Upload<int>(labels, classes);
        Variable losses = Objectives.Classification(
            Model, _tape, new Batch(_activations, ids, lengths), classes, _tape.Number(1f / labels.Length));
        double loss = Read(losses.Data).Average(v => (double)v);
        _tape.Backward(losses);
        return (logits, loss);
    }

    /// <summary>The output of the last pass.</summary>
    public float[] Output { get; private set; } = [];

    /// <summary>The output in inference.</summary>
    public float[] Infer(JsonElement batch)
    {
        using var arena = new Arena(_backend);
        return Read(Model.Network.Forward(Tape.ForInference(arena), Ids(arena, batch)).Data);
    }

    /// <summary>Adds the gradients of a batch's mean loss, which it returns.</summary>
    public double Backward(JsonElement batch)
    {
        _tape.Reset();
        int[] labels = [.. batch.GetProperty("labels").EnumerateArray().Select(e => e.GetInt32())];
        Variable output = Model.Network.Forward(_tape, Ids(_activations, batch));
        Output = Read(output.Data);
        Variable losses = Model.Network.Loss(_tape, output, Labels(labels), _tape.Number(1f / labels.Length));
        double loss = Read(losses.Data).Average(v => (double)v);
        _tape.Backward(losses);
        return loss;
    }

    public Parameter Find(string name) => Model.Parameters.Parameters.Single(p => p.Name == name);

    public float[] Read(Tensor tensor)
    {
        var values = new float[tensor.Count];
        _backend.Download<float>(tensor, values);
        return values;
    }

    /// <summary>Runs the layers one by one, and holds the first two sequences of each result against the reference.</summary>
    public void CheckLayers(double tolerance)
    {
        using var set = new ParameterSet(_backend);
        using var arena = new Arena(_backend);
        Tape tape = Tape.ForInference(arena);
        int length = Golden.Root.GetProperty("input_len").GetInt32(), inputs = 100;
        var steps = new List<(string Name, int Length, Func<Variable, Variable> Run)>();
        TokenEmbedding embedding = TokenEmbedding.Declare(set, "embeddings", Model.Config.VocabSize, inputs);
        foreach ((int layer, int channels) in ((int, int)[])[(0, 16), (4, 8), (7, 4)])
        {
            Convolution convolution = Convolution.Declare(set, $"cnn_model.{layer}", inputs, channels, 8, length);
            BatchNorm norm = BatchNorm.Declare(set, $"cnn_model.{layer + 1}", channels, 1e-5f);
            var pool = new MaxPool(convolution.ResultLength, 2);
            steps.Add(($"{layer}.Conv1d", convolution.ResultLength, x => convolution.Forward(tape, x)));
            steps.Add(($"{layer + 1}.BatchNorm1d", convolution.ResultLength, x => norm.Forward(tape, x)));
            if (layer == 0) steps.Add(("2.ReLU", convolution.ResultLength, x => Relu.Instance.Forward(tape, x)));
            steps.Add(($"{(layer == 0 ? 3 : layer + 2)}.MaxPool1d", pool.ResultLength, x => pool.Forward(tape, x)));
            (inputs, length) = (channels, pool.ResultLength);
        }

        var flatten = new FlattenChannels(length);
        steps.Add(("10.Flatten", 1, x => flatten.Forward(tape, x)));
        set.FillPacked(Golden.Fill);
        Variable x = embedding.Forward(tape, Ids(arena, Golden.Root));
        foreach ((string name, int positions, Func<Variable, Variable> run) in steps)
        {
            x = run(x);
            float[] expected = Golden.Expected($"eval.layer.{name}"), actual = Read(x.Data);
            int channels = x.Data.Shape[1];
            for (int i = 0; i < expected.Length; i++)
            {
                // The reference has [sequence, channel, position].
                int sequence = i / (channels * positions), channel = i / positions % channels, position = i % positions;
                float value = actual[(((sequence * positions) + position) * channels) + channel];
                FilledGolden.Near(expected[i], value, tolerance, $"{name}[{sequence}, {channel}, {position}]");
            }
        }
    }

    public void Dispose()
    {
        Model.Dispose();
        _activations.Dispose();
        _gradients.Dispose();
        _backend.Dispose();
        Golden.Dispose();
    }

    private Tensor Ids(Arena arena, JsonElement batch)
    {
        int[] ids = [.. FilledGolden.Rows(batch.GetProperty("input_ids")).SelectMany(row => row)];
        Tensor tensor = arena.Rent(new Shape(ids.Length), DType.I32);
        _backend.Upload<int>(ids, tensor);
        return tensor;
    }

    private Tensor Labels(int[] labels)
    {
        if (Model.Config.Outputs > 1)
        {
            Tensor classes = _activations.Rent(new Shape(labels.Length), DType.I32);
            _backend.Upload<int>(labels, classes);
            return classes;
        }

        Tensor targets = _activations.Rent(new Shape(labels.Length, 1), DType.F32);
        _backend.Upload<float>([.. labels.Select(label => (float)label)], targets);
        return targets;
    }
}
