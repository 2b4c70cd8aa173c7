using Dnabert2.Sequences;

namespace Dnabert2.Data;

/// <summary>How sequences are cut into windows, and which of these are held out.</summary>
public sealed record CorpusOptions
{
    internal const double SmallHeldOut = 0.25, SmallWindows = 8;

    /// <summary>The shortest window, in bases, from 1 to 16,777,216.</summary>
    public int MinBases { get; init; } = 50;

    /// <summary>
    /// The longest window, in bases: lengths are drawn uniformly up to it, and windows tile each record. From
    /// <see cref="MinBases"/> to 16,777,216.
    /// </summary>
    public int MaxBases { get; init; } = 700;

    /// <summary>
    /// The most tokens of a window, special ones included. A window of more ends earlier, and the next one begins there. From 3
    /// to 65,535.
    /// </summary>
    public int MaxTokens { get; init; } = 128;

    /// <summary>
    /// The part of the windows of each species that is kept from training, for evaluation, evenly spaced. Of the first windows of a
    /// species more are kept, so that small genomes have some: <c>max(HeldOut, min(1/4, 8/n))</c> at window n. From 0, none, to below 1.
    /// </summary>
    public double HeldOut { get; init; } = 0.01;

    /// <summary>
    /// Held-out windows that have this many consecutive bases in common with a training window, on either strand, are left out and
    /// counted: genomes repeat themselves, and what was trained on is not held out. From 0, none is left out, to 32.
    /// </summary>
    public int RepeatBases { get; init; } = SharedRuns.Longest;

    /// <summary>Decides lengths and hold-out.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>
    /// The most tokens of a shard; building holds two shards in memory, at two bytes a token. From
    /// <see cref="MaxTokens"/> to 536,870,912.
    /// </summary>
    public int ShardTokens { get; init; } = 1 << 25;

    /// <summary>What happens to records without a sequence. A corpus that is there already is taken whatever this says.</summary>
    public EmptyRecords OnEmpty { get; init; }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionRange.Check(nameof(MinBases), MinBases, 1, OptionRange.MostTogether);
        OptionRange.Check(nameof(MaxBases), MaxBases, MinBases, OptionRange.MostTogether);
        OptionRange.Check(nameof(MaxTokens), MaxTokens, 3, ushort.MaxValue);
        OptionRange.Check(nameof(HeldOut), HeldOut, 0, OptionRange.BelowOne);
        OptionRange.Check(nameof(RepeatBases), RepeatBases, 0, SharedRuns.Longest);
        OptionRange.Check(nameof(ShardTokens), ShardTokens, MaxTokens, 1 << 29);
        OptionRange.Check(nameof(OnEmpty), OnEmpty);
    }
}
