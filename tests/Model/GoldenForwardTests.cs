using Dnabert2;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Model;

public class GoldenForwardTests
{
    [SkippableTheory]
    [InlineData("tiny12h")]
    [InlineData("tiny3h")]
    public void Every_layer_logit_and_loss_of_the_small_models_equals_the_reference(string name)
    {
        using var run = new Run(name);
        Golden golden = run.Golden;
        Near(Unpadded(golden, "embedding_output"), run.Embedding, 2e-5, "embedding");
        int perLayer = run.Layers[0].Length;
        double[] layers = golden.Values("layers_unpadded");
        for (int i = 0; i < run.Layers.Count; i++) Near(layers.AsSpan(i * perLayer, perLayer), run.Layers[i], 2e-5, $"layer {i}");
        Near(golden.Values("sequence_output"), run.Padded, 2e-5, "padded sequence output, zero in the padding");
        Near(golden.Values("pooled"), run.Pooled, 2e-5, "pooled");
        Near(golden.Values("cls_logits"), run.ClassLogits, 2e-5, "classifier logits");
        Near(Unpadded(golden, "mlm_logits_nolabels"), run.MlmLogits, 2e-5, "MLM logits");
        Assert.Equal(golden.Value("mlm_loss"), run.MlmLoss, 2e-5);
        Assert.Equal(golden.Value("cls_loss"), run.ClassLoss, 2e-5);
    }

    [SkippableFact]
    public void The_117M_shape_equals_the_reference()
    {
        using var run = new Run("full117m");
        Golden golden = run.Golden;
        int hidden = golden.Config.HiddenSize, longest = golden.Longest, vocabulary = golden.Config.VocabSize;
        Near(Valid(golden, golden.Values("embedding_first8"), 8), Columns(run.Embedding, hidden, 0, 8), 1e-4, "embedding");
        double[] rms = golden.Values("layer_rms"), last = golden.Values("layer_last8_token0");
        for (int i = 0; i < run.Layers.Count; i++)
        {
            Assert.Equal(rms[i], Math.Sqrt(run.Layers[i].Average(v => (double)v * v)), 1e-4);
            Near(last.AsSpan(i * 8, 8), run.Layers[i].AsSpan(hidden - 8, 8), 1e-4, $"layer {i}");
        }

        Near(golden.Values("seq_first8"), Columns(run.Padded, hidden, 0, 8), 1e-4, "sequence output");
        Near(golden.Values("pooled"), run.Pooled, 1e-4, "pooled");
        Near(golden.Values("cls_logits"), run.ClassLogits, 1e-4, "classifier logits");
        Near(Valid(golden, golden.Values("mlm_logits_first16"), 16), Columns(run.MlmLogits, vocabulary, 0, 16), 1e-4, "MLM logits");
        double[] argmax = Valid(golden, golden.Values("mlm_logit_argmax"), 1);
        for (int t = 0; t < argmax.Length; t++)
            Assert.Equal(argmax[t], Array.IndexOf(run.MlmLogits, run.MlmLogits.AsSpan(t * vocabulary, vocabulary).ToArray().Max(), t * vocabulary) - (t * vocabulary));
        Assert.Equal(golden.Value("mlm_loss"), run.MlmLoss, 1e-4);
        Assert.Equal(golden.Value("cls_loss"), run.ClassLoss, 1e-4);
        Near(golden.Values("seq_mean_pool"), run.Pool(Pooling.Mean).AsSpan(0, hidden), 1e-4, "mean pool");
        Near(golden.Values("seq_max_pool"), run.Pool(Pooling.Max).AsSpan(0, hidden), 1e-4, "max pool");
        Assert.Equal(longest * 2 * hidden, run.Padded.Length);
    }

    [SkippableFact]
    public void Sequences_of_1500_tokens_past_the_references_precomputed_bias_equal_the_reference()
    {
        using var run = new Run("long1500");
        Golden golden = run.Golden;
        int hidden = golden.Config.HiddenSize;
        Near(golden.Values("mean_pool"), run.Pool(Pooling.Mean), 1e-4, "mean pool");
        Near(golden.Values("max_pool"), run.Pool(Pooling.Max), 1e-4, "max pool");
        Near(golden.Values("cls_token"), run.Pool(Pooling.Cls), 1e-4, "CLS");
        Near(golden.Values("pooled"), run.Pooled, 1e-4, "pooled");
        float[] output = run.Layers[^1];
        int first = golden.Lengths[0];
        float[] lastValid = [.. output.AsSpan((first - 1) * hidden, hidden), .. output.AsSpan(output.Length - hidden, hidden)];
        Near(golden.Values("last_valid_token"), lastValid, 1e-4, "last token");
        Assert.Equal(golden.Value("mlm_loss"), run.MlmLoss, 1e-4);
    }

    /// <summary>The valid rows of a padded array [sequences, longest, width].</summary>
    private static double[] Valid(Golden golden, double[] padded, int width)
    {
        var rows = new List<double>();
        for (int s = 0; s < golden.Lengths.Length; s++) rows.AddRange(padded.AsSpan(s * golden.Longest * width, golden.Lengths[s] * width));
        return [.. rows];
    }

    private static double[] Unpadded(Golden golden, string name)
    {
        double[] padded = golden.Values(name);
        return Valid(golden, padded, padded.Length / golden.Longest / golden.Lengths.Length);
    }

    private static float[] Columns(float[] values, int width, int start, int count) =>
        [.. Enumerable.Range(0, values.Length / width).SelectMany(r => values.AsSpan((r * width) + start, count).ToArray())];

    private static void Near(ReadOnlySpan<double> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
            if (!(Math.Abs(expected[i] - actual[i]) <= tolerance)) Assert.Fail($"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R}");
    }

    /// <summary>One forward pass of a golden model, everything kept.</summary>
    private sealed class Run : IDisposable
    {
        private readonly Backend _backend = CpuBackend.Create();
        private readonly Arena _arena;
        private readonly Dnabert2Model _model;
        private readonly Batch _batch;
        private readonly Tape _tape;
        private readonly Tensor _x;

        public Run(string name)
        {
            Golden = new Golden(name);
            _arena = new Arena(_backend);
            _model = Golden.Model(_backend);
            _tape = Tape.ForInference(_arena);
            _batch = Golden.Batch(_arena);
            _x = _model.Encoder.Embed(_tape, _batch).Data;
            Embedding = Read(_x);
            foreach (EncoderLayer layer in _model.Encoder.Layers)
            {
                _x = layer.Forward(_tape, _x, _batch.CuSeqlens).Data;
                Layers.Add(Read(_x));
            }

            Tensor padded = _arena.Rent(new Shape(Golden.Lengths.Length, _batch.CuSeqlens.Longest, _x.Shape[1]), DType.F32);
            _backend.Pad(_x, _batch.CuSeqlens, padded);
            Padded = Read(padded);
            Tensor pooled = _model.Pooler!.Forward(_tape, _x, _batch.CuSeqlens).Data;
            Pooled = Read(pooled);
            Tensor classLogits = _model.Classifier!.Forward(_tape, pooled).Data;
            ClassLogits = Read(classLogits);
            Tensor logits = _model.MlmHead!.Forward(_tape, _x).Data;
            MlmLogits = Read(logits);
            // The reference keeps labels above 0 only; label 0 ([UNK]) is ignored with the unmasked ones.
            MlmLoss = Mean(logits, [.. Golden.Pack(Golden.Labels, Golden.Lengths).Select(l => l > 0 ? l : -1)]);
            if (Golden.Root.TryGetProperty("cls_labels", out _)) ClassLoss = Mean(classLogits, [.. Golden.Values("cls_labels").Select(l => (int)l)]);
        }

        public Golden Golden { get; }

        public float[] Embedding { get; }

        public List<float[]> Layers { get; } = [];

        public float[] Padded { get; }

        public float[] Pooled { get; }

        public float[] ClassLogits { get; }

        public float[] MlmLogits { get; }

        public double MlmLoss { get; }

        public double ClassLoss { get; }

        public float[] Pool(Pooling pooling) => Read(new Pool(pooling).Forward(_tape, _x, _batch.CuSeqlens).Data);

        public void Dispose()
        {
            _model.Dispose();
            _arena.Dispose();
            _backend.Dispose();
            Golden.Dispose();
        }

        private double Mean(Tensor logits, int[] labels)
        {
            Tensor device = _arena.Rent(new Shape(labels.Length), DType.I32);
            _backend.Upload<int>(labels, device);
            return Read(Engine.Autograd.CrossEntropy.Instance.Forward(_tape, logits, device, scale: 1).Data).Sum(l => (double)l) / labels.Count(l => l >= 0);
        }

        private float[] Read(Tensor tensor)
        {
            var values = new float[tensor.Count];
            _backend.Download<float>(tensor, values);
            return values;
        }
    }
}
