using System.Diagnostics;
using System.Globalization;
using System.Text;
using Dnabert2;
using Dnabert2.Benchmarking;
using Dnabert2.Data;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Bench.Peers;

/// <summary>
/// One sample of this engine beside the other programs, as one JSON line; see README.md. Each warms up and then repeats its work for at
/// least a second.
/// </summary>
internal static class PeerSample
{
    private const int BatchTokens = 4096;

    public static int Run(string[] args)
    {
        switch (args.FirstOrDefault())
        {
            case "infer": Model(args, training: false); return 0;
            case "train": Model(args, training: true); return 0;
            case "real": Real(args); return 0;
            case "encode": Encode(args); return 0;
            case "bpe": TrainBpe(args); return 0;
            default:
                Console.Error.WriteLine("peer infer|train --model DIR --shape BxT [--dtype f32|bf16|i8] [--threads N], " +
                    "peer real --model DIR --ids FILE --rows N [--dtype …], peer encode --tokenizer FILE --text FILE "
                    + "--rows N, peer bpe --text FILE");
                return 2;
        }
    }

    private static void Model(string[] args, bool training)
    {
        using Backend backend = Backend(args);
        ModelSource source = ModelSource.Open(Word(args, "--model"));
        using SequenceModel model = source.Load(backend, training ? source.LanguageModel : ModelParts.Encoder, training);
        using var benchmark = new ModelBenchmark(model, training);
        int[] shape = [.. Word(args, "--shape").Split('x').Select(int.Parse)];
        var checks = new List<double>();
        double flops = 0;
        Sample sample = Take(() =>
        {
            BenchmarkSample run = benchmark.Run(shape[0], shape[1]);
            checks.Add(run.Check);
            flops = run.Flops;
        });
        string check = training ? $"[{string.Join(',', checks.Take(3).Select(c => Text(c)))}]" : Text(checks[0]);
        Print(args[0], sample, $"\"gflops\":{Text(flops / sample.Milliseconds / 1e6)},\"checksum\":{check}");
    }

    /// <summary>Rows of token ids, sorted by length and packed.</summary>
    private static void Real(string[] args)
    {
        using Backend backend = Backend(args);
        using Dnabert2Model model = Dnabert2Model.Load(Word(args, "--model"), backend, ModelParts.Encoder);
        int[][] rows = [.. File.ReadLines(Word(args, "--ids")).Take(int.Parse(Word(args, "--rows"), CultureInfo.InvariantCulture))
            .Select(line => line.Split(' ').Select(int.Parse).ToArray()).OrderBy(row => row.Length)];
        using var arena = new Arena(backend);
        var tape = Tape.ForInference(arena);
        double check = 0;
        Sample sample = Take(() =>
        {
            check = 0;
            for (int first = 0, end; first < rows.Length; first = end)
            {
                int tokens = 0;
                for (end = first; end < rows.Length && (end == first || tokens + rows[end].Length <= BatchTokens); end++)
                    tokens += rows[end].Length;
                check += Pooled(model, tape, rows[first..end]);
            }
        });
        int total = rows.Sum(row => row.Length);
        Print("real", sample,
            $"\"tokens\":{total},\"tokens_per_s\":{Text(total / sample.Milliseconds * 1000)},\"checksum\":{Text(check / rows.Length)}");
    }

    private static double Pooled(Dnabert2Model model, Tape tape, int[][] rows)
    {
        tape.Reset();
        var batch = new Batch(tape.Activations, [.. rows.SelectMany(row => row)], [.. rows.Select(row => row.Length)]);
        Variable pooled = new Pool(Pooling.Mean).Forward(tape, model.Encoder.Forward(tape, batch), batch.CuSeqlens);
        var values = new float[pooled.Data.Count];
        model.Backend.Download<float>(pooled.Data, values);
        return ModelBenchmark.CheckOf(values, model.Config.HiddenSize);
    }

    private static void Encode(string[] args)
    {
        BpeTokenizer tokenizer = BpeTokenizer.Load(Word(args, "--tokenizer"));
        byte[][] lines = [.. File.ReadLines(Word(args, "--text")).Take(int.Parse(Word(args, "--rows"), CultureInfo.InvariantCulture))
            .Select(Encoding.ASCII.GetBytes)];
        var ids = new List<int>();
        Sample sample = Take(() =>
        {
            foreach (byte[] line in lines)
            {
                ids.Clear();
                tokenizer.EncodeSequence(line, ids);
            }
        });
        Print("encode", sample, $"\"mb_per_s\":{Text(lines.Sum(line => (double)line.Length) / sample.Milliseconds / 1000)}");
    }

    private static void TrainBpe(string[] args)
    {
        long start = Stopwatch.GetTimestamp();
        var trainer = new BpeTrainer();
        foreach (string line in File.ReadLines(Word(args, "--text"))) trainer.Add(Encoding.ASCII.GetBytes(line));
        int size = trainer.Train().VocabularySize;
        Print("bpe-train", new Sample(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 1), $"\"vocabulary\":{size}");
    }

    private static Sample Take(Action work)
    {
        // Until methods are compiled for good and the arenas have their size.
        long warm = Stopwatch.GetTimestamp();
        for (int i = 0; i < 3 || Stopwatch.GetElapsedTime(warm).TotalSeconds < 2; i++) work();
        int steps = 0;
        long start = Stopwatch.GetTimestamp();
        do
        {
            work();
            steps++;
        }
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < 1);
        return new Sample(Stopwatch.GetElapsedTime(start).TotalMilliseconds / steps, steps);
    }

    private static Backend Backend(string[] args)
    {
        Precision precision = Word(args, "--dtype", "f32") switch { "bf16" => Precision.BF16, "i8" => Precision.I8, _ => Precision.F32 };
        return CpuBackend.Create(int.Parse(Word(args, "--threads", "0"), CultureInfo.InvariantCulture), precision);
    }

    private static string Word(string[] args, string name, string? otherwise = null)
    {
        int at = Array.IndexOf(args, name);
        return at >= 0 && at + 1 < args.Length ? args[at + 1] : otherwise ?? throw new ArgumentException($"{name} is missing");
    }

    private static void Print(string what, Sample sample, string fields) => Console.WriteLine(
        $"{{\"peer\":\"engine\",\"what\":\"{what}\",\"ms\":{Text(sample.Milliseconds)},\"steps\":{sample.Steps}," +
        $"\"peak_rss_mb\":{Process.GetCurrentProcess().PeakWorkingSet64 >> 20},{fields}}}");

    private static string Text(double value) => value.ToString("G9", CultureInfo.InvariantCulture);

    private readonly record struct Sample(double Milliseconds, int Steps);
}
