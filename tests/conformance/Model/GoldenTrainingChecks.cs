using System.Text.Json;
using Conformance.Cases;
using Engine.Autograd;
using Engine.Runtime;

namespace Conformance.Model;

/// <summary>Holds gradients and training steps of a backend against those of the reference implementation.</summary>
internal static class GoldenTrainingChecks
{
    /// <summary>Every gradient of a small model.</summary>
    public static void Gradients(string path, string loss, bool recompute, Func<Backend> backend)
    {
        using var run = new GoldenTraining(new Golden(path), loss, recompute, backend());
        Check.Near(run.Golden.Value(loss + "_loss"), run.Backward(run.Golden.Root), 2e-5, $"{loss} loss");
        foreach (JsonProperty expected in run.Golden.Root.GetProperty($"grad_{loss}").EnumerateObject())
        {
            if (run.Find(expected.Name) is not { } parameter) continue;
            double[] reference = [.. Golden.Flatten(expected.Value)];
            float[] actual = run.Read(parameter.Gradient);
            double norm = Math.Sqrt(reference.Sum(v => v * v)), error = Math.Sqrt(reference.Zip(actual, (e, a) => (e - a) * (e - a)).Sum());
            Check.That(error <= 2e-5 * Math.Max(norm, 1e-3), $"{expected.Name}: error {error:G3} of norm {norm:G3}");
        }
    }

    /// <summary>The norms of the gradients of a large model.</summary>
    public static void GradientNorms(string path, string loss, bool recompute, Func<Backend> backend)
    {
        using var run = new GoldenTraining(new Golden(path), loss, recompute, backend());
        run.Backward(run.Golden.Root);
        int compared = 0;
        foreach (JsonProperty expected in run.Golden.Root.GetProperty($"grad_{loss}_l2").EnumerateObject())
        {
            if (run.Find(expected.Name) is not { } parameter) continue;
            double norm = OptimizerOperands.Norm(run.Backend, parameter.Gradient), reference = expected.Value.GetDouble();
            Check.That(Math.Abs(norm - reference) <= 1e-4 * Math.Max(reference, 1e-3),
                $"{expected.Name}: norm {norm:G7}, expected {reference:G7}");
            compared++;
        }

        Check.That(compared > 40, $"{compared} gradients were compared");
    }

    /// <summary>Losses, gradient norms and parameters of twenty steps.</summary>
    public static void Trajectory(string path, Func<Backend> backend)
    {
        using var golden = new Golden(path, batched: true);
        using var run = new GoldenTraining(golden, golden.Root.GetProperty("task").GetString()!, recompute: false, backend());
        Trajectory(run);
    }

    /// <summary>Losses, gradient norms and parameters of twenty steps of a model that is prepared.</summary>
    public static void Trajectory(GoldenTraining run)
    {
        Golden golden = run.Golden;
        JsonElement o = golden.Root.GetProperty("optimizer"), batches = golden.Root.GetProperty("batches");
        var optimizer = new AdamW(run.Model.Parameters, new AdamWOptions
        {
            Beta1 = (float)o.GetProperty("betas")[0].GetDouble(),
            Beta2 = (float)o.GetProperty("betas")[1].GetDouble(),
            Epsilon = (float)o.GetProperty("eps").GetDouble(),
            WeightDecay = (float)o.GetProperty("weight_decay").GetDouble(),
            DecayBiasAndNorm = !o.GetProperty("no_decay_on_bias_and_layernorm").GetBoolean(),
            ClipNorm = o.GetProperty("clip_grad_norm").ValueKind == JsonValueKind.Null
                ? null : (float)o.GetProperty("clip_grad_norm").GetDouble(),
        });
        var schedule = new Schedule(
            o.GetProperty("peak_lr").GetDouble(), o.GetProperty("warmup_steps").GetInt32(), o.GetProperty("total_steps").GetInt32());
        foreach (JsonElement expected in golden.Root.GetProperty("trajectory").EnumerateArray())
        {
            int step = expected.GetProperty("step").GetInt32();
            double loss = run.Backward(batches[step % batches.GetArrayLength()]), rate = schedule.At(step);
            Check.Near(expected.GetProperty("lr").GetDouble(), rate, 1e-12, $"learning rate of step {step}");
            Near(expected.GetProperty("loss").GetDouble(), loss, 2e-5, $"loss of step {step}");
            Check.That(optimizer.Step(rate, out double norm), $"step {step} was skipped");
            Near(expected.GetProperty("grad_norm_before_clip").GetDouble(), norm, 1e-4, $"gradient norm of step {step}");
        }

        foreach (JsonProperty expected in golden.Root.GetProperty("final_parameters").EnumerateObject())
        {
            if (run.Find(expected.Name) is not { } parameter) continue;
            float[] values = run.Read(parameter.Value);
            // The key third of this bias has a gradient of 0 in exact arithmetic (softmax ignores it); AdamW makes steps of the rounding
            // noise that is left, so its norm says nothing. The first four elements, of the query third, are compared.
            if (!expected.Name.EndsWith("Wqkv.bias", StringComparison.Ordinal))
                Near(expected.Value.GetProperty("l2").GetDouble(), Math.Sqrt(values.Sum(v => (double)v * v)), 2e-5,
                    $"norm of {expected.Name}");
            JsonElement first = expected.Value.GetProperty("first4");
            for (int i = 0; i < first.GetArrayLength(); i++)
                Near(first[i].GetDouble(), values[i], 2e-4, $"{expected.Name}[{i}]", atLeast: 0.1);
        }
    }

    private static void Near(double expected, double actual, double relative, string what, double atLeast = 0) =>
        Check.That(Math.Abs(expected - actual) <= relative * Math.Max(Math.Abs(expected), atLeast),
            $"{what}: {actual:G9}, expected {expected:G9}");
}
