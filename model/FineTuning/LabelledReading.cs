using Dnabert2.Sequences;

namespace Dnabert2.FineTuning;

/// <summary>How labelled tables are read.</summary>
public sealed record LabelledReading
{
    /// <summary>As <see cref="SequenceOptions.SequenceColumn"/>.</summary>
    public string? SequenceColumn { get; init; }

    /// <summary>As <see cref="SequenceOptions.SecondSequenceColumn"/>.</summary>
    public string? SecondSequenceColumn { get; init; }

    /// <summary>The column that holds the labels, in any case.</summary>
    public string LabelColumn { get; init; } = "label";

    /// <summary>What happens to rows without a sequence, or with one of N alone.</summary>
    public EmptyRecords OnEmpty { get; init; }
}
