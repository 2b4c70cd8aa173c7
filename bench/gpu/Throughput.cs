using Conformance.Model;
using Dnabert2;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>TFLOP/s of attention, and tokens a second of the whole model. The names are those of the peer's figures.</summary>
/// <param name="Config">The model.</param>
/// <param name="Attentions">Sequences and tokens of attention.</param>
/// <param name="Batches">Sequences and tokens of the model.</param>
/// <param name="Calls">Calls that are timed together.</param>
internal sealed record Throughput(
    Dnabert2Config Config, (int Sequences, int Tokens)[] Attentions, (int Sequences, int Tokens)[] Batches, int Calls = 10)
{
    /// <summary>What is measured of the 117M model.</summary>
    public static Throughput Full { get; } = new(
        new Dnabert2Config { HiddenDropoutProb = 0 },
        [(32, 128), (32, 512), (16, 1024), (8, 2048), (4, 4096), (2, 8192), (1, 16384)], [(32, 128), (8, 512), (64, 512)]);

    public IEnumerable<WorkItem> All()
    {
        foreach ((int sequences, int tokens) in Attentions)
        {
            var attention = new AttentionThroughput(Config, sequences, tokens);
            foreach (WorkItem item in attention.All(Calls)) yield return item;
        }

        foreach ((int sequences, int tokens) in Batches)
        {
            foreach (DType type in (DType[])[DType.F32, DType.BF16])
                foreach (bool captured in (bool[])[false, true])
                {
                    string what = $"{(type == DType.F32 ? "f32" : "bf16")} {sequences}×{tokens}{(captured ? ", captured" : "")}";
                    yield return new(
                        "model", "inference " + what, open => Inference(new CudaBackend(open(), type), sequences, tokens, captured));
                    yield return new(
                        "model", "training step " + what, open => Training(new CudaBackend(open(), type), sequences, tokens, captured));
                }
        }
    }

    /// <summary>A figure as the journal has it.</summary>
    internal static string Figure(double value) => FormattableString.Invariant($"{value:F2}");

    private string Inference(CudaBackend opened, int sequences, int tokens, bool captured)
    {
        using CudaBackend backend = opened;
        using Dnabert2Model model = Dnabert2Model.Initialize(Config, Golden.TinyTokenizer(), 3, backend, ModelParts.Encoder);
        using Arena inputs = new(backend), arena = new(backend);
        var tape = Tape.ForInference(arena);
        int[] ids = [.. Enumerable.Range(0, sequences * tokens).Select(i => (int)((uint)i * 2654435761u % (uint)Config.VocabSize))];
        var batch = new Batch(inputs, ids, [.. Enumerable.Repeat(tokens, sequences)]);
        void Pass()
        {
            tape.Reset();
            model.Encoder.Forward(tape, batch);
        }

        Pass();
        Pass();
        if (!captured) return Rate(backend, Pass, sequences * tokens);
        tape.Reset();
        using CudaGraph graph = backend.Capture(() => model.Encoder.Forward(tape, batch));
        return Rate(backend, graph.Replay, sequences * tokens);
    }

    private string Training(CudaBackend backend, int sequences, int tokens, bool captured)
    {
        using var run = new StepRun(backend, Config, sequences, tokens);
        using var graphs = new GraphCache<int>(run.Backend);
        int step = 0;
        for (int i = 0; i < 4; i++) Step();
        return Rate(backend, Step, sequences * tokens);

        void Step()
        {
            if (captured) run.Step(step++, graphs);
            else run.Step(step++);
        }
    }

    /// <summary>Tokens a second, the median of seven.</summary>
    private static string Rate(CudaBackend backend, Action pass, int tokens)
    {
        double[] times = [.. Enumerable.Range(0, 7).Select(_ => backend.Time(pass)).Order()];
        return Figure(tokens / times[3] * 1e3);
    }
}
