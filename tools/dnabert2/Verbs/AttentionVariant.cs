using System.Globalization;
using Dnabert2.Benchmarking;
using Engine.Kernels;

namespace Dnabert2.Tool;

/// <summary>A score modification that the command line names, such as <c>window:256</c>.</summary>
/// <param name="Name">As it was typed.</param>
/// <param name="Measure">Times it: benchmark, sequences, tokens, rounds.</param>
internal sealed record AttentionVariant(string Name, AttentionVariant.Measurement Measure)
{
    public const string All = "alibi,none,causal,window:256,softcap:30,relative:128", CompiledAhead = "alibi";

    public delegate AttentionSample Measurement(AttentionBenchmark benchmark, int sequences, int tokens, int rounds, CancellationToken cancellation);

    /// <summary>The variants of a list that commas separate.</summary>
    /// <exception cref="UsageException">One of them is none.</exception>
    public static AttentionVariant[] Parse(string list) => [.. list.Split(',').Select(One)];

    private static AttentionVariant One(string text)
    {
        string[] parts = text.Split(':', 2);
        string? value = parts.Length > 1 ? parts[1] : null;
        return (parts[0], value) switch
        {
            ("alibi", null) => Of(text, _ => default(Alibi)),
            ("none", null) => Of(text, _ => default(NoModification)),
            ("causal", null) => Of(text, _ => default(Causal)),
            ("window", _) when Whole(value, 256, out int radius) => Of(text, _ => new SlidingWindow(radius)),
            ("softcap", _) when Positive(value, 30, out float cap) => Of(text, _ => new SoftCap(cap)),
            ("relative", _) when Whole(value, 128, out int radius) && radius <= 65536 => Of(text, benchmark => benchmark.RelativeBias(radius)),
            _ => throw new UsageException(
                $"--variant {text}: alibi, none, causal, window:TOKENS, softcap:BOUND or relative:TOKENS is meant; docs/attention-variants.md shows how one of your own is timed"),
        };
    }

    private static AttentionVariant Of<TMod>(string name, Func<AttentionBenchmark, TMod> mod)
        where TMod : unmanaged, IScoreModification<TMod>
        => new(name, (benchmark, sequences, tokens, rounds, cancellation) => benchmark.Measure(mod(benchmark), sequences, tokens, rounds, cancellation));

    private static bool Whole(string? text, int preferred, out int value)
    {
        value = preferred;
        return text is null || int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private static bool Positive(string? text, float preferred, out float value)
    {
        value = preferred;
        return text is null || (float.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value) && value > 0 && float.IsFinite(value));
    }
}
