using System.Text;
using Dnabert2;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Microsoft.ML.OnnxRuntime;

namespace Tests.Onnx;

/// <summary>A written graph in ONNX Runtime, beside the model that it is of.</summary>
internal sealed class OnnxRun : IDisposable
{
    private static readonly Lazy<string?> Missing = new(() =>
    {
        try
        {
            return OrtEnv.Instance().GetVersionString() is null ? "it has no version" : null;
        }
        catch (Exception e) when (e is TypeInitializationException or DllNotFoundException or EntryPointNotFoundException)
        {
            return (e.InnerException ?? e).Message;
        }
    });

    private readonly SessionOptions _options = new() { IntraOpNumThreads = 1 };

    public OnnxRun(string path)
    {
        SkipWithoutRuntime();
        Session = new InferenceSession(path, _options);
    }

    public InferenceSession Session { get; }

    /// <summary>Ends the test where the native library of ONNX Runtime does not load.</summary>
    public static void SkipWithoutRuntime() =>
        Assert.SkipWhen(Missing.Value is not null, $"ONNX Runtime does not run here: {Missing.Value}");

    /// <summary>The outputs of rows that are filled up to a length.</summary>
    /// <param name="rows">The tokens.</param>
    /// <param name="length">The length.</param>
    /// <param name="left">Whether padding precedes the tokens.</param>
    /// <param name="pad">The id of what the mask hides.</param>
    public Dictionary<string, float[]> Run(int[][] rows, int length, bool left = false, int pad = 0)
    {
        long[] ids = new long[rows.Length * length], mask = new long[ids.Length];
        Array.Fill(ids, pad);
        for (int r = 0; r < rows.Length; r++)
        {
            int start = (r * length) + (left ? length - rows[r].Length : 0);
            for (int i = 0; i < rows[r].Length; i++) (ids[start + i], mask[start + i]) = (rows[r][i], 1);
        }

        long[] shape = [rows.Length, length];
        using OrtValue x = OrtValue.CreateTensorValueFromMemory(ids, shape), m = OrtValue.CreateTensorValueFromMemory(mask, shape);
        using var options = new RunOptions();
        using IDisposableReadOnlyCollection<OrtValue> results =
            Session.Run(options, ["input_ids", "attention_mask"], [x, m], Session.OutputNames);
        return Session.OutputNames.Zip(results).ToDictionary(o => o.First, o => o.Second.GetTensorDataAsSpan<float>().ToArray());
    }

    /// <summary>
    /// Holds all outputs against the model's own: at most 1e-5 apart, or 1e-5 of the largest value of an output where that is above 1; the
    /// vectors of padding are 0.
    /// </summary>
    public void AssertIs(SequenceModel model, int[][] rows, int length, bool left = false)
    {
        Dictionary<string, float[]> found = Run(rows, length, left, pad: model.Tokenizer.VocabularySize / 2);
        using var arena = new Arena(model.Backend);
        var tape = Tape.ForInference(arena);
        var batch = new Batch(arena, [.. rows.SelectMany(row => row)], [.. rows.Select(row => row.Length)]);
        Near("embedding", Values(model.EncodeSequences(tape, batch, Pooling.Mean)), found["embedding"]);
        Variable hidden = model.Encode(tape, batch);
        Near("last_hidden_state", Padded(Values(hidden), model.HiddenSize), found["last_hidden_state"]);
        if (!found.TryGetValue("logits", out float[]? logits)) return;
        if (Session.ModelMetadata.CustomMetadataMap["logits"] == "classifier") Near("logits", Values(model.Classify(tape, batch)), logits);
        else
        {
            float[] expected = Values(model.PredictTargets(tape, hidden));
            int width = expected.Length / rows.Sum(row => row.Length);
            Near("logits", Padded(expected, width), Attended(logits, width));
        }

        float[] Values(Variable value)
        {
            var values = new float[value.Data.Shape.Count];
            model.Backend.Download<float>(value.Data, values);
            return values;
        }

        float[] Padded(float[] packed, int width)
        {
            var padded = new float[rows.Length * length * width];
            int from = 0;
            foreach ((int start, int count) in Places())
            {
                packed.AsSpan(from, count * width).CopyTo(padded.AsSpan(start * width));
                from += count * width;
            }

            return padded;
        }

        // Of the logits of padding nothing is said.
        float[] Attended(float[] values, int width)
        {
            var kept = new float[values.Length];
            foreach ((int start, int count) in Places()) values.AsSpan(start * width, count * width).CopyTo(kept.AsSpan(start * width));
            return kept;
        }

        IEnumerable<(int Start, int Count)> Places() =>
            rows.Select((row, r) => ((r * length) + (left ? length - row.Length : 0), row.Length));
    }

    public void Dispose()
    {
        Session.Dispose();
        _options.Dispose();
    }

    public static void Near(string name, float[] expected, float[] found)
    {
        Assert.Equal(expected.Length, found.Length);
        float largest = expected.Max(Math.Abs), apart = expected.Zip(found).Max(p => Math.Abs(p.First - p.Second));
        Assert.True(largest > 0.1f, $"{name}: the largest value is {largest}, so that little is compared");
        Assert.True(apart <= 1e-5f * Math.Max(1, largest), $"{name}: {apart} apart, where the largest value is {largest}");
    }

    /// <summary>Sequences as rows of tokens, special ones included.</summary>
    public static int[][] Rows(SequenceModel model, params string[] sequences) =>
        [.. sequences.Select(sequence =>
        {
            var ids = new List<int>(model.Frame.Before.ToArray());
            model.Tokenizer.EncodeSequence(Encoding.ASCII.GetBytes(sequence), ids);
            return (int[])[.. ids, .. model.Frame.After.Span];
        })];
}
