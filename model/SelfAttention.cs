using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using Dnabert2.Benchmarking;
using Dnabert2.Folders;
using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>
/// The self-attention of a model: scores modified in one way or another, or rotary positions. It has the name by which <c>config.json</c>
/// knows it, under <c>attention</c>: <c>alibi</c>, which is DNABERT-2's own, <c>window:256</c>, or that of a type of one's own.
/// </summary>
/// <example>
/// <code>
/// var config = new Dnabert2Config { Attention = SelfAttention.Of("decay:50", new DistanceDecay(50)) };
/// ModelSource source = ModelSource.Open(folder, attention: config.Attention);
/// </code>
/// </example>
public abstract class SelfAttention : IEquatable<SelfAttention>
{
    private const int MostRelativeRadius = 1 << 16;

    private protected SelfAttention(string name) => Name = name;

    /// <summary>DNABERT-2's own: linear biases; see <see cref="Engine.Kernels.Alibi"/>.</summary>
    public static SelfAttention Alibi { get; } = new ModifiedAttention<Alibi>("alibi", default);

    /// <summary>
    /// The names of what is built in, for people; see docs/attention-variants.md. A number and its colon may be left out.
    /// </summary>
    public const string Names = "alibi, none, causal, window:TOKENS, softcap:BOUND, relative:TOKENS, rotary:TOKENS";

    /// <summary>What is built in, with the numbers that it has unless others are given.</summary>
    public static IReadOnlyList<SelfAttention> BuiltIn { get; } =
    [
        Alibi, Parse("none"), Parse("causal"), Parse("window"), Parse("softcap"), Parse("relative"), Parse("rotary"),
    ];

    /// <summary>The name in <c>config.json</c>: numbers follow colons.</summary>
    public string Name { get; }

    /// <summary>Attention with a score modification of one's own.</summary>
    /// <typeparam name="TMod">The modification.</typeparam>
    /// <param name="name">
    /// Its name in <c>config.json</c>, which tells it from others, numbers included: <c>decay:50</c>. A folder that names it is loaded by a
    /// program that gives the same one (<see cref="ModelSource.Open(string, string?, SelfAttention?)"/>).
    /// </param>
    /// <param name="mod">Its parameters.</param>
    /// <exception cref="ArgumentException">The name is empty or begins with that of a built-in one.</exception>
    public static SelfAttention Of<TMod>(string name, TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(name);
        return TryParse(name.Split(':')[0], out _)
            ? throw new ArgumentException($"{name} is the name of an attention that is built in; choose another", nameof(name))
            : new ModifiedAttention<TMod>(name, mod);
    }

    /// <summary>A built-in attention by its name.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <exception cref="ArgumentException">There is none of this name; the message lists those that there are.</exception>
    public static SelfAttention Parse(string name) => TryParse(name, out SelfAttention? attention)
        ? attention
        : throw new ArgumentException($"'{name}' is no built-in attention; these are {Names}", nameof(name));

    /// <summary>A built-in attention by its name.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="attention">The attention; null where there is none of this name.</param>
    /// <returns>Whether there is one.</returns>
    public static bool TryParse(string name, [NotNullWhen(true)] out SelfAttention? attention)
    {
        ArgumentNullException.ThrowIfNull(name);
        string[] parts = name.Split(':', 2);
        string? number = parts.Length > 1 ? parts[1] : null;
        attention = (parts[0], number) switch
        {
            ("alibi", null) => Alibi,
            ("none", null) => new ModifiedAttention<NoModification>(name, default),
            ("causal", null) => new ModifiedAttention<Causal>(name, default),
            ("window", _) when Whole(number, 256, out int radius) =>
                new ModifiedAttention<SlidingWindow>($"window:{radius}", new SlidingWindow(radius)),
            ("softcap", _) when Positive(number, 30, out float cap) =>
                new ModifiedAttention<SoftCap>(string.Create(CultureInfo.InvariantCulture, $"softcap:{cap}"), new SoftCap(cap)),
            ("relative", _) when Whole(number, 128, out int radius) && radius <= MostRelativeRadius => new RelativeBiases(radius),
            ("rotary", _) when Whole(number, 2048, out int positions) && positions > 0 => new RotaryPositions(positions),
            _ => null,
        };
        return attention is not null;
    }

    /// <inheritdoc/>
    public bool Equals(SelfAttention? other) => other is not null && Name == other.Name;

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as SelfAttention);

    /// <inheritdoc/>
    public override int GetHashCode() => Name.GetHashCode(StringComparison.Ordinal);

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    /// <summary>Values of parameters of its own in a layer.</summary>
    internal virtual long ParametersPerLayer(int heads) => 0;

    /// <summary>Elements of a token that a layer keeps in training beside those of any attention.</summary>
    internal virtual int ExtraWidth(int hidden) => 0;

    /// <summary>Refuses a model that it does not fit.</summary>
    /// <exception cref="ArgumentException">It does not; the message names the key of <c>config.json</c>.</exception>
    internal virtual void Check(Dnabert2Config config)
    {
    }

    /// <summary>Begins a model's attention.</summary>
    /// <returns>Declares that of a layer, by the prefix of its parameters' names.</returns>
    internal abstract Func<string, ISelfAttention> Declare(ParameterSet set, Dnabert2Config config);

    /// <inheritdoc cref="AttentionBenchmark.Measure(SelfAttention, int, int, int, CancellationToken)"/>
    internal abstract AttentionSample Measure(
        AttentionBenchmark benchmark, int sequences, int tokens, int rounds, CancellationToken cancellation);

    private static bool Whole(string? text, int preferred, out int value)
    {
        value = preferred;
        return text is null || int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out value);
    }

    private static bool Positive(string? text, float preferred, out float value)
    {
        value = preferred;
        return text is null || (float.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out value)
            && value > 0 && float.IsFinite(value));
    }
}

/// <summary>Attention with a score modification that has no parameters to train.</summary>
internal sealed class ModifiedAttention<TMod>(string name, TMod mod) : SelfAttention(name)
    where TMod : unmanaged, IScoreModification<TMod>
{
    internal override Func<string, ISelfAttention> Declare(ParameterSet set, Dnabert2Config config) =>
        _ => new Attention<TMod>(set, config.NumAttentionHeads, mod, config.AttentionProbsDropoutProb);

    internal override AttentionSample Measure(
        AttentionBenchmark benchmark, int sequences, int tokens, int rounds, CancellationToken cancellation)
        => benchmark.Measure(mod, sequences, tokens, rounds, cancellation);
}

/// <summary>Attention with learned biases by distance.</summary>
internal sealed class RelativeBiases(int radius) : SelfAttention($"relative:{radius}")
{
    internal override long ParametersPerLayer(int heads) => heads * ((2L * radius) + 1);

    internal override Func<string, ISelfAttention> Declare(ParameterSet set, Dnabert2Config config) =>
        layer => RelativeAttention.Declare(
            set, layer + "attention.self", config.NumAttentionHeads, radius, config.AttentionProbsDropoutProb);

    internal override AttentionSample Measure(
        AttentionBenchmark benchmark, int sequences, int tokens, int rounds, CancellationToken cancellation)
        => benchmark.Measure(benchmark.RelativeBias(radius), sequences, tokens, rounds, cancellation);
}

/// <summary>Plain attention of queries and keys that are rotated by their positions.</summary>
internal sealed class RotaryPositions(int positions) : SelfAttention($"rotary:{positions}")
{
    private const long MostTableElements = 1 << 26;

    internal override int ExtraWidth(int hidden) => 3 * hidden;

    internal override void Check(Dnabert2Config config) =>
        Check($"attention {Name}", positions, config.HiddenSize, config.NumAttentionHeads);

    /// <summary>Refuses a table of angles that cannot be made.</summary>
    /// <exception cref="ArgumentException">It cannot; the message names the key of <c>config.json</c>.</exception>
    internal static void Check(string name, int positions, int hidden, int heads)
    {
        int headSize = hidden / heads;
        if (headSize % 2 != 0)
            throw new ArgumentException($"num_attention_heads {heads} makes heads of {headSize}: {name} needs an even size");
        if (positions * (long)headSize > MostTableElements)
            throw new ArgumentException(
                $"{name}: its table for heads of {headSize} may have {MostTableElements / headSize} positions at most");
    }

    internal override Func<string, ISelfAttention> Declare(ParameterSet set, Dnabert2Config config)
    {
        int heads = config.NumAttentionHeads;
        Rotary rotary = Rotary.Declare(set, positions, config.HiddenSize / heads, 2 * heads);
        return _ => new RotaryAttention(rotary, new Attention<NoModification>(set, heads, default, config.AttentionProbsDropoutProb));
    }

    internal override AttentionSample Measure(
        AttentionBenchmark benchmark, int sequences, int tokens, int rounds, CancellationToken cancellation)
        => benchmark.MeasureRotary(sequences, tokens, rounds, cancellation);

    private sealed class RotaryAttention(Rotary rotary, Attention<NoModification> attention) : ISelfAttention
    {
        public Variable Forward(Tape tape, Variable qkv, in CuSeqlens cuSeqlens)
        {
            Variable rotated = rotary.ForwardInPlace(tape, qkv, cuSeqlens);         // [tokens, 3 · hidden]
            return attention.Forward(tape, rotated, cuSeqlens);                     // [tokens, hidden]
        }
    }
}
