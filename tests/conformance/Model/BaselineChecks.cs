using System.Text.Json;
using Conformance.Cases;
using Dnabert2;
using Dnabert2.Dnabert;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Model;

/// <summary>Holds DNABERT and the Nucleotide Transformer on a backend against the reference implementations.</summary>
internal static class BaselineChecks
{
    private const ModelParts All = ModelParts.Pooler | ModelParts.MlmHead | ModelParts.Classifier;
    private const double Small = 2e-5;

    /// <summary>Every hidden state, logit and loss of a small model.</summary>
    public static void Forward(string path, Func<Backend> backend)
    {
        using var run = new BaselineRun(new BaselineGolden(path), All, training: false, backend());
        BaselineGolden golden = run.Golden;
        foreach (string loss in (string[])["mlm", "cls"])
        {
            run.Tape.Reset();
            PackedRows rows = golden.Rows(golden.Root, $"{loss}_input_ids");
            Batch batch = rows.Upload(run.Tape.Activations);
            int state = 0;
            foreach (float[] hidden in run.HiddenStates(batch))
                Check.Near(golden.Expected($"{loss}.hidden.{state}"), hidden, Small, $"{loss}, hidden state {state++}");
            if (loss == "mlm" && run.LastBeforeNorm is { } last)
                Check.Near(golden.Expected("mlm.last_layer_before_norm"), last, Small, "last layer");
        }

        Tensor logits = run.Model.PredictTokens(run.Tape, Encode("mlm", out PackedRows tokens)).Data;
        Check.Near(golden.Expected("mlm.logits"), run.Read(logits), Small, "MLM logits");
        Check.Near(Value(golden, "mlm_loss"), run.Mean(logits, tokens.Pick(Golden.Rows(golden.Root, "mlm_labels"))), Small, "mlm_loss");
        Tensor classes = run.Model.Classify(run.Tape, golden.Rows(golden.Root, "cls_input_ids").Upload(run.Tape.Activations)).Data;
        Check.Near([.. Golden.Flatten(golden.Root.GetProperty("cls_logits"))], run.Read(classes), Small, "classifier logits");
        Check.Near(Value(golden, "cls_loss"), run.Mean(classes, Integers(golden, "cls_labels")), Small, "cls_loss");

        Variable Encode(string loss, out PackedRows packed) =>
            run.Model.Encode(run.Tape, (packed = golden.Rows(golden.Root, $"{loss}_input_ids")).Upload(run.Tape.Activations));
    }

    /// <summary>Every gradient of a small model.</summary>
    public static void Gradients(string path, string loss, bool recompute, Func<Backend> backend)
    {
        using var run = new BaselineRun(new BaselineGolden(path), PartsOf(loss), training: true, backend(), recompute);
        Near(Value(run.Golden, $"{loss}_loss"), run.Backward(run.Golden.Root, loss), Small, $"{loss} loss");
        CompareGradients(run, $"grad_{loss}.");
    }

    /// <summary>What is kept of a model of a published shape: hidden states, logits, losses.</summary>
    public static void FullForward(string path, Func<Backend> backend)
    {
        const double tolerance = 1e-4;
        using var run = new BaselineRun(new BaselineGolden(path), All, training: false, backend());
        BaselineGolden golden = run.Golden;
        PackedRows rows = golden.Rows(golden.Root, "mlm_input_ids");
        int hidden = run.Model.HiddenSize, layer = 0;
        double[] rms = Numbers(golden, "layer_rms"), last = Numbers(golden, "layer_last8_token0");
        float[] output = [];
        foreach (float[] state in run.HiddenStates(rows.Upload(run.Tape.Activations)))
        {
            output = state;
            Near(rms[layer], Math.Sqrt(state.Average(v => (double)v * v)), tolerance, $"root mean square of hidden state {layer}");
            Check.NearRelative(last.AsSpan(layer * 8, 8), state.AsSpan(hidden - 8, 8), tolerance, $"hidden state {layer++}");
        }

        Check.That(layer * 8 == last.Length, $"{layer} hidden states, expected {last.Length / 8}");
        Check.NearRelative(Numbers(golden, "seq_first8"), Columns(output, hidden, 8), tolerance, "last hidden state");
        Variable x = run.Model.Encode(run.Tape, rows.Upload(run.Tape.Activations));
        Tensor logits = run.Model.PredictTokens(run.Tape, x).Data;
        float[] values = run.Read(logits);
        int vocabulary = logits.Shape[1];
        Check.NearRelative(Numbers(golden, "mlm_logits_first16"), Columns(values, vocabulary, 16), tolerance, "MLM logits");
        double[] likeliest = Numbers(golden, "mlm_logit_argmax");
        for (int t = 0; t < likeliest.Length; t++)
            Check.Near(likeliest[t], values.AsSpan(t * vocabulary, vocabulary).ToArray().Index().MaxBy(l => l.Item).Index, 0, $"token {t}");
        Near(Value(golden, "mlm_loss"), run.Mean(logits, rows.Pick(Golden.Rows(golden.Root, "mlm_labels"))), tolerance, "mlm_loss");
        Tensor classes = run.Model.Classify(run.Tape, golden.Rows(golden.Root, "cls_input_ids").Upload(run.Tape.Activations)).Data;
        Check.NearRelative(Numbers(golden, "cls_logits"), run.Read(classes), tolerance, "classifier logits");
        Near(Value(golden, "cls_loss"), run.Mean(classes, Integers(golden, "cls_labels")), tolerance, "cls_loss");
    }

    /// <summary>Norm, sum and first elements of every gradient of a model of a published shape.</summary>
    public static void FullGradients(string path, string loss, Func<Backend> backend)
    {
        const double tolerance = 1e-4;
        using var run = new BaselineRun(new BaselineGolden(path), PartsOf(loss), training: true, backend());
        Near(Value(run.Golden, $"{loss}_loss"), run.Backward(run.Golden.Root, loss), tolerance, $"{loss} loss");
        int compared = 0;
        JsonElement gradients = run.Golden.Root.GetProperty($"grad_{loss}");
        foreach (JsonProperty expected in gradients.EnumerateObject())
        {
            if (expected.Value.ValueKind == JsonValueKind.Null) continue;
            float[] actual = run.Read(run.Find(expected.Name).Gradient);
            JsonElement measure = gradients.GetProperty(MeasureOf(expected.Name));
            double norm = measure.GetProperty("l2").GetDouble(), most = measure.GetProperty("absmax").GetDouble();
            double squares = 0, sum = 0;
            foreach (float v in actual) (squares, sum) = (squares + ((double)v * v), sum + v);
            double error = Math.Abs(Math.Sqrt(squares) - expected.Value.GetProperty("l2").GetDouble());
            Check.That(error <= tolerance * Math.Max(norm, 1e-3), $"{expected.Name}: norm off by {error:G3} of {norm:G7}");
            Check.Near(expected.Value.GetProperty("sum").GetDouble(), sum, tolerance * Math.Max(norm, 1e-3) * Math.Sqrt(actual.Length),
                $"sum of {expected.Name}");
            double[] first = [.. Golden.Flatten(expected.Value.GetProperty("first4"))];
            Check.Near(first, actual.AsSpan(0, first.Length), tolerance * Math.Max(most, 1e-5), expected.Name);
            compared++;
        }

        Check.That(compared > 40, $"{compared} gradients were compared");
    }

    /// <summary>Rows longer than the positions, in windows: pooled outputs, logits, loss and all gradients.</summary>
    public static void Windows(string path, Func<Backend> backend)
    {
        foreach (bool training in (bool[])[false, true])
        {
            using var run = new BaselineRun(
                new BaselineGolden(path), ModelParts.Pooler | ModelParts.Classifier, training, backend());
            BaselineGolden golden = run.Golden;
            int[][] rows = Golden.Rows(golden.Root, "input_ids_unpadded");
            var model = (DnabertModel)run.Model;
            var batch = new WindowedBatch(
                run.Tape.Activations, [.. rows.SelectMany(row => row)], [.. rows.Select(row => row.Length)], model.MaxTokens!.Value,
                golden.Root.GetProperty("pad_id").GetInt32());
            if (!training)
            {
                Tensor pooled = model.PoolWindows(run.Tape, batch).Data;
                Check.Near(golden.Expected("cls.pooled_windows"), run.Read(pooled), Small, "pooled windows");
                Check.Near(golden.Expected("cls.logits"), run.Read(model.Classify(run.Tape, batch).Data), Small, "classifier logits");
                continue;
            }

            int[] labels = Integers(golden, "cls_labels");
            Variable losses = Engine.Autograd.CrossEntropy.Instance.Forward(
                run.Tape, model.Classify(run.Tape, batch), run.Upload(labels), run.Tape.Number(1f / labels.Length));
            Near(Value(golden, "cls_loss"), run.Read(losses.Data).Average(l => (double)l), Small, "loss");
            run.Tape.Backward(losses);
            CompareGradients(run, "grad_cls.");
        }
    }

    /// <summary>Losses, gradient norms and parameters of twenty steps.</summary>
    /// <param name="run">The model.</param>
    /// <param name="nameOf">The name of a parameter in the golden file; null: its own.</param>
    public static void Trajectory(BaselineRun run, Func<string, string?>? nameOf = null)
    {
        JsonElement o = run.Golden.Root.GetProperty("optimizer"), batches = run.Golden.Root.GetProperty("batches");
        var optimizer = new AdamW(run.Model.Parameters, new AdamWOptions
        {
            Beta1 = (float)o.GetProperty("betas")[0].GetDouble(),
            Beta2 = (float)o.GetProperty("betas")[1].GetDouble(),
            Epsilon = (float)o.GetProperty("eps").GetDouble(),
            WeightDecay = (float)o.GetProperty("weight_decay").GetDouble(),
            ClipNorm = (float)o.GetProperty("clip").GetDouble(),
        });
        var schedule = new Schedule(
            o.GetProperty("lr").GetDouble(), o.GetProperty("warmup_steps").GetInt32(), o.GetProperty("total_steps").GetInt32());
        foreach (JsonElement expected in run.Golden.Root.GetProperty("trajectory").EnumerateArray())
        {
            int step = expected.GetProperty("step").GetInt32();
            double loss = run.Backward(batches[step % batches.GetArrayLength()], "cls"), rate = schedule.At(step);
            Check.Near(expected.GetProperty("lr").GetDouble(), rate, 1e-12, $"learning rate of step {step}");
            Near(expected.GetProperty("loss").GetDouble(), loss, Small, $"loss of step {step}");
            Check.That(optimizer.Step(rate, out double norm), $"step {step} was skipped");
            Near(expected.GetProperty("grad_norm").GetDouble(), norm, 1e-4, $"gradient norm of step {step}");
        }

        int compared = 0;
        foreach (JsonProperty expected in run.Golden.Root.GetProperty("final_parameters").EnumerateObject())
        {
            if ((nameOf is null ? expected.Name : nameOf(expected.Name)) is not { } name) continue;
            float[] values = run.Read(run.Find(name).Value);
            compared++;
            // The bias of keys has a gradient of 0 in exact arithmetic, for softmax ignores it: AdamW makes steps of the rounding noise.
            if (name.EndsWith("key.bias", StringComparison.Ordinal)) continue;
            Near(expected.Value.GetProperty("l2").GetDouble(), Math.Sqrt(values.Sum(v => (double)v * v)), Small, $"norm of {name}");
            double[] first = [.. Golden.Flatten(expected.Value.GetProperty("first4"))];
            for (int i = 0; i < first.Length; i++)
                Check.Near(first[i], values[i], 2e-4 * Math.Max(Math.Abs(first[i]), 0.1), $"{name}[{i}]");
        }

        Check.That(compared > 10, $"{compared} parameters were compared");
    }

    /// <summary>All gradients that the golden file has of a pass.</summary>
    /// <param name="run">The model, after its backward pass.</param>
    /// <param name="prefix">What their names begin with.</param>
    /// <param name="nameOf">The name of a parameter by the rest of it; null: the same.</param>
    public static void CompareGradients(BaselineRun run, string prefix, Func<string, string>? nameOf = null)
    {
        HashSet<string> left =
            [.. run.Model.Parameters.Parameters.Where(p => p.TiedTo is null && p.IsTrained).Select(BaselineGolden.NameOf)];
        foreach (string name in run.Golden.ExpectedNames.Where(name => name.StartsWith(prefix, StringComparison.Ordinal)))
        {
            string own = nameOf is null ? name[prefix.Length..] : nameOf(name[prefix.Length..]);
            double[] expected = run.Golden.Expected(name);
            float[] actual = run.Read(run.Find(own).Gradient);
            Check.That(expected.Length == actual.Length, $"{own} has {actual.Length} elements, expected {expected.Length}");
            double norm = Math.Sqrt(run.Golden.Expected(MeasureOf(name)).Sum(v => v * v));
            double error = Math.Sqrt(expected.Zip(actual, (e, a) => (e - a) * (e - a)).Sum());
            Check.That(error <= Small * Math.Max(norm, 1e-3), $"{own}: error {error:G3} of norm {norm:G3}");
            left.Remove(own);
        }

        Check.That(left.Count == 0, $"not compared: {string.Join(", ", left)}");
    }

    /// <summary>
    /// The gradient by whose size errors of another are measured: its own. The bias of keys has one of 0 in exact arithmetic, for softmax
    /// ignores it; what is left is rounding of their weight's.
    /// </summary>
    private static string MeasureOf(string name) =>
        name.EndsWith("key.bias", StringComparison.Ordinal) ? name.Replace("key.bias", "key.weight", StringComparison.Ordinal) : name;

    private static ModelParts PartsOf(string loss) => loss == "mlm" ? ModelParts.MlmHead : ModelParts.Pooler | ModelParts.Classifier;

    private static double Value(BaselineGolden golden, string name) => golden.Root.GetProperty(name).GetDouble();

    private static double[] Numbers(BaselineGolden golden, string name) => [.. Golden.Flatten(golden.Root.GetProperty(name))];

    private static int[] Integers(BaselineGolden golden, string name) => [.. Numbers(golden, name).Select(v => (int)v)];

    private static float[] Columns(float[] values, int width, int count) =>
        [.. Enumerable.Range(0, values.Length / width).SelectMany(r => values.AsSpan(r * width, count).ToArray())];

    private static void Near(double expected, double actual, double relative, string what) =>
        Check.That(Math.Abs(expected - actual) <= relative * Math.Abs(expected), $"{what}: {actual:G9}, expected {expected:G9}");
}
