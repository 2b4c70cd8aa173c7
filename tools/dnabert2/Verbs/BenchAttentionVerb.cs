using System.CommandLine;
using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using Dnabert2.Benchmarking;
using Engine.Runtime;

namespace Dnabert2.Tool.Verbs;

/// <summary><c>bench attention</c>: attention and its gradient with each score modification.</summary>
internal sealed class BenchAttentionVerb
{
    private readonly Terminal _terminal;
    private readonly Option<string?> _variants = new("--variant")
    {
        Description = $"attention: {SelfAttention.Names} [default: all; on a GPU alibi, whose kernels are compiled ahead]",
        HelpName = "NAME,…",
    };

    private readonly Option<string?> _assembly = new("--assembly")
    {
        Description =
            "an assembly of yours: the score modifications in it are held against their definition in float64 and timed beside the "
            + "built-in ones; --variant TYPE:NUMBER names one whose constructor takes a number",
        HelpName = "FILE.dll",
    };

    private readonly Option<string> _shapes = new("--shapes")
    {
        Description = "sequences × tokens of the batches",
        HelpName = "BxT,…",
        DefaultValueFactory = _ => "32x128,8x512,1x4096",
    };

    private readonly Option<int> _heads = Shared.Number("--heads", "attention heads", 12, 1, 1024);
    private readonly Option<int> _headSize = Shared.Number("--head-size", "the size of a head", 64, 1, 1024);
    private readonly Option<int> _rounds = Shared.Number("--rounds", "measurements of each; the median is reported", 5, 1);
    private readonly Option<bool> _json = new("--json") { Description = "print one JSON object per line, and nothing else" };
    private readonly Compute _compute;

    public BenchAttentionVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: true);
        Command = new Verb(
            "attention", "Times attention, forward and backward, with each score modification.",
            ("dnabert2 bench attention --shapes 1x128 --rounds 2", "all modifications, one sequence of 128 tokens"),
            ("dnabert2 bench attention --variant alibi,window:32,relative:64 --shapes 1x256 --rounds 2 --device cpu",
                "three of them, on the CPU"),
            ("dnabert2 bench attention --assembly my.dll --variant alibi,DistanceDecay:50 --shapes 1x128 --rounds 2",
                "one of your own, beside ALiBi"))
        {
            _variants, _assembly, _shapes, _heads, _headSize, _rounds, _json,
        };
        foreach (Option option in _compute.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        OwnVariants? assembly = parsed.GetValue(_assembly) is { } path ? Load(path) : null;
        string? names = parsed.GetValue(_variants);
        var own = new Dictionary<SelfAttention, OwnVariant>();
        SelfAttention[]? chosen = names is null ? null : [.. names.Split(',').Select(Named)];
        (int Sequences, int Tokens)[] shapes = BenchVerb.Shapes(parsed.GetRequiredValue(_shapes));
        int rounds = parsed.GetValue(_rounds), heads = parsed.GetValue(_heads), headSize = parsed.GetValue(_headSize);
        bool json = parsed.GetValue(_json);
        using Backend backend = _compute.Open(parsed);
        IEnumerable<SelfAttention> variants = chosen ?? (backend.CapturesGraphs ? [SelfAttention.Alibi] : SelfAttention.BuiltIn);
        if (names is null && assembly is not null) variants = [.. variants, .. assembly.All.Select(Add)];
        foreach (OwnVariant variant in own.Values)
        {
            AttentionErrors errors = variant.Checked(backend, heads);
            if (!json) Print($"{variant.Attention}: error {errors.Forward:E1} forward, {errors.Backward:E1} backward, against float64");
        }

        using var benchmark = new AttentionBenchmark(backend, heads, headSize);
        int width = Math.Max(14, variants.Max(variant => variant.Name.Length)) + 2;
        double peak = json ? 0 : backend.MeasurePeak();
        if (!json)
        {
            Print(backend.Description + (peak > 0 ? $"; measured peak: {peak:F0} GFLOP/s" : ""));
            Print($"attention, {Shared.Count(heads, "head")} of {headSize}, median of {rounds}; "
                + "the operations that count are those of pairs that see each other\n");
            Print("variant".PadRight(width) + $"{"batch×tokens",-14}{"forward ms",11}{"GFLOP/s",9}{"of peak",9}"
                + $"{"backward ms",13}{"GFLOP/s",9}{"of peak",9}");
        }

        foreach ((int sequences, int tokens) in shapes)
            foreach (SelfAttention variant in variants)
            {
                AttentionSample sample = benchmark.Measure(variant, sequences, tokens, rounds, _terminal.Cancellation);
                Print(json
                    ? Json(variant.Name, sequences, tokens, sample) : Row(variant.Name.PadRight(width), sequences, tokens, sample, peak));
            }

        return CommandLineTool.Done;

        SelfAttention Named(string name) => SelfAttention.TryParse(name, out SelfAttention? builtIn) ? builtIn
            : assembly?.Find(name) is { } found ? Add(found)
            : throw new UsageException($"--variant {name}: expected {SelfAttention.Names}, or a type of --assembly");

        SelfAttention Add(OwnVariant variant)
        {
            own[variant.Attention] = variant;
            return variant.Attention;
        }
    }

    [UnconditionalSuppressMessage("Trimming", "IL2026", Justification = "programs without a compiler are those that are trimmed")]
    private static OwnVariants Load(string path) => RuntimeFeature.IsDynamicCodeSupported
        ? OwnVariants.Load(path)
        : throw new NotSupportedException(
            "--assembly: this program was compiled ahead, so that it loads no assemblies; run it with dotnet");

    private static string Row(string variant, int sequences, int tokens, AttentionSample s, double peak)
    {
        string Pass(double seconds, double flops, int width)
        {
            double gflops = flops / seconds / 1e9;
            return $"{(seconds * 1e3).ToString("F3").PadLeft(width)}{gflops,9:F0}{(peak > 0 ? (gflops / peak).ToString("P0") : "—"),9}";
        }

        return $"{variant}{$"{sequences}×{tokens}",-14}{Pass(s.Forward, s.ForwardFlops, 11)}{Pass(s.Backward, s.BackwardFlops, 13)}";
    }

    private static string Json(string variant, int sequences, int tokens, AttentionSample s) => string.Create(CultureInfo.InvariantCulture,
        $$"""{"what":"attention","variant":"{{variant}}","shape":"{{sequences}}x{{tokens}}","forward_ms":"""
        + $$"""{{s.Forward * 1e3:F4}},"forward_gflops":{{s.ForwardFlops / s.Forward / 1e9:F2}},"backward_ms":"""
        + $$"""{{s.Backward * 1e3:F4}},"backward_gflops":{{s.BackwardFlops / s.Backward / 1e9:F2}}}""");

    private void Print(string line)
    {
        _terminal.Output.Write(Encoding.UTF8.GetBytes(line + "\n"));
        _terminal.Output.Flush();
    }
}
