using System.CommandLine;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Dnabert2.Folders;
using Dnabert2.Training;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>info</c>: what this machine and a model are.</summary>
internal sealed class InfoVerb
{
    private readonly Terminal _terminal;
    private readonly ModelChoice _model = ModelChoice.Of(new Argument<string?>("MODEL")
    {
        Description = "the folder of a model, an adapter or a run; 'default' is the model that comes with the tool",
        Arity = ArgumentArity.ZeroOrOne,
    });

    private readonly Option<int> _threads = Shared.Threads();

    private readonly Option<bool> _verify = new("--verify")
    {
        Description = "say which published model the folder is, by the SHA-256 of its weights, and hold what this engine computes against "
            + "what the model's own code computed",
    };

    public InfoVerb(Terminal terminal)
    {
        _terminal = terminal;
        Command = new Verb(
            "info", "Tells about the engine and this machine, and checks a model by loading it.",
            ("dnabert2 info", "the engine, the processor and its memory, and the GPUs"),
            ("dnabert2 info default", "the model that comes with the tool"),
            ("dnabert2 info DNABERT-2-117M", "a folder as downloaded from Hugging Face, and whether anything is "
            + "missing; the exit code says it, too"))
        {
            _model.Argument, _threads, _verify,
        };
        foreach (Option option in _model.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        using Backend backend = CpuBackend.Create(parsed.GetValue(_threads));
        Print("engine", $"dnabert2 {Version}, .NET {Environment.Version}, {RuntimeInformation.OSDescription}, "
            + $"{RuntimeInformation.ProcessArchitecture}");
        Print("processor", $"{ProcessorName()}, {Shared.Count(Environment.ProcessorCount, "core")}");
        Print("backend", backend.Description);
        if (CpuBackend.UnusedSimd() is { } wider)
            Print("warning", $"the processor has {wider}, which is not used: "
                + (RuntimeFeature.IsDynamicCodeSupported ? "it is switched off" : "this program was compiled ahead of time for less"));
        Print("memory", Size(GC.GetGCMemoryInfo().TotalAvailableMemoryBytes));
        DescribeGpus();
        if (_model.NameOf(parsed) is { } model)
            return Describe(model, _model.BaseOf(parsed), parsed.GetValue(_verify), backend);
        if (_model.BaseOf(parsed) is { } named) throw new UsageException($"--base {named}: name the adapter");
        if (parsed.GetValue(_verify)) throw new UsageException("--verify: name the folder of a model");
        return CommandLineTool.Done;
    }

    /// <summary>Prints the GPUs and what runs where.</summary>
    private void DescribeGpus()
    {
        (IReadOnlyList<CudaDevice> devices, string? obstacle) = _terminal.Gpus.List();
        if (obstacle is not null) Print("gpu", "none: " + obstacle);
        foreach (CudaDevice d in devices)
            Print($"cuda:{d.Index}", d.Obstacle is { } why ? $"cannot be used: {why}"
                : $"{d.Name}, compute capability {d.ComputeCapability}, {Size(d.MemoryBytes)}, {d.Multiprocessors} multiprocessors");
        string first = _terminal.Gpus.First() is { } index ? $"cuda:{index}" : "the CPU";
        Print("runs on", $"verbs that take --device: {first}, unless told otherwise, in the type of --dtype; all others: the CPU");
    }

    /// <summary>Prints what the folder has before it is loaded, so that a damaged model is described as far as it can be read.</summary>
    private int Describe(string folder, string? baseFolder, bool verify, Backend backend)
    {
        ModelInventory found = ModelInventory.Of(folder, baseFolder);
        Print("model", $"{folder}: {found.Kind}");
        if (verify && found.Adapter is not null)
            throw new UsageException("--verify: an adapter is not published; name the folder of a published model");
        if (found.Adapter is { } adapter) Print("adapter", adapter);
        bool wasLookedAt = found.Missing.Count == 0 || found.IsOwnBase is not null;
        if (found.Base is { } named) Print("base", wasLookedAt ? $"{named}, {Describe(found.IsOwnBase)}" : named);
        Print("files", string.Join(", ", found.Files.Select(file => $"{Named(file.Path, folder)} {Size(file.Bytes)}")));
        if (found.DescribeConfig() is { } config) Print("config", config);
        if (found.DescribeTokenizer() is { } tokenizer) Print("tokenizer", tokenizer);
        if (found.Missing.Count > 0)
        {
            Print("missing", ParameterNames.Translate(string.Join(", ", found.Missing), Command));
            return CommandLineTool.Failed;
        }

        IReadOnlyDictionary<string, int> types = found.CountTensors();
        Print("weights",
            $"{Shared.Count(types.Values.Sum(), "tensor")} ({string.Join(", ", types.Select(type => $"{type.Value} {type.Key}"))})");
        using SequenceModel model = ModelSource.Open(folder, baseFolder).Load(backend);
        Print("parameters", Describe(model));
        if (DescribeTraining(model) is { } training) Print("training", training);
        Print("missing", "nothing; all weights are there and finite");
        return verify ? Verify(folder, model) : CommandLineTool.Done;
    }

    /// <summary>Prints which published model it is, and whether this engine computes what that one does.</summary>
    private int Verify(string folder, SequenceModel model)
    {
        if (KnownCheckpoint.Find(ModelSource.Open(folder).WeightFolder, _terminal.Cancellation) is not { } known)
        {
            string all = string.Join(", ", KnownCheckpoint.All.Select(k => k.Name));
            Print("verified", $"no: its weights are none of those on record ({all})");
            return CommandLineTool.Failed;
        }

        CheckpointVerification result = known.Verify(model);
        Print("published", $"{known.Name}, revision {known.Revision}: the SHA-256 of the weights is the same");
        Print("verified", $"{(result.Holds ? "yes" : "no")}: {Shared.Count(result.Outputs, "sequence")} compared with what its own code "
            + $"computes, largest difference {result.LargestDifference:0.0e+0}, allowed {CheckpointVerification.Allowed:0e+0}");
        return result.Holds ? CommandLineTool.Done : CommandLineTool.Failed;
    }

    private static string Describe(bool? isOwnBase) => isOwnBase switch
    {
        true => "verified: its weights are those the adapter was trained on",
        false => "not the base the adapter was trained on: its weights differ",
        null => "not verified: the adapter does not record the weights it was trained on",
    };

    private static string Named(string path, string folder) =>
        Path.GetDirectoryName(path) == Path.TrimEndingDirectorySeparator(folder) ? Path.GetFileName(path) : path;

    /// <summary>What masked language modelling takes of a device's memory; null where that is not known.</summary>
    private static string? DescribeTraining(SequenceModel model)
    {
        var options = new PretrainOptions();
        if (TrainingMemory.Of(model, DType.F32, recompute: false) is null) return null;
        string[] types = Array.ConvertAll((DType[])[DType.F32, DType.BF16], type =>
        {
            TrainingMemory kept = TrainingMemory.Of(model, type, recompute: false)!,
                recomputed = TrainingMemory.Of(model, type, recompute: true)!;
            return $"{(type == DType.F32 ? "f32" : "bf16 on a GPU")}: {Size(kept.BytesPerParameter * model.Parameters.Count)} and "
                + $"{Size((long)kept.BytesPerToken(options.MaskProbability))} a token "
                + $"({Size((long)recomputed.BytesPerToken(options.MaskProbability))} with --recompute)";
        });
        return string.Join("; ", types);
    }

    private static string Describe(SequenceModel model)
    {
        (string Part, string[] Prefixes)[] parts =
        [
            ("embeddings", ["bert.embeddings.", "esm.embeddings.", "hyena.backbone.embeddings.", "embeddings."]),
            ("layers", ["bert.encoder.", "esm.encoder.", "hyena.backbone.layers.", "hyena.backbone.ln_f.", "cnn_model.", "dense_model.0."]),
            ("pooler", ["bert.pooler."]), ("language-model head", ["cls.", "lm_head."]),
            ("classifier", ["classifier.", "score.", "dense_model.1."]),
        ];
        var text = new StringBuilder($"{model.Parameters.Count:N0}");
        char before = ':';
        foreach ((string part, string[] prefixes) in parts)
        {
            long count = model.Parameters.Parameters
                .Where(p => p.TiedTo is null && prefixes.Any(prefix => p.Name.StartsWith(prefix, StringComparison.Ordinal)))
                .Sum(p => p.Shape.Count);
            if (count == 0) continue;
            text.Append($"{before} {part} {count:N0}");
            before = ',';
        }

        return text.ToString();
    }

    /// <summary>Prints a line; control characters, which may come from a file's contents, are not passed on.</summary>
    private void Print(string what, string value) =>
        _terminal.Output.Write(Encoding.UTF8.GetBytes($"{what,-12}{string.Concat(value.Select(c => char.IsControl(c) ? '?' : c))}\n"));

    private static string Version =>
        typeof(InfoVerb).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "of no version";

    private static string Size(long bytes) => bytes switch
    {
        >= 1L << 30 => $"{bytes / (double)(1L << 30):F1} GiB",
        >= 1L << 20 => $"{bytes / (double)(1L << 20):F1} MiB",
        >= 1L << 10 => $"{bytes / (double)(1L << 10):F1} KiB",
        _ => $"{bytes} bytes",
    };

    private static string ProcessorName()
    {
        const string linux = "/proc/cpuinfo";
        string? line =
            File.Exists(linux) ? File.ReadLines(linux).FirstOrDefault(l => l.StartsWith("model name", StringComparison.Ordinal)) : null;
        return line?[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim()
            ?? Environment.GetEnvironmentVariable("PROCESSOR_IDENTIFIER") ?? RuntimeInformation.ProcessArchitecture.ToString();
    }
}
