using System.CommandLine;
using System.Globalization;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary>Where and in what a verb computes: <c>--device</c>, <c>--dtype</c> and <c>--threads</c>.</summary>
/// <param name="terminal">Whose GPUs there are.</param>
/// <param name="training">Whether the verb trains, for which 8-bit integers will not do.</param>
/// <param name="onlyCpu">Whether the verb computes on the CPU, whatever else there is.</param>
internal sealed class Compute(Terminal terminal, bool training, bool onlyCpu = false)
{
    private readonly Option<string> _device = new("--device")
    {
        Description = "where to compute; auto: the first usable GPU, otherwise the CPU",
        HelpName = "auto|cpu|cuda[:N]",
        DefaultValueFactory = _ => "auto",
    };

    private readonly Choice<Precision> _dtype = new(
        "--dtype", "the type of the factors of matrix products, on a GPU that of activations; sums and parameters in training are f32",
        [("f32", Precision.F32), ("bf16", Precision.BF16), .. training ? Array.Empty<(string, Precision)>() : [("i8", Precision.I8)]]);

    private readonly Option<int> _threads = Shared.Threads();

    /// <summary>The options of the command line.</summary>
    public IEnumerable<Option> Options => onlyCpu ? [_dtype.Option, _threads] : [_device, _dtype.Option, _threads];

    /// <summary>What the factors of matrix products are rounded to.</summary>
    public Precision PrecisionOf(ParseResult parsed) => _dtype.Of(parsed);

    /// <summary>The number of threads; 0: one a core. Ranks on one machine share its cores.</summary>
    public int Threads(ParseResult parsed) => parsed.GetValue(_threads) is > 0 and int threads ? threads
        : terminal.Ranks.Launch.LocalSize is > 1 and int ranks ? Math.Max(1, Environment.ProcessorCount / ranks) : 0;

    /// <summary>The backend that the options name, to be disposed.</summary>
    /// <exception cref="UsageException">They name none.</exception>
    /// <exception cref="ArgumentException">That GPU cannot be used; the message says why.</exception>
    public Backend Open(ParseResult parsed)
    {
        string device = onlyCpu ? "cpu" : parsed.GetRequiredValue(_device);
        Precision precision = _dtype.Of(parsed);
        Gpus gpus = terminal.Gpus;
        DType activations = precision == Precision.BF16 ? DType.BF16 : DType.F32;
        if (device == "cpu" || (device == "auto" && precision == Precision.I8)) return CpuBackend.Create(Threads(parsed), precision);
        if (device == "auto")
            return (gpus.First(terminal.Ranks.Launch.LocalRank) is { } first ? gpus.Open(first, activations).Backend : null)
                ?? CpuBackend.Create(Threads(parsed), precision);
        string index = device.StartsWith("cuda:", StringComparison.Ordinal) ? device[5..] : device == "cuda"
            ? terminal.Ranks.Launch.LocalRank.ToString(CultureInfo.InvariantCulture) : "";
        if (!int.TryParse(index, NumberStyles.None, CultureInfo.InvariantCulture, out int number))
            throw new UsageException($"--device {device}: expected auto, cpu, cuda or cuda:0 (the number of a GPU)");
        if (precision == Precision.I8)
            throw new UsageException(
                $"--device {device}: the GPU computes in f32 or bf16; choose one of them as --dtype, or use --device cpu");
        (Backend? backend, string? obstacle) = gpus.Open(number, activations);
        return backend ?? throw new ArgumentException($"--device {device}: {obstacle}; use --device cpu");
    }
}
