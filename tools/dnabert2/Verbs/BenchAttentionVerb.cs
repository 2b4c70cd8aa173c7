using System.CommandLine;
using System.Globalization;
using System.Text;
using Dnabert2.Benchmarking;
using Engine.Runtime;

namespace Dnabert2.Tool;

/// <summary><c>bench attention</c>: attention and its gradient with each score modification.</summary>
internal sealed class BenchAttentionVerb
{
    private readonly Terminal _terminal;
    private readonly Option<string?> _variants = new("--variant")
    {
        Description = $"attention: {SelfAttention.Names}; unless given, all, and on a GPU alibi, whose kernels are compiled ahead",
        HelpName = "NAME,…",
    };

    private readonly Option<string> _shapes = new("--shapes")
    {
        Description = "sequences × tokens of the batches",
        HelpName = "BxT,…",
        DefaultValueFactory = _ => "32x128,8x512,1x4096",
    };

    private readonly Option<int> _heads = Shared.Number("--heads", "attention heads", 12, 1, 1024);
    private readonly Option<int> _headSize = Shared.Number("--head-size", "the size of a head", 64, 1, 1024);
    private readonly Option<int> _rounds = Shared.Number("--rounds", "measurements of each, of which the median counts", 5, 1);
    private readonly Option<bool> _json = new("--json") { Description = "one JSON object a line, and nothing else" };
    private readonly Compute _compute;

    public BenchAttentionVerb(Terminal terminal)
    {
        _terminal = terminal;
        _compute = new Compute(terminal, training: true);
        Command = new Verb(
            "attention", "Times attention, forward and backward, with each score modification.",
            ("dnabert2 bench attention --shapes 8x128 --rounds 3", "all modifications, eight sequences of 128 tokens"),
            ("dnabert2 bench attention --variant alibi,window:32,relative:64 --shapes 1x256 --rounds 2 --device cpu", "three of them, on the CPU"))
        {
            _variants, _shapes, _heads, _headSize, _rounds, _json,
        };
        foreach (Option option in _compute.Options) Command.Add(option);
        Command.SetAction(Run);
    }

    public Verb Command { get; }

    private int Run(ParseResult parsed)
    {
        SelfAttention[]? chosen = parsed.GetValue(_variants) is { } list ? Parse(list) : null;
        (int Sequences, int Tokens)[] shapes = BenchVerb.Shapes(parsed.GetRequiredValue(_shapes));
        int rounds = parsed.GetValue(_rounds), heads = parsed.GetValue(_heads), headSize = parsed.GetValue(_headSize);
        bool json = parsed.GetValue(_json);
        using Backend backend = _compute.Open(parsed);
        IReadOnlyList<SelfAttention> variants = chosen ?? (backend.Records ? [SelfAttention.Alibi] : SelfAttention.BuiltIn);
        using var benchmark = new AttentionBenchmark(backend, heads, headSize);
        double peak = json ? 0 : backend.MeasurePeak();
        if (!json)
        {
            Print(backend.Description + (peak > 0 ? $"; measured peak: {peak:F0} GFLOP/s" : ""));
            Print($"attention, {Shared.Count(heads, "head")} of {headSize}, median of {rounds}; the operations that count are those of pairs that see each other\n");
            Print($"{"variant",-16}{"batch×tokens",-14}{"forward ms",11}{"GFLOP/s",9}{"of peak",9}{"backward ms",13}{"GFLOP/s",9}{"of peak",9}");
        }

        foreach ((int sequences, int tokens) in shapes)
            foreach (SelfAttention variant in variants)
            {
                AttentionSample sample = benchmark.Measure(variant, sequences, tokens, rounds, _terminal.Cancellation);
                Print(json ? Json(variant.Name, sequences, tokens, sample) : Row(variant.Name, sequences, tokens, sample, peak));
            }

        return CommandLineTool.Done;
    }

    /// <summary>The attentions of a list that commas separate.</summary>
    /// <exception cref="UsageException">One of them is none.</exception>
    internal static SelfAttention[] Parse(string list) =>
        [.. list.Split(',').Select(name => SelfAttention.TryParse(name, out SelfAttention? attention) ? attention : throw new UsageException(
            $"--variant {name}: expected {SelfAttention.Names}; docs/attention-variants.md shows how one of your own is timed"))];

    private static string Row(string variant, int sequences, int tokens, AttentionSample s, double peak)
    {
        string Pass(double seconds, double flops, int width)
        {
            double gflops = flops / seconds / 1e9;
            return $"{(seconds * 1e3).ToString("F3").PadLeft(width)}{gflops,9:F0}{(peak > 0 ? (gflops / peak).ToString("P0") : "—"),9}";
        }

        return $"{variant,-16}{$"{sequences}×{tokens}",-14}{Pass(s.Forward, s.ForwardFlops, 11)}{Pass(s.Backward, s.BackwardFlops, 13)}";
    }

    private static string Json(string variant, int sequences, int tokens, AttentionSample s) => string.Create(CultureInfo.InvariantCulture,
        $$"""{"what":"attention","variant":"{{variant}}","shape":"{{sequences}}x{{tokens}}","forward_ms":{{s.Forward * 1e3:F4}},"forward_gflops":{{s.ForwardFlops / s.Forward / 1e9:F2}},"backward_ms":{{s.Backward * 1e3:F4}},"backward_gflops":{{s.BackwardFlops / s.Backward / 1e9:F2}}}""");

    private void Print(string line)
    {
        _terminal.Output.Write(Encoding.UTF8.GetBytes(line + "\n"));
        _terminal.Output.Flush();
    }
}
