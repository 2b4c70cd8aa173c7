using System.CommandLine;
using Dnabert2.Sequences;

namespace Dnabert2.Tool.Verbs;

/// <summary>The options of how sequence files are read.</summary>
/// <param name="pairs">Whether the verb takes pairs of sequences.</param>
/// <param name="windows">Whether it cuts records into windows on request.</param>
internal sealed class Reading(bool pairs, bool windows = false)
{
    private readonly Choice<SequenceFormat> _format = new(
        "--format", "the layout of the input, found from its content unless given",
        ("detect", SequenceFormat.Detect), ("fasta", SequenceFormat.Fasta), ("fastq", SequenceFormat.Fastq),
        ("csv", SequenceFormat.Csv), ("tsv", SequenceFormat.Tsv), ("lines", SequenceFormat.Lines));

    private readonly Choice<EmptyRecords> _onEmpty = OnEmpty();

    private readonly Option<string?> _sequenceColumn = SequenceColumn(pairs);

    private readonly Option<string?>? _secondColumn = pairs ? SecondColumn() : null;

    private readonly Option<int> _maxRecordBases = Shared.Number(
        "--max-record-bases", "the most bases of a record, which take a byte each; a longer one is an error", Array.MaxLength, 1);

    private readonly Option<int?> _window = Shared.OptionalNumber(
        "--window", "cut records or regions into windows of so many bases, each a row with its place; the last one of a record is moved "
        + "back to be full", 1);

    private readonly Option<int?> _step =
        Shared.OptionalNumber("--step", "bases from the beginning of a window to that of the next [default: --window]", 1);

    /// <summary>All of them.</summary>
    public IEnumerable<Option> Options =>
        [_format.Option, _onEmpty.Option, _sequenceColumn, .. _secondColumn is null ? Array.Empty<Option>() : [_secondColumn],
            _maxRecordBases, .. windows ? [_window, _step] : Array.Empty<Option>()];

    /// <summary>What they say.</summary>
    /// <param name="parsed">What was typed.</param>
    /// <param name="onAmbiguous">What happens to N and IUPAC codes.</param>
    /// <param name="needsKnownBases">Whether a sequence of N alone is none.</param>
    public SequenceOptions Of(ParseResult parsed, AmbiguousBases onAmbiguous, bool needsKnownBases = false) => new()
    {
        Format = _format.Of(parsed),
        OnAmbiguous = onAmbiguous,
        OnEmpty = _onEmpty.Of(parsed),
        NeedsKnownBases = needsKnownBases,
        SequenceColumn = parsed.GetValue(_sequenceColumn),
        SecondSequenceColumn = _secondColumn is null ? null : parsed.GetValue(_secondColumn),
        MaxRecordBases = parsed.GetValue(_maxRecordBases),
        Window = windows ? parsed.GetValue(_window) : null,
        Step = windows ? Step(parsed) : null,
    };

    private int? Step(ParseResult parsed)
    {
        if (parsed.GetValue(_step) is not { } step) return null;
        int window = parsed.GetValue(_window) ?? throw new UsageException($"--step {step}: it is of windows; give --window");
        return step <= window ? step
            : throw new UsageException($"--step {step}: bases between windows of {window} would be left out; give at most {window}");
    }

    /// <summary>What happens to records without a sequence.</summary>
    public static Choice<EmptyRecords> OnEmpty() => new(
        "--on-empty", "records without a sequence, or without A, C, G or T where those are needed: leave them out and say so, or stop",
        ("skip", EmptyRecords.Skip), ("error", EmptyRecords.Error));

    /// <summary>The column of the sequences.</summary>
    /// <param name="pairs">Whether the verb takes pairs of sequences.</param>
    public static Option<string?> SequenceColumn(bool pairs) => new("--sequence-column")
    {
        Description = "the column of a table that holds the sequences [default: sequence" + (pairs ? ", or sequence1 and sequence2]" : "]"),
        HelpName = "NAME",
    };

    /// <summary>The column of the second sequences of pairs.</summary>
    public static Option<string?> SecondColumn() => new("--sequence2-column")
    {
        Description = "the column of a table that holds the second sequences of pairs [default: sequence2, "
        + "unless --sequence-column is given]",
        HelpName = "NAME",
    };
}
