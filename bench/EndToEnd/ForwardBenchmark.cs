using System.Diagnostics;
using Dnabert2;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Tests.Cases;

namespace Bench.EndToEnd;

/// <summary>
/// Measures the operations of the 117M model and its whole forward pass on this machine, beside the machine's measured peaks:
/// <c>forward [--threads N] [--rounds N] [--dtype f32|bf16|i8]</c>. Every figure is the median of the rounds, and the rounds go through all shapes in turn.
/// </summary>
internal static class ForwardBenchmark
{
    private static readonly (int Sequences, int Tokens)[] Shapes = [(1, 128), (8, 128), (32, 128), (1, 512), (4, 512), (1, 2048)];

    public static int Run(string[] args)
    {
        int threads = Option(args, "--threads", Environment.ProcessorCount), rounds = Option(args, "--rounds", 7);
        Precision precision = Word(args, "--dtype") switch { "bf16" => Precision.BF16, "i8" => Precision.I8, _ => Precision.F32 };
        using Backend backend = CpuBackend.Create(threads, precision);
        double peak = MachinePeak.Gflops(threads), bandwidth = MachinePeak.ReadBandwidth(threads);
        Console.WriteLine($"{backend.Description}; measured peaks: {peak:F0} GFLOP/s of fused multiply-adds, {bandwidth:F0} GB/s of reads; median of {rounds} rounds");
        foreach ((int sequences, int tokens) in ((int, int)[])[(8, 128), (1, 2048)]) Operations(backend, sequences, tokens, rounds, peak);
        Forward(backend, rounds, peak);
        Console.WriteLine($"peak memory of this process: {Process.GetCurrentProcess().PeakWorkingSet64 / 1048576} MiB");
        return 0;
    }

    private static void Operations(Backend backend, int sequences, int tokens, int rounds, double peak)
    {
        Console.WriteLine($"\noperations at {sequences}×{tokens} tokens\n{"",-66}{"µs",9}{"GFLOP/s",9}{"of peak",9}{"GB/s",7}");
        foreach (OpCase op in OpCases.Model(sequences, tokens))
        {
            using var arena = new Arena(backend);
            (Action run, _) = op.Prepare(backend, arena, arena.Rent);
            double seconds = Median(rounds, run);
            string flops = op.Flops > 0 ? $"{op.Flops / seconds / 1e9,9:F0}{op.Flops / seconds / 1e9 / peak,9:P0}" : $"{"",18}";
            Console.WriteLine($"{op.Name,-66}{seconds * 1e6,9:F0}{flops}{op.Bytes / seconds / 1e9,7:F1}");
        }
    }

    private static void Forward(Backend backend, int rounds, double peak)
    {
        var config = new Dnabert2Config();
        BpeTokenizer tokenizer = BpeTokenizer.Load(Path.Combine(Dnabert2Model.DefaultFolder, "tokenizer.json"));
        using Dnabert2Model model = Dnabert2Model.Initialize(config, tokenizer, seed: 1, backend, ModelParts.Encoder);
        using var arena = new Arena(backend);
        var tape = Tape.ForInference(arena);
        var seconds = Array.ConvertAll(Shapes, _ => new List<double>());
        for (int round = -1; round < rounds; round++)
            for (int i = 0; i < Shapes.Length; i++)
            {
                double time = Once(model, tape, Shapes[i].Sequences, Shapes[i].Tokens);
                if (round >= 0) seconds[i].Add(time);
            }

        Console.WriteLine($"\nforward pass of the 117M encoder\n{"batch×tokens",-16}{"ms",10}{"GFLOP/s",9}{"of peak",9}{"tokens/s",11}");
        for (int i = 0; i < Shapes.Length; i++)
        {
            (int sequences, int tokens) = Shapes[i];
            double time = Middle(seconds[i]), gflops = Flops(config, sequences, tokens) / time / 1e9;
            Console.WriteLine($"{$"{sequences}×{tokens}",-16}{time * 1e3,10:F1}{gflops,9:F0}{gflops / peak,9:P0}{sequences * tokens / time,11:F0}");
        }
    }

    private static double Once(Dnabert2Model model, Tape tape, int sequences, int tokens)
    {
        tape.Reset();
        int[] ids = new int[sequences * tokens], lengths = new int[sequences];
        for (int i = 0; i < ids.Length; i++) ids[i] = (int)((uint)i * 2654435761u % 4096);
        Array.Fill(lengths, tokens);
        var batch = new Batch(tape.Activations, ids, lengths);
        long start = Stopwatch.GetTimestamp();
        model.Encoder.Forward(tape, batch);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    /// <summary>Products of the linear layers, 2 · parameters · tokens, and of attention, 4 · tokens · hidden a token and layer.</summary>
    private static double Flops(Dnabert2Config c, int sequences, int tokens)
    {
        double linear = (4.0 * c.HiddenSize * c.HiddenSize) + (3.0 * c.HiddenSize * c.IntermediateSize);
        return (double)sequences * tokens * c.NumHiddenLayers * ((2 * linear) + (4.0 * tokens * c.HiddenSize));
    }

    private static double Median(int rounds, Action run)
    {
        run();
        var seconds = new List<double>();
        for (int round = 0; round < rounds; round++)
        {
            // Short operations are repeated until they take about 20 ms.
            int repeats = 0;
            long start = Stopwatch.GetTimestamp();
            do
            {
                run();
                repeats++;
            }
            while (Stopwatch.GetElapsedTime(start).TotalMilliseconds < 20);
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds / repeats);
        }

        return Middle(seconds);
    }

    private static double Middle(List<double> values)
    {
        values.Sort();
        return values[values.Count / 2];
    }

    private static int Option(string[] args, string name, int otherwise) =>
        int.TryParse(Word(args, name), out int value) && value > 0 ? value : otherwise;

    private static string? Word(string[] args, string name)
    {
        int at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? args[at + 1] : null;
    }
}
