using System.CommandLine;
using Dnabert2.Interpretation;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;

namespace Dnabert2.Tool.Verbs;

/// <summary>The options that say which variants are known to have an effect, and where it goes how well each score tells them.</summary>
internal sealed class LabelChoice
{
    private readonly Option<string?> _metrics = new("--metrics")
    {
        Description = "also writes how well each score ranks the labelled variants: AUROC and AUPRC of all, and of each group of --by: "
        + RowWriter.Formats,
        HelpName = "FILE",
    };

    private readonly Option<string?> _label = new("--label")
    {
        Description = "what tells the labels for --metrics: a key of the column INFO of a VCF, or a column of a table",
        HelpName = "KEY",
    };

    private readonly Option<string> _positive = new("--positive")
    {
        Description = "the labels of variants that have an effect",
        HelpName = "VALUE,…",
        DefaultValueFactory = _ => "1",
    };

    private readonly Option<string?> _negative = new("--negative")
    {
        Description = "the labels of those that have none [default: all others]",
        HelpName = "VALUE,…",
    };

    private readonly Option<string?> _by = new("--by")
    {
        Description = "a key or column with the group of a variant, such as its consequence, for --metrics of each",
        HelpName = "KEY",
    };

    /// <summary>The options, for the verb.</summary>
    public IEnumerable<Option> Options => [_metrics, _label, _positive, _negative, _by];

    /// <summary>Where the table goes; null where none is asked for.</summary>
    public string? PathOf(ParseResult parsed) => parsed.GetValue(_metrics);

    /// <summary>What is to be read of each line; nothing where no table is asked for.</summary>
    /// <exception cref="UsageException">One of the options is of no use without another.</exception>
    public string[] FieldsOf(ParseResult parsed)
    {
        string? label = parsed.GetValue(_label), by = parsed.GetValue(_by);
        if (PathOf(parsed) is not { } path)
            return label is null && by is null && parsed.GetValue(_negative) is null ? []
                : throw new UsageException("--label, --negative and --by are for a table of metrics: name its file with --metrics FILE");
        if (label is null) throw new UsageException($"--metrics {path}: name what tells the labels, --label KEY");
        return by is null ? [label] : [label, by];
    }

    /// <summary>An evaluation of the scores; null where no table is asked for.</summary>
    /// <exception cref="ArgumentException">The labels cannot be told apart.</exception>
    public VariantEvaluation? Of(ParseResult parsed, VariantScorer scorer) => PathOf(parsed) is null ? null
        : new VariantEvaluation(
            scorer.Columns, parsed.GetRequiredValue(_positive).Split(','), parsed.GetValue(_negative)?.Split(','));

    /// <summary>Writes the table; where it can say nothing, it is empty there, since the scores are worth keeping.</summary>
    /// <param name="evaluation">All variants.</param>
    /// <param name="parsed">The command line.</param>
    /// <param name="result">The result of the run.</param>
    /// <param name="terminal">Standard output, and where is said what is missing.</param>
    public void Write(VariantEvaluation evaluation, ParseResult parsed, RowResult result, Terminal terminal)
    {
        string path = PathOf(parsed)!;
        if (evaluation.Positives == 0 || evaluation.Positives == evaluation.Count)
            terminal.Say(
                $"--metrics {path}: it has no AUROC and no AUPRC: of {Shared.Count(evaluation.Count, "variant")} with a score and one of "
                + $"the labels, {evaluation.Positives:N0} have an effect; --label, --positive and --negative say which");
        if (evaluation.Unlabelled + evaluation.NotScored > 0)
            terminal.Say(
                $"--metrics: {Shared.Count(evaluation.Unlabelled, "variant")} without one of the labels and "
                + $"{evaluation.NotScored:N0} without a score left out");
        char separator = RowWriter.SeparatorOf(path)!.Value;
        var row = new RowWriter(path == "-" ? terminal.Output : result.AddWhole(path, "a table of metrics"), separator);
        foreach (string column in (ReadOnlySpan<string>)["group", "ranked_by", "variants", "positives", "auroc", "auprc"]) row.Add(column);
        row.EndRow();
        foreach (VariantMetrics metrics in evaluation.Results())
        {
            row.Add(metrics.Group ?? "all");
            row.Add(metrics.RankedBy);
            row.Add(metrics.Variants);
            row.Add(metrics.Positives);
            Number(metrics.Auroc);
            Number(metrics.AveragePrecision);
            row.EndRow();
        }

        row.Flush();

        void Number(double value)
        {
            if (double.IsNaN(value)) row.Add("");
            else row.Add([(float)value]);
        }
    }
}
