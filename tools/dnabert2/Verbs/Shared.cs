using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using Dnabert2.Sequences;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Tool;

/// <summary>What several verbs have in common.</summary>
internal static class Shared
{
    public const string InputKinds = "FASTA, FASTQ, CSV or TSV with a column 'sequence', or one sequence a line; gzipped or not; '-' is standard input";

    public static Argument<string> Input() => new("INPUT") { Description = InputKinds };

    public static Choice<SequenceFormat> Format() => new(
        "--format", "the layout of the input, found from its content unless given",
        ("detect", SequenceFormat.Detect), ("fasta", SequenceFormat.Fasta), ("fastq", SequenceFormat.Fastq),
        ("csv", SequenceFormat.Csv), ("tsv", SequenceFormat.Tsv), ("lines", SequenceFormat.Lines));

    public static Choice<AmbiguousBases> OnN(AmbiguousBases preferred)
    {
        (string, AmbiguousBases)[] all = [("split", AmbiguousBases.Split), ("unk", AmbiguousBases.Unknown), ("drop", AmbiguousBases.Drop), ("error", AmbiguousBases.Error)];
        return new Choice<AmbiguousBases>(
            "--on-n", "N and IUPAC codes: cut the record there, keep them as [UNK], leave the record out, or stop",
            [.. all.OrderByDescending(choice => choice.Item2 == preferred)]);
    }

    public static Option<bool> Quiet() => new("--quiet", "-q") { Description = "show no progress and no summary, only warnings and errors" };

    public static Option<int> Threads() => Number("--threads", "threads to compute with; 0 is one a core", 0, 0, 1024);

    /// <summary>An option that takes a whole number.</summary>
    public static Option<int> Number(string name, string description, int preferred, int least, int most = int.MaxValue) => new(name)
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => preferred,
        CustomParser = result => Parse(result, name, least, most) ?? preferred,
    };

    /// <summary>An option that takes a whole number and has no value of its own.</summary>
    public static Option<int?> OptionalNumber(string name, string description, int least) =>
        new(name) { Description = description, HelpName = "N", CustomParser = result => Parse(result, name, least, int.MaxValue) };

    /// <summary>Opens a sequence file, or standard input.</summary>
    public static SequenceReader Open(string path, SequenceOptions options, Terminal terminal)
    {
        if (path == "-") return SequenceReader.Open(terminal.Input, "standard input", options, terminal.Cancellation);
        if (!File.Exists(path) && !Directory.Exists(path))
            throw new FileNotFoundException($"{path}: there is no such file; give {InputKinds}");
        return SequenceReader.Open(path, options, terminal.Cancellation);
    }

    /// <summary>The records that are still to come.</summary>
    public static IEnumerable<SequenceRecord> Records(SequenceReader reader)
    {
        while (reader.TryRead(out SequenceRecord? record)) yield return record;
    }

    /// <summary>The part of the input that was read; null where its size is not known.</summary>
    public static double? ShareOf(SequenceReader reader) => reader.TotalBytes is > 0 and long total ? (double)reader.BytesRead / total : null;

    /// <summary>Refuses to write a result over what it is made from.</summary>
    public static void CheckApart(string input, string output)
    {
        if (Path.GetFullPath(input) == Path.GetFullPath(output)) throw new UsageException($"-o {output}: this is the input; name another file");
    }

    /// <summary>Says how many records were left out, if any.</summary>
    public static void WarnOfDropped(SequenceReader reader, Terminal terminal)
    {
        if (reader.RecordsDropped > 0)
            terminal.Say($"{reader.Name}: {Count(reader.RecordsDropped, "record")} of {reader.RecordsRead:N0} left out for bases that are not known (--on-n drop)");
    }

    /// <summary>A number of things: «1 record», «2,000 records».</summary>
    public static string Count(long n, string thing) => n == 1 ? $"1 {thing}" : $"{n:N0} {thing}s";

    /// <summary>The folder of a model: a path, or that of the model that comes with the tool.</summary>
    public static string ModelFolder(string model) => model == "default" ? Dnabert2Model.DefaultFolder : model;

    /// <summary>The option that says where to compute; <see cref="Device"/> does as it says.</summary>
    public static Option<string> DeviceOption() => new("--device")
    {
        Description = "where to compute; auto: on the first GPU that can be used, or else the CPU",
        HelpName = "auto|cpu|cuda[:N]",
        DefaultValueFactory = _ => "auto",
    };

    /// <summary>The option that says what the factors of matrix products are rounded to.</summary>
    /// <param name="inference">Whether 8-bit integers will do.</param>
    public static Choice<Precision> Dtype(bool inference) => new(
        "--dtype", "the type of the factors of matrix products; sums and all else are f32",
        [("f32", Precision.F32), ("bf16", Precision.BF16), .. inference ? [("i8", Precision.I8)] : Array.Empty<(string, Precision)>()]);

    /// <summary>A backend where <c>--device</c> says, to be disposed.</summary>
    /// <param name="device"><c>auto</c>, <c>cpu</c>, <c>cuda</c> or <c>cuda:1</c>.</param>
    /// <param name="threads">The threads of the CPU; 0: one a core.</param>
    /// <param name="gpus">The GPUs there are; null: those of this machine.</param>
    /// <param name="precision">What the factors of matrix products are rounded to; a GPU is not chosen for others than f32.</param>
    /// <exception cref="UsageException">It is none of these.</exception>
    /// <exception cref="ArgumentException">That GPU cannot be used; the message says why.</exception>
    public static Backend Device(string device, int threads, Gpus? gpus = null, Precision precision = Precision.F32)
    {
        gpus ??= Gpus.OfMachine;
        if (device == "cpu" || (device == "auto" && precision != Precision.F32)) return CpuBackend.Create(threads, precision);
        if (device == "auto") return (gpus.First() is { } first ? gpus.Open(first).Backend : null) ?? CpuBackend.Create(threads);
        string index = device.StartsWith("cuda:", StringComparison.Ordinal) ? device[5..] : device == "cuda" ? "0" : "";
        if (!int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            throw new UsageException($"--device {device}: auto, cpu, cuda or cuda:0 (the number of a GPU) is meant");
        if (precision != Precision.F32) throw new UsageException($"--device {device}: the GPU computes in f32 so far; leave out --dtype, or use --device cpu");
        (Backend? backend, string? obstacle) = gpus.Open(number);
        return backend ?? throw new ArgumentException($"--device {device}: {obstacle}; use --device cpu");
    }

    private static int? Parse(ArgumentResult result, string name, int least, int most)
    {
        string text = result.Tokens[0].Value;
        if (int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int value) && value >= least && value <= most) return value;
        result.AddError($"{name} {text}: a whole number from {least}{(most == int.MaxValue ? "" : $" to {most}")} is meant");
        return null;
    }
}
