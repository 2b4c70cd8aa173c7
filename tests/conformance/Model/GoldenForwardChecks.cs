using Conformance.Cases;
using Dnabert2;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Model;

/// <summary>Holds forward passes of a backend against the outputs of the reference implementation.</summary>
internal static class GoldenForwardChecks
{
    /// <summary>Every layer, logit and loss of a small model.</summary>
    public static void Small(string path, Func<Backend> backend)
    {
        using var run = new ForwardRun(path, backend);
        Golden golden = run.Golden;
        Check.Near(Unpadded(golden, "embedding_output"), run.Embedding, 2e-5, "embedding");
        int perLayer = run.Layers[0].Length;
        double[] layers = golden.Values("layers_unpadded");
        for (int i = 0; i < run.Layers.Count; i++) Check.Near(layers.AsSpan(i * perLayer, perLayer), run.Layers[i], 2e-5, $"layer {i}");
        Check.Near(golden.Values("sequence_output"), run.Padded, 2e-5, "padded sequence output, zero in the padding");
        Check.Near(golden.Values("pooled"), run.Pooled, 2e-5, "pooled");
        Check.Near(golden.Values("cls_logits"), run.ClassLogits, 2e-5, "classifier logits");
        Check.Near(Unpadded(golden, "mlm_logits_nolabels"), run.MlmLogits, 2e-5, "MLM logits");
        Check.Near(golden.Value("mlm_loss"), run.MlmLoss, 2e-5, "mlm_loss");
        Check.Near(golden.Value("cls_loss"), run.ClassLoss, 2e-5, "cls_loss");
    }

    /// <summary>What is kept of the 117M model.</summary>
    public static void Full(string path, Func<Backend> backend)
    {
        using var run = new ForwardRun(path, backend);
        Golden golden = run.Golden;
        int hidden = golden.Config.HiddenSize, longest = golden.Longest, vocabulary = golden.Config.VocabSize;
        Check.Near(Valid(golden, golden.Values("embedding_first8"), 8), Columns(run.Embedding, hidden, 0, 8), 1e-4, "embedding");
        double[] rms = golden.Values("layer_rms"), last = golden.Values("layer_last8_token0");
        for (int i = 0; i < run.Layers.Count; i++)
        {
            Check.Near(rms[i], Math.Sqrt(run.Layers[i].Average(v => (double)v * v)), 1e-4, $"root mean square of layer {i}");
            Check.Near(last.AsSpan(i * 8, 8), run.Layers[i].AsSpan(hidden - 8, 8), 1e-4, $"layer {i}");
        }

        Check.Near(golden.Values("seq_first8"), Columns(run.Padded, hidden, 0, 8), 1e-4, "sequence output");
        Check.Near(golden.Values("pooled"), run.Pooled, 1e-4, "pooled");
        Check.Near(golden.Values("cls_logits"), run.ClassLogits, 1e-4, "classifier logits");
        Check.Near(Valid(golden, golden.Values("mlm_logits_first16"), 16), Columns(run.MlmLogits, vocabulary, 0, 16), 1e-4, "MLM logits");
        double[] argmax = Valid(golden, golden.Values("mlm_logit_argmax"), 1);
        for (int t = 0; t < argmax.Length; t++)
            Check.Near(argmax[t], run.MlmLogits.AsSpan(t * vocabulary, vocabulary).ToArray().Index().MaxBy(l => l.Item).Index, 0,
                $"likeliest token {t}");
        Check.Near(golden.Value("mlm_loss"), run.MlmLoss, 1e-4, "mlm_loss");
        Check.Near(golden.Value("cls_loss"), run.ClassLoss, 1e-4, "cls_loss");
        Check.Near(golden.Values("seq_mean_pool"), run.Pool(Pooling.Mean).AsSpan(0, hidden), 1e-4, "mean pool");
        Check.Near(golden.Values("seq_max_pool"), run.Pool(Pooling.Max).AsSpan(0, hidden), 1e-4, "max pool");
        Check.Near(longest * 2 * hidden, run.Padded.Length, 0, "padded elements");
    }

    /// <summary>Sequences of 1,500 tokens, past the reference's precomputed bias.</summary>
    public static void Long(string path, Func<Backend> backend)
    {
        using var run = new ForwardRun(path, backend);
        Golden golden = run.Golden;
        int hidden = golden.Config.HiddenSize;
        Check.Near(golden.Values("mean_pool"), run.Pool(Pooling.Mean), 1e-4, "mean pool");
        Check.Near(golden.Values("max_pool"), run.Pool(Pooling.Max), 1e-4, "max pool");
        Check.Near(golden.Values("cls_token"), run.Pool(Pooling.Cls), 1e-4, "CLS");
        Check.Near(golden.Values("pooled"), run.Pooled, 1e-4, "pooled");
        float[] output = run.Layers[^1];
        int first = golden.Lengths[0];
        float[] lastValid = [.. output.AsSpan((first - 1) * hidden, hidden), .. output.AsSpan(output.Length - hidden, hidden)];
        Check.Near(golden.Values("last_valid_token"), lastValid, 1e-4, "last token");
        Check.Near(golden.Value("mlm_loss"), run.MlmLoss, 1e-4, "mlm_loss");
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
}
