using Dnabert2.Interpretation;
using Dnabert2.Sequences;
using Dnabert2.Tool.Output;
using Dnabert2.Tool.Pieces;
using Strands = Dnabert2.Tool.Output.Strands;

namespace Dnabert2.Tool.Verbs;

/// <summary>One run of <c>variants</c>: variants stream through, and what became of them is counted.</summary>
/// <param name="scorer">Scores with a model.</param>
/// <param name="reader">The variants.</param>
/// <param name="terminal">Where is said what was left out.</param>
/// <param name="contradictions">Is told of each variant, and ends the run where too many contradict the genome.</param>
/// <param name="bothStrands">Whether the scores are of both strands, which a column says.</param>
/// <param name="regions">Variants that touch none of these are passed over; null: all count.</param>
/// <param name="evaluation">
/// Is told of each variant; its label is the first of the fields that the reader gives, and its group the second one. Null: there is none.
/// </param>
internal sealed class VariantsRun(
    VariantScorer scorer, VariantReader reader, Terminal terminal, VariantContradictions contradictions, bool bothStrands,
    RegionSet? regions, VariantEvaluation? evaluation)
    : IProgress<long>
{
    private readonly SortedDictionary<VariantStatus, long> _counts = [];
    private ProgressLine? _line;
    private TimeSpan _time;
    private long _variants, _outside, _before, _block;

    /// <summary>Scores and writes everything.</summary>
    /// <param name="result">The result, which gives the variants block by block.</param>
    /// <param name="row">Where the table goes.</param>
    /// <param name="line">Shows the progress.</param>
    /// <exception cref="InvalidDataException">A variant contradicts the genome and that is an error, or all do.</exception>
    public void Run(RowResult result, IRows row, ProgressLine line)
    {
        _line = line;
        WriteHeader(row);
        foreach (VariantScore score in result.Blocks(Variants(), _ => 1)
            .SelectMany(block => scorer.Score(block, this, terminal.Cancellation)))
        {
            contradictions.Add(score);
            Write(row, score);
            evaluation?.Add(score, score.Variant.Fields[0], score.Variant.Fields.ElementAtOrDefault(1));
            _variants++;
            _counts[score.Status] = _counts.GetValueOrDefault(score.Status) + 1;
        }

        // Of a piece, others may have been scored.
        contradictions.Finish(result.IsPart || _counts.ContainsKey(VariantStatus.Scored));
        row.Flush();
        _time = line.Elapsed;
    }

    /// <summary>Shows the progress of a batch.</summary>
    public void Report(long value)
    {
        // Of this block; once less was done than before, another one has begun.
        if (value < _block) _before += _block;
        _block = value;
        if (!_line!.IsDue) return;
        double? share = reader.TotalBytes is > 0 and long total ? (double)reader.BytesRead / total : null;
        _line.Show(Shared.Count(reader.VariantsRead, "variant"), _before + _block, share);
    }

    /// <summary>Says what was done, and what was left out.</summary>
    public void Report(string path)
    {
        long scored = _counts.GetValueOrDefault(VariantStatus.Scored);
        string leftOut = string.Join(", ", _counts.Where(c => c.Key != VariantStatus.Scored).Select(c => $"{c.Value:N0} {Name(c.Key)}"));
        if (_outside > 0) terminal.Say($"{reader.Name}: {Shared.Count(_outside, "variant")} outside of the regions passed over");
        terminal.Say(
            $"{Shared.Count(_variants, "variant")} in {_time.TotalSeconds:F1} s, {scored:N0} scored in windows of {scorer.Window} bases"
            + $"{(leftOut.Length > 0 ? $", left out: {leftOut}" : "")}: to {(path == "-" ? "standard output" : path)}");
    }

    private static string Name(VariantStatus status) => status switch
    {
        VariantStatus.Scored => "scored",
        VariantStatus.Symbolic => "symbolic",
        VariantStatus.SpanningDeletion => "spanning_deletion",
        VariantStatus.Breakend => "breakend",
        VariantStatus.NoAlternative => "no_alternative",
        VariantStatus.NotBases => "not_bases",
        VariantStatus.TooLong => "too_long",
        VariantStatus.Unseen => "unseen",
        VariantStatus.UnknownChromosome => "unknown_chromosome",
        VariantStatus.OutOfRange => "out_of_range",
        VariantStatus.ReferenceMismatch => "reference_mismatch",
        _ => throw new ArgumentOutOfRangeException(nameof(status), status, "not a status"),
    };

    private IEnumerable<Variant> Variants()
    {
        while (reader.TryRead(out Variant? variant))
        {
            long start = variant.Position - 1;
            if (regions?.Overlaps(variant.Chromosome, start, start + variant.Reference.Length) is false) _outside++;
            else yield return variant;
        }
    }

    private void WriteHeader(IRows row)
    {
        foreach (string column in (ReadOnlySpan<string>)
            ["line", "chrom", "pos", "id", "ref", "alt", "status", "reason", "unknown_bases"])
            row.Add(column);
        foreach (VariantColumn column in scorer.Columns) row.Add(column.Name);
        row.Add("normalized");
        if (bothStrands) row.Add(Strands.Column);
        row.EndRow();
    }

    private void Write(IRows row, VariantScore score)
    {
        Variant variant = score.Variant;
        bool scored = score.Status == VariantStatus.Scored;
        row.Add(variant.Line);
        row.Add(variant.Chromosome);
        row.Add(variant.Position);
        row.Add(variant.Id);
        row.Add(variant.Reference);
        row.Add(variant.Alternative);
        row.Add(Name(score.Status));
        row.Add(score.Reason);
        if (scored) row.Add(score.UnknownBases);
        else row.Add("");
        foreach (VariantColumn column in scorer.Columns)
        {
            double number = column.Of(score);
            if (double.IsNaN(number)) row.Add("");
            else row.Add([(float)number]);
        }

        row.Add(score.Normalized is { } form ? $"{form.Chromosome}:{form.Position}:{form.Reference}:{form.Alternative}" : "");
        if (bothStrands) row.Add(Strands.Both);
        row.EndRow();
    }
}
