namespace Dnabert2.Interpretation;

/// <summary>What the effect of a substitution is measured on.</summary>
public enum AttributionTarget
{
    /// <summary>The classifier if the model has one, otherwise the likelihood.</summary>
    Auto,

    /// <summary>The probability of a class, or the value of a regression.</summary>
    Class,

    /// <summary>The likelihood of masked tokens, or of the sequence where the model is causal.</summary>
    Likelihood,
}

/// <summary>A part of a record.</summary>
/// <param name="Record">The name of the record, which one record has; null: every record. The number of a record is no name.</param>
/// <param name="Start">The first base, counted from 0, which is the least.</param>
/// <param name="End">One past the last base.</param>
public sealed record SequenceRegion(string? Record, int Start, int End);

/// <summary>How the effects of substitutions are computed.</summary>
public sealed record AttributionOptions
{
    internal const int LeastWindow = 8;

    /// <summary>What the effect is measured on.</summary>
    public AttributionTarget Target { get; init; } = AttributionTarget.Auto;

    /// <summary>The name of the class; null: for each sequence the one that is the most probable for it as it stands.</summary>
    public string? Class { get; init; }

    /// <summary>
    /// The most bases that the model sees at once. A longer record is cut into windows that overlap by half, and each base is substituted
    /// in the window in whose middle half it lies; at the ends of the record, in the first and the last one. From 8 to 16,777,216; for the
    /// likelihood no more than a model has positions for.
    /// </summary>
    public int Window { get; init; } = 1000;

    /// <summary>The bases that are substituted; null: all.</summary>
    public SequenceRegion? Region { get; init; }

    /// <summary>
    /// Whether an effect is the average over both strands of the window. Where the model takes no more tokens, both strands are of the same
    /// bases; the class, if it is not named, is the most probable one over both.
    /// </summary>
    public bool AverageReverseComplement { get; init; }

    /// <summary>The most tokens in a batch; memory grows with it. From 1 to 16,777,216.</summary>
    public int BatchTokens { get; init; } = 4096;

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionRange.Check(nameof(Target), Target);
        OptionRange.Check(nameof(Window), Window, LeastWindow, OptionRange.MostTogether);
        OptionRange.Check(nameof(BatchTokens), BatchTokens, 1, OptionRange.MostTogether);
        if (Region is { } region && (region.Start < 0 || region.End <= region.Start))
            throw new ArgumentException($"{nameof(Region)}: from base {region.Start} up to {region.End}: it holds at least one base");
    }
}
