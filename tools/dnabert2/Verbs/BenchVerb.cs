using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Dnabert2.Benchmarking;
using Dnabert2.Dnabert;
using Dnabert2.Folders;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>bench</c>: what this machine can do, and what the engine makes of it.</summary>
internal sealed class BenchVerb
{
    private const string Published = "117m", Dnabert = "dnabert-6", NucleotideTransformer = "nt-500m",
        SecondVersion = "nt-v2-500m";
    private readonly Terminal _terminal;
    private readonly ModelChoice _model = ModelChoice.Optional(
        "--model",
        "a model, whole or a LoRA adapter, or a run of pre-training: its folder; 'default', or the shape of a published model with random "
        + $"weights: {Published} (DNABERT-2), {Dnabert}, {NucleotideTransformer}, {SecondVersion}", Published);

    private readonly Option<string?> _shapes = new("--shapes")
    {
        Description = "sequences × tokens of the batches [1x128,8x128,32x128,1x512,4x512,1x2048, as far as the model has positions; "
        + "in training 8x128,32x128]",
        HelpName = "BxT,…",
    };

    private readonly Option<bool> _training =
        new("--training") { Description = "whole training steps (forward, backward, AdamW) instead of forward passes" };
    private readonly Option<int> _rounds = Shared.Number("--rounds", "measurements of each shape; the median is reported", 7, 1);
    private readonly Option<bool> _json = new("--json") { Description = "print one JSON object per line and shape, and nothing else" };
    private readonly Compute _compute;

    public BenchVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: false, onlyCpu: true);
        Command = new Verb(
            "bench",
            "Measures the machine's peaks, the operations of a model amid the others, and the whole of it, on the CPU; 'bench "
            + "attention' times score modifications, 'bench variants' the scoring of variants.",
            ("dnabert2 bench --model default --shapes 8x128 --rounds 3", "the built-in model, eight sequences of 128 tokens"),
            ("dnabert2 bench --model default --training --shapes 8x128 --rounds 2 --dtype bf16",
                "training steps with products in bfloat16"),
            ("dnabert2 bench --model DNABERT-2-117M --shapes 1x512 --rounds 3 --dtype bf16", "a model folder, one sequence at a time"))
        {
            _shapes, _training, _rounds, _json,
        };
        foreach (Option option in _model.Options.Concat(_compute.Options)) Command.Add(option);
        Command.Add(new BenchAttentionVerb(terminal).Command);
        Command.Add(new BenchVariantsVerb(terminal).Command);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        bool training = parsed.GetValue(_training), json = parsed.GetValue(_json);
        (int Sequences, int Tokens)[] shapes =
            Shapes(parsed.GetValue(_shapes) ?? (training ? "8x128,32x128" : "1x128,8x128,32x128,1x512,4x512,1x2048"));
        int rounds = parsed.GetValue(_rounds), threads = _compute.Threads(parsed) is var n and > 0 ? n : Environment.ProcessorCount;
        if (training && _compute.PrecisionOf(parsed) == Precision.I8)
            throw new UsageException("--dtype i8: 8-bit integers are for inference; train in f32 or bf16");
        using Backend backend = _compute.Open(parsed);
        using SequenceModel model = Load(parsed, backend, training, quiet: json);
        if (model.MaxTokens is { } most) shapes = Fitting(shapes, most, wereGiven: parsed.GetValue(_shapes) is not null);
        using var benchmark = new ModelBenchmark(model, training);
        double peak = 0;
        if (!json)
        {
            peak = backend.MeasurePeak();
            Print($"{backend.Description}; measured peaks: {peak:F0} GFLOP/s, {MachinePeak.ReadBandwidth(threads):F0} GB/s of reads");
            Print($"{(training ? "training steps" : "forward passes")} of {model.Parameters.Count:N0} parameters, median of {rounds}\n");
        }

        List<BenchmarkSample>[] samples = Measure(benchmark, shapes, rounds);
        if (json) PrintJson(shapes, samples, training);
        else
        {
            PrintTable(shapes, samples, peak);
            foreach ((int sequences, int tokens) in shapes) PrintOperations(backend, benchmark, sequences, tokens, rounds, peak);
            if (PeakMebibytes() is { } peakMemory) Print($"\npeak memory of this process: {peakMemory} MiB");
        }

        return CommandLineTool.Done;
    }

    private SequenceModel Load(ParseResult parsed, Backend backend, bool training, bool quiet)
    {
        ModelParts parts = training ? ModelParts.MlmHead : ModelParts.Encoder;
        switch (_model.NameOf(parsed))
        {
            case Published:
                BpeTokenizer tokenizer = Shared.BuiltInTokenizer();
                return Dnabert2Model.Initialize(new Dnabert2Config { HiddenDropoutProb = 0 }, tokenizer, seed: 1, backend, parts, training);
            case Dnabert:
                var config = new DnabertConfig { HiddenDropoutProb = 0, AttentionProbsDropoutProb = 0 };
                return DnabertModel.Initialize(config, new DnabertTokenizer(6), seed: 1, backend, parts, training);
            case NucleotideTransformer:
                return NucleotideTransformerModel.Initialize(
                    new NucleotideTransformerConfig(), new NucleotideTransformerTokenizer(), seed: 1, backend, parts, training);
            case SecondVersion:
                return NucleotideTransformerModel.Initialize(
                    NucleotideTransformerConfig.Version2, new NucleotideTransformerTokenizer(version: 2), seed: 1, backend, parts,
                    training);
            default:
                ModelSource source = _model.Open(parsed, _terminal, quiet);
                return source.Load(backend, training ? source.LanguageModel : ModelParts.Encoder, training);
        }
    }

    /// <summary>The shapes that a model has positions for; one that was given and does not fit is an error.</summary>
    private static (int Sequences, int Tokens)[] Fitting((int Sequences, int Tokens)[] shapes, int most, bool wereGiven)
    {
        (int Sequences, int Tokens)[] fitting = Array.FindAll(shapes, shape => shape.Tokens <= most);
        if (fitting.Length == shapes.Length || (fitting.Length > 0 && !wereGiven)) return fitting;
        return wereGiven ? throw new UsageException(
            $"--shapes {string.Join(',', shapes.Except(fitting).Select(s => $"{s.Sequences}x{s.Tokens}"))}: this model has positions for "
            + $"{most} tokens") : [(1, most)];
    }

    /// <summary>
    /// The rounds go through all shapes in turn; the first one is a warm-up. Short ones are repeated for half a second a round.
    /// </summary>
    private List<BenchmarkSample>[] Measure(ModelBenchmark benchmark, (int Sequences, int Tokens)[] shapes, int rounds)
    {
        List<BenchmarkSample>[] samples = Array.ConvertAll(shapes, _ => new List<BenchmarkSample>());
        for (int round = -1; round < rounds; round++)
            for (int i = 0; i < shapes.Length; i++)
            {
                double spent = 0, runs = 0;
                BenchmarkSample sample;
                do
                {
                    _terminal.Cancellation.ThrowIfCancellationRequested();
                    sample = benchmark.Run(shapes[i].Sequences, shapes[i].Tokens);
                    spent += sample.Seconds;
                    runs++;
                }
                while (spent < 0.5);
                if (round >= 0) samples[i].Add(sample with { Seconds = spent / runs });
            }

        return samples;
    }

    private void PrintTable((int Sequences, int Tokens)[] shapes, List<BenchmarkSample>[] samples, double peak)
    {
        Print($"{"batch×tokens",-16}{"ms",10}{"GFLOP/s",9}{"of peak",9}{"tokens/s",11}");
        for (int i = 0; i < shapes.Length; i++)
        {
            BenchmarkSample m = Median(samples[i]);
            double gflops = m.Flops / m.Seconds / 1e9;
            Print($"{$"{shapes[i].Sequences}×{shapes[i].Tokens}",-16}{m.Seconds * 1e3,10:F1}{gflops,9:F0}{gflops / peak,9:P0}" +
                $"{shapes[i].Sequences * shapes[i].Tokens / m.Seconds,11:F0}");
        }
    }

    private void PrintOperations(Backend backend, ModelBenchmark benchmark, int sequences, int tokens, int rounds, double peak)
    {
        var profile = new Profile();
        backend.Profile = profile;
        for (int round = 0; round < rounds; round++) benchmark.Run(sequences, tokens);
        backend.Profile = null;
        double total = profile.Operations.Sum(o => o.Seconds);
        Print($"\n{$"operations at {sequences}×{tokens}",-48}{"calls",6}{"µs each",10}{"of time",9}{"GFLOP/s",9}{"of peak",9}{"GB/s",7}");
        foreach (OperationTime o in profile.Operations.OrderByDescending(o => o.Seconds))
        {
            double gflops = o.Flops / o.Seconds / 1e9;
            string rate = o.Flops > 0 ? $"{gflops,9:F0}{gflops / peak,9:P0}" : $"{"",18}";
            Print($"{o.Name + " " + o.Shape,-48}{o.Calls / rounds,6}{o.Seconds / o.Calls * 1e6,10:F0}{o.Seconds / total,9:P1}{rate}"
                + $"{o.Bytes / o.Seconds / 1e9,7:F1}");
        }
    }

    private void PrintJson((int Sequences, int Tokens)[] shapes, List<BenchmarkSample>[] samples, bool training)
    {
        for (int i = 0; i < shapes.Length; i++)
        {
            BenchmarkSample m = Median(samples[i]);
            Print(string.Create(CultureInfo.InvariantCulture,
                $$"""{"what":"{{(training ? "train" : "infer")}}","shape":"{{shapes[i].Sequences}}x{{shapes[i].Tokens}}","ms":"""
                + $$"""{{m.Seconds * 1e3:F4}},"gflops":{{m.Flops / m.Seconds / 1e9:F2}},"tokens_per_s":"""
                + $$"""{{shapes[i].Sequences * shapes[i].Tokens / m.Seconds:F1}},"checksum":{{samples[i][0].Check:R}},"peak_mib":"""
                + $$"""{{(PeakMebibytes() is { } peakMemory ? $"{peakMemory}" : "null")}}}"""));
        }
    }

    // Linux says it below /proc, which an image of one file may lack.
    private static long? PeakMebibytes()
    {
        if (OperatingSystem.IsLinux() && !File.Exists("/proc/self/stat")) return null;
        using Process process = Process.GetCurrentProcess();
        return process.PeakWorkingSet64 / 1048576;
    }

    private static BenchmarkSample Median(List<BenchmarkSample> samples) => samples.OrderBy(s => s.Seconds).ElementAt(samples.Count / 2);

    /// <summary>Shapes such as 8x128, separated by commas.</summary>
    /// <exception cref="UsageException">One of them is none, or too large.</exception>
    internal static (int Sequences, int Tokens)[] Shapes(string text) => [.. text.Split(',').Select(shape =>
    {
        string[] parts = shape.Split('x', '×');
        return parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out int sequences)
            && int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out int tokens)
            && sequences >= 1 && tokens >= 2 && (long)sequences * tokens <= 1 << 24
            ? (sequences, tokens)
            : throw new UsageException(
                $"--shapes {shape}: expected SEQUENCESxTOKENS, such as 8x128, of at least 2 tokens each and 16,777,216 together");
    })];

    private void Print(string line)
    {
        _terminal.Output.Write(Encoding.UTF8.GetBytes(line + "\n"));
        _terminal.Output.Flush();
    }
}
