namespace Dnabert2.Training;

/// <summary>How sequences are cut into windows, and which of these are held out.</summary>
public sealed record CorpusOptions
{
    internal const double SmallHeldOut = 0.25, SmallWindows = 8;

    /// <summary>The shortest window, in bases.</summary>
    public int MinBases { get; init; } = 50;

    /// <summary>The longest window, in bases: lengths are drawn uniformly up to it, and windows tile each record.</summary>
    public int MaxBases { get; init; } = 700;

    /// <summary>
    /// The most tokens of a window, [CLS] and [SEP] included. A window of more ends earlier, and the next one begins there.
    /// </summary>
    public int MaxTokens { get; init; } = 128;

    /// <summary>
    /// The part of the windows of each species that is kept from training, for evaluation, evenly spaced. Of the first windows of a
    /// species more are kept, so that small genomes have some: <c>max(HeldOut, min(1/4, 8/n))</c> at window n. 0: none.
    /// </summary>
    public double HeldOut { get; init; } = 0.01;

    /// <summary>
    /// Held-out windows that have this many consecutive bases in common with a training window, on either strand, are left out and
    /// counted: genomes repeat themselves, and what was trained on is not held out. At most 32; 0: none is left out.
    /// </summary>
    public int RepeatBases { get; init; } = SharedRuns.Longest;

    /// <summary>Decides lengths and hold-out.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The most tokens of a shard; building holds two shards in memory, at two bytes a token.</summary>
    public int ShardTokens { get; init; } = 1 << 25;

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        if (MinBases < 1 || MaxBases < MinBases)
            throw new ArgumentException($"windows of {MinBases} to {MaxBases} bases: the shortest has at least 1, the longest no fewer");
        if (MaxTokens is < 3 or > ushort.MaxValue)
            throw new ArgumentException(
                $"windows of at most {MaxTokens} tokens: from 3 ([CLS], [SEP] and one of the sequence) to {ushort.MaxValue} is meant");
        if (!(HeldOut >= 0 && HeldOut < 1)) throw new ArgumentException($"a held-out part of {HeldOut}: from 0 to below 1 is meant");
        if (RepeatBases is < 0 or > SharedRuns.Longest)
            throw new ArgumentException($"repeats of {RepeatBases} bases: from 1 to {SharedRuns.Longest} is meant, or 0 to leave none out");
        if (ShardTokens < MaxTokens || ShardTokens > 1 << 29)
            throw new ArgumentException($"shards of {ShardTokens} tokens: from {MaxTokens} (a window) to {1 << 29} is meant");
    }
}
