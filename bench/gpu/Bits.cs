using Conformance.Cases;
using Conformance.Model;
using Dnabert2;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>Two runs have the same bits, a graph has those of the launches it was captured from, and the CPU's results are near.</summary>
internal static class Bits
{
    /// <summary>A model and batch that a PTX interpreter can run.</summary>
    public static readonly (string Name, Dnabert2Config Config, int Sequences, int Tokens) Small =
        ("small",
            new()
            {
                VocabSize = 16,
                HiddenSize = 16,
                NumHiddenLayers = 2,
                NumAttentionHeads = 2,
                IntermediateSize = 24,
                HiddenDropoutProb = 0.1f
            }, 2, 5);

    /// <summary>The 117M model.</summary>
    public static readonly (string Name, Dnabert2Config Config, int Sequences, int Tokens) Full = (
        "117M", new() { HiddenDropoutProb = 0.1f }, 8, 128);

    public static IEnumerable<WorkItem> All((string Name, Dnabert2Config Config, int Sequences, int Tokens) model)
    {
        foreach (DType type in (DType[])[DType.F32, DType.BF16])
        {
            Backend Gpu(Func<GpuDevice> open) => new CudaBackend(open(), type);
            string name = type == DType.F32 ? model.Name : model.Name + ", bf16";
            yield return new("equal", $"two runs of three training steps, {name}", open =>
            {
                float[] first = Train(Gpu(open), model, 3), second = Train(Gpu(open), model, 3);
                Check.That(first.AsSpan().SequenceEqual(second), "the parameters of two runs differ");
                return null;
            });
            yield return new("equal", $"captured training steps and their launches, {name}", open =>
            {
                float[] launched = Train(Gpu(open), model, 4), captured = Train(Gpu(open), model, 4, captured: true);
                Check.That(launched.AsSpan().SequenceEqual(captured), "the parameters differ");
                return null;
            });
        }

        yield return new("equal", $"a captured pass and its launches, {model.Name}", open =>
        {
            using var run = new StepRun(new CudaBackend(open()), model.Config, model.Sequences, model.Tokens);
            float[] launched = run.Gradients(() => run.Pass(0));
            run.Begin(0);
            using CudaGraph graph = ((CudaBackend)run.Backend).Capture(run.Pass);
            Check.That(launched.AsSpan().SequenceEqual(run.Gradients(graph.Replay)), "the gradients differ");
            return null;
        });
        yield return new("trajectories", $"losses in bf16 beside those in fp32, {model.Name}", open =>
        {
            double[] exact = Losses(new CudaBackend(open()), model, 8), rounded = Losses(new CudaBackend(open(), DType.BF16), model, 8);
            // A unit in the last of bf16's eight bits.
            for (int i = 0; i < exact.Length; i++) Check.Near(exact[i], rounded[i], exact[i] / 256, $"the loss of step {i}");
            return null;
        });
        yield return new("cpu", $"gradients of a pass with dropout, {model.Name}", open =>
        {
            using var gpu = new StepRun(new CudaBackend(open()), model.Config, model.Sequences, model.Tokens);
            using var cpu = new StepRun(CpuBackend.Create(), model.Config, model.Sequences, model.Tokens);
            float[] expected = cpu.Gradients(() => cpu.Pass(0)), actual = gpu.Gradients(() => gpu.Pass(0));
            double norm = 0, error = 0;
            for (int i = 0; i < expected.Length; i++)
            {
                norm += (double)expected[i] * expected[i];
                error += Math.Pow((double)expected[i] - actual[i], 2);
            }

            Check.Near(0, Math.Sqrt(error / norm), 2e-5, "the relative distance of the gradients");
            return null;
        });
    }

    private static double[] Losses(Backend backend, (string Name, Dnabert2Config Config, int Sequences, int Tokens) model, int steps)
    {
        using var run = new StepRun(backend, model.Config, model.Sequences, model.Tokens);
        return [.. Enumerable.Range(0, steps).Select(run.LossOf)];
    }

    private static float[] Train(
        Backend backend, (string Name, Dnabert2Config Config, int Sequences, int Tokens) model, int steps, bool captured = false)
    {
        using var run = new StepRun(backend, model.Config, model.Sequences, model.Tokens);
        using var graphs = new GraphCache<int>(backend);
        for (int i = 0; i < steps; i++)
        {
            if (captured) run.Step(i, graphs);
            else run.Step(i);
        }

        Check.That(!captured || graphs.Replays > 0, "no step was replayed");
        return run.Read(run.Model.Parameters.Values);
    }
}

/// <summary>Training steps of a model with initial weights, on a batch that lies on its backend.</summary>
internal sealed class StepRun : IDisposable
{
    private readonly Arena _inputs, _activations, _gradients;
    private readonly Batch _batch;
    private readonly Tensor _rows, _labels, _scale;
    private readonly Tape _tape;
    private readonly AdamW _optimizer;

    public StepRun(Backend backend, Dnabert2Config config, int sequences, int tokens)
    {
        Backend = backend;
        (_inputs, _activations, _gradients) = (new Arena(backend), new Arena(backend), new Arena(backend));
        Model = Dnabert2Model.Initialize(config, Golden.TinyTokenizer(), 3, backend, ModelParts.MlmHead, trainable: true);
        Model.Parameters.AllocateGradients();
        _optimizer = new AdamW(Model.Parameters, new AdamWOptions());
        var ids = new int[sequences * tokens];
        var random = new Philox(4, 0, 0);
        for (int i = 0; i < ids.Length; i++) ids[i] = (int)(random.Word((ulong)i) % (uint)config.VocabSize);
        int[] masked =
            [.. Enumerable.Range(0, Math.Max(1, ids.Length * 15 / 100)).Select(i => i * ids.Length / Math.Max(1, ids.Length * 15 / 100))];
        _batch = new Batch(_inputs, ids, [.. Enumerable.Repeat(tokens, sequences)]);
        (_rows, _labels, _scale) = (Upload(masked), Upload([.. masked.Select(i => ids[i])]), _inputs.Rent(new Shape(1), DType.F32));
        backend.Upload<float>([1f / masked.Length], _scale);
        _tape = Tape.ForTraining(_activations, _gradients);
    }

    public Backend Backend { get; }

    public Dnabert2Model Model { get; }

    /// <summary>What comes before a step, and cannot be captured with it.</summary>
    public void Begin(int step)
    {
        _tape.Reset(7, (uint)step);
        _optimizer.Prepare(1e-3);
    }

    /// <summary>Forward and backward pass; adds to the gradients.</summary>
    public void Pass(int step)
    {
        Begin(step);
        Pass();
    }

    /// <summary>The part of a pass that can be captured.</summary>
    public void Pass() => _tape.Backward(Objectives.MaskedLanguageModel(Model, _tape, _batch, _rows, _labels, _scale));

    /// <summary>A pass and the optimizer.</summary>
    public void Step(int step)
    {
        Pass(step);
        _optimizer.Update(losses: default);
        End(step);
    }

    /// <summary>A step; returns its mean loss.</summary>
    public double LossOf(int step)
    {
        Begin(step);
        Variable losses = Objectives.MaskedLanguageModel(Model, _tape, _batch, _rows, _labels, _scale);
        double loss = Read(losses.Data).Average(l => (double)l);
        _tape.Backward(losses);
        _optimizer.Update(losses: default);
        End(step);
        return loss;
    }

    /// <summary>A pass and the optimizer as a graph, after they have been run twice.</summary>
    public void Step(int step, GraphCache<int> graphs)
    {
        Begin(step);
        graphs.Run(0, () =>
        {
            Pass();
            _optimizer.Update(losses: default);
            return default;
        });
        End(step);
    }

    /// <summary>The gradients that a pass gives, after one in which arenas have grown.</summary>
    public float[] Gradients(Action pass)
    {
        pass();
        Backend.Clear(Model.Parameters.Gradients);
        pass();
        return Read(Model.Parameters.Gradients);
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
        _inputs.Dispose();
        _activations.Dispose();
        _gradients.Dispose();
        Backend.Dispose();
    }

    private void End(int step) => Check.That(_optimizer.Finish(out _), $"the gradients of step {step} are not finite");

    private Tensor Upload(int[] values)
    {
        Tensor tensor = _inputs.Rent(new Shape(values.Length), DType.I32);
        Backend.Upload<int>(values, tensor);
        return tensor;
    }
}
