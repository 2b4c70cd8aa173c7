using Dnabert2;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Model;

namespace GpuBench;

/// <summary>TFLOP/s of matrix products and attention, and tokens a second of the whole model. The names are those of the peer's figures.</summary>
/// <param name="Config">The model.</param>
/// <param name="Products">Rows, columns and depth of products.</param>
/// <param name="Attentions">Sequences and tokens of attention.</param>
/// <param name="Batches">Sequences and tokens of the model.</param>
/// <param name="Calls">Calls that are timed together.</param>
internal sealed record Throughput(
    Dnabert2Config Config, (int Rows, int Columns, int Depth)[] Products, (int Sequences, int Tokens)[] Attentions, (int Sequences, int Tokens)[] Batches,
    int Calls = 10)
{
    private const int Tile = 128;

    /// <summary>What is measured of the 117M model.</summary>
    public static Throughput Full { get; } = new(
        new Dnabert2Config { HiddenDropoutProb = 0 },
        [(4096, 768, 768), (4096, 2304, 768), (4096, 6144, 768), (4096, 768, 3072), (16384, 2304, 768), (16384, 768, 3072), (8192, 8192, 8192)],
        [(32, 128), (32, 512), (16, 1024), (8, 2048), (4, 4096), (2, 8192), (1, 16384)], [(32, 128), (8, 512), (64, 512)]);

    public IEnumerable<WorkItem> All()
    {
        foreach ((int rows, int columns, int depth) in Products)
        {
            foreach (string type in (string[])["f32", "bf16"])
            {
                yield return new("throughput", $"linear {type} {rows}×{columns}×{depth}", open => With(open, o => Linear(o, "linear", type, rows, columns, depth)));
                yield return new("throughput", $"linear input gradient {type} {rows}×{columns}×{depth}",
                    open => With(open, o => Linear(o, "linear_input_gradient", type, rows, depth, columns)));
            }

            yield return new("throughput", $"linear weight gradient bf16 {rows}×{columns}×{depth}", open => With(open, o => WeightGradient(o, rows, columns, depth)));
        }

        foreach ((int sequences, int tokens) in Attentions)
        {
            var attention = new AttentionThroughput(Config, sequences, tokens);
            foreach (WorkItem item in attention.All(Calls)) yield return item;
        }

        foreach ((int sequences, int tokens) in Batches)
        {
            foreach (DType type in (DType[])[DType.F32, DType.BF16])
                foreach (bool recorded in (bool[])[false, true])
                {
                    string what = $"{(type == DType.F32 ? "f32" : "bf16")} {sequences}×{tokens}{(recorded ? ", recorded" : "")}";
                    yield return new("model", "inference " + what, open => Inference(new CudaBackend(open(), type), sequences, tokens, recorded));
                    yield return new("model", "training step " + what, open => Training(new CudaBackend(open(), type), sequences, tokens, recorded));
                }
        }
    }

    private string With(Func<GpuDevice> open, Func<Operands, string> measure)
    {
        using GpuDevice device = open();
        using var o = new Operands(device, Calls);
        return measure(o);
    }

    /// <summary>A figure as the journal has it.</summary>
    internal static string Figure(double value) => FormattableString.Invariant($"{value:F2}");

    private static string Linear(Operands o, string kernel, string type, int rows, int columns, int depth)
    {
        bool bf16 = type == "bf16";
        nint x = o.Floats((long)rows * depth, bf16), w = o.Floats((long)columns * depth, bf16), y = o.Floats((long)rows * columns, bf16);
        double ms = o.Time(() =>
        {
            KernelArguments a = o.Device.Begin($"{kernel}_{type}");
            a.View(x, (long)rows * depth);
            a.View(w, (long)columns * depth);
            a.View(0, 0);
            a.View(0, 0);
            a.View(y, (long)rows * columns);
            a.I32(rows);
            a.I32(columns);
            a.I32(depth);
            o.Device.Launch((columns + Tile - 1) / Tile, (rows + Tile - 1) / Tile);
        });
        return Figure(2.0 * rows * columns * depth / ms / 1e9);
    }

    private static string WeightGradient(Operands o, int rows, int columns, int depth)
    {
        // So many shares of the rows that there are two blocks for each multiprocessor of an H200.
        const int Blocks = 264;
        int tiles = (columns + Tile - 1) / Tile * ((depth + Tile - 1) / Tile), wanted = Math.Max(1, Blocks / tiles);
        int share = ((rows + wanted - 1) / wanted + 31) & ~31, shares = (rows + share - 1) / share;
        long count = (long)columns * depth;
        nint dy = o.Floats((long)rows * columns, bf16: true), x = o.Floats((long)rows * depth, bf16: true), dw = o.Floats(count);
        nint sums = shares > 1 ? o.Floats(shares * count) : dw;
        double ms = o.Time(() =>
        {
            KernelArguments a = o.Device.Begin("linear_weight_gradient_split_bf16");
            a.View(dy, (long)rows * columns);
            a.View(x, (long)rows * depth);
            a.View(sums, shares * count);
            a.I32(columns);
            a.I32(depth);
            a.I32(rows);
            a.I32(share);
            o.Device.Launch((depth + Tile - 1) / Tile, (columns + Tile - 1) / Tile, shares);
            if (shares == 1) return;
            a = o.Device.Begin("split_sum_f32");
            a.View(sums, shares * count);
            a.View(dw, count);
            a.I64(count);
            a.I32(shares);
            o.Device.Launch((count + 1023) / 1024);
        });
        return Figure(2.0 * rows * columns * depth / ms / 1e9);
    }

    private string Inference(CudaBackend opened, int sequences, int tokens, bool recorded)
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
        if (!recorded) return Rate(backend, Pass, sequences * tokens);
        tape.Reset();
        using CudaGraph graph = backend.Record(() => model.Encoder.Forward(tape, batch));
        return Rate(backend, graph.Replay, sequences * tokens);
    }

    private string Training(CudaBackend backend, int sequences, int tokens, bool recorded)
    {
        using var run = new StepRun(backend, Config, sequences, tokens);
        using var recordings = new Recordings<int>(run.Backend);
        int step = 0;
        for (int i = 0; i < 4; i++) Step();
        return Rate(backend, Step, sequences * tokens);

        void Step()
        {
            if (recorded) run.Step(step++, recordings);
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
