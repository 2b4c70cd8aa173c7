using System.Text;
using System.Text.Json;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Data;
using Dnabert2.Hyena;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Baselines;

namespace Tests.Hyena;

/// <summary>Passes of a golden HyenaDNA.</summary>
internal sealed class HyenaRun : IDisposable
{
    private readonly Arena _activations, _gradients;

    public HyenaRun(string name, ModelParts parts, bool trainable = true)
    {
        Golden = FilledGolden.Open(name);
        Backend = CpuBackend.Create();
        (_activations, _gradients) = (new Arena(Backend), new Arena(Backend));
        Tape = trainable ? Tape.ForTraining(_activations, _gradients) : Tape.ForInference(_activations);
        byte[] json = Encoding.UTF8.GetBytes(Golden.Root.GetProperty("config").GetRawText());
        HyenaConfig config = JsonFields.Read("config.json", json, HyenaConfig.Remedy, HyenaConfig.Read) with
        {
            NumLabels = Golden.Root.GetProperty("num_labels").GetInt32(),
        };
        Model = HyenaModel.Make(config, Backend, parts, set =>
        {
            if (!trainable)
            {
                set.FillPacked(Golden.Fill);
                return;
            }

            set.FillFlat(Golden.Fill);
            set.AllocateGradients();
        });
    }

    public FilledGolden Golden { get; }

    public Backend Backend { get; }

    public HyenaModel Model { get; }

    public Tape Tape { get; }

    public Batch Batch(int[][] rows) => new(_activations, [.. rows.SelectMany(row => row)], [.. rows.Select(row => row.Length)]);

    /// <summary>The rows, by rule where the file does not hold them.</summary>
    public int[][] Ids()
    {
        if (Golden.Root.TryGetProperty("input_ids", out JsonElement given)) return FilledGolden.Rows(given);
        int[] lengths = [.. Golden.Root.GetProperty("lengths").EnumerateArray().Select(e => e.GetInt32())];
        return [.. lengths.Select((length, row) =>
        {
            var uniform = new float[length];
            Conformance.Model.Golden.Fill((uint)(1000 + row), 4, 2, uniform);
            return uniform.Select(u => 7 + Math.Min((int)u, 3)).Append(1).ToArray();
        })];
    }

    /// <summary>Rows up to their first padding.</summary>
    public static int[][] WithoutPadding(JsonElement rows) =>
        [.. FilledGolden.Rows(rows).Select(row => row.TakeWhile(id => id != 4).ToArray())];

    /// <summary>The loss of the language model, whose gradients are added.</summary>
    public double LanguageModel(int[][] rows)
    {
        Tape.Reset();
        Batch batch = Batch(rows);
        int[] labels = HyenaLmHead.NextTokens([.. rows.SelectMany(row => row)], [.. rows.Select(row => row.Length)]);
        int count = labels.Count(label => label >= 0);
        Variable logits = Model.LmHead!.Forward(Tape, Model.Backbone.Forward(Tape, batch));
        Variable losses = CrossEntropy.Instance.Forward(Tape, logits, Integers(labels), Tape.Number(1f / count));
        Logits = Read(logits.Data);
        double loss = Read(losses.Data).Sum(v => (double)v) / count;
        Tape.Backward(losses);
        return loss;
    }

    /// <summary>The loss of the classifier, whose gradients are added.</summary>
    public double Classification(int[][] rows, JsonElement labels)
    {
        Tape.Reset();
        Batch batch = Batch(rows);
        int[] classes = [.. labels.EnumerateArray().Select(e => e.GetInt32())];
        Variable logits = Model.Classifier!.Forward(Tape, Model.Backbone.Forward(Tape, batch), batch.CuSeqlens);
        Variable losses = CrossEntropy.Instance.Forward(Tape, logits, Integers(classes), Tape.Number(1f / classes.Length));
        Logits = Read(logits.Data);
        double loss = Read(losses.Data).Average(v => (double)v);
        Tape.Backward(losses);
        return loss;
    }

    /// <summary>The logits of the last pass.</summary>
    public float[] Logits { get; private set; } = [];

    public Parameter Find(string name) => Model.Parameters.Parameters.Single(p => p.Name == name);

    /// <summary>The gradients beside norm, sum and first elements of the reference.</summary>
    public void CheckSummaries(string key, double tolerance)
    {
        JsonProperty[] all = [.. Golden.Root.GetProperty(key).EnumerateObject()];
        Assert.True(all.Length >= 50);
        foreach (JsonProperty expected in all)
        {
            float[] actual = Read(Find(expected.Name).Gradient);
            double l2 = expected.Value.GetProperty("l2").GetDouble(), norm = Math.Sqrt(actual.Sum(v => (double)v * v));
            Assert.True(
                Math.Abs(norm - l2) <= tolerance * Math.Max(l2, 1e-3), $"{key} {expected.Name}: norm {norm:G7}, expected {l2:G7}");
            double sum = actual.Sum(v => (double)v), largest = expected.Value.GetProperty("absmax").GetDouble();
            Assert.True(
                Math.Abs(sum - expected.Value.GetProperty("sum").GetDouble()) <= tolerance * Math.Max(l2, 1e-3) * Math.Sqrt(actual.Length),
                $"{key} {expected.Name}: sum {sum:G7}");
            double[] first = [.. Conformance.Model.Golden.Flatten(expected.Value.GetProperty("first4"))];
            for (int i = 0; i < first.Length; i++)
                Assert.True(
                    Math.Abs(first[i] - actual[i]) <= tolerance * Math.Max(largest, 1e-3),
                    $"{key} {expected.Name}[{i}]: {actual[i]:G7}, expected {first[i]:G7}");
        }
    }

    public Tensor Integers(int[] values)
    {
        Tensor tensor = _activations.Rent(new Shape(values.Length), DType.I32);
        Backend.Upload<int>(values, tensor);
        return tensor;
    }

    public float[] Read(Tensor tensor)
    {
        var values = new float[tensor.Count];
        Backend.Download<float>(tensor, values);
        return values;
    }

    public void Dispose()
    {
        Model.Dispose();
        _activations.Dispose();
        _gradients.Dispose();
        Backend.Dispose();
        Golden.Dispose();
    }
}
