using System.Globalization;
using System.Text;
using Dnabert2.Metrics;

namespace Dnabert2.FineTuning;

/// <summary>The results of a method on a task over all seeds.</summary>
/// <param name="Task">The task.</param>
/// <param name="Method">The method.</param>
/// <param name="Results">A result for each seed.</param>
internal sealed record SuiteCell(GueTask Task, SuiteMethod Method, IReadOnlyList<SuiteResult> Results)
{
    /// <summary>The mean of a metric over the seeds, in percent; NaN where it is not defined.</summary>
    public double Mean(Metric metric) => 100 * Results.Average(result => result.Scores[metric]);

    /// <summary>The standard deviation over the seeds (of a sample, n − 1), in percent; NaN of a single seed.</summary>
    public double Deviation(Metric metric)
    {
        if (Results.Count < 2) return double.NaN;
        double mean = Mean(metric);
        return Math.Sqrt(Results.Sum(result => Math.Pow((100 * result.Scores[metric]) - mean, 2)) / (Results.Count - 1));
    }
}

/// <summary>The results of a suite as a table beside those of the paper, as TSV and as Markdown.</summary>
internal sealed class SuiteTable
{
    private static readonly IReadOnlyList<Metric> Metrics = TaskScores.Of(TaskKind.SingleLabel);

    public SuiteTable(IReadOnlyList<SuiteResult> results) =>
        Cells = [.. results.GroupBy(r => (r.Run.Task, r.Run.Method)).Select(g => new SuiteCell(g.Key.Task, g.Key.Method, [.. g]))];

    /// <summary>Tasks times methods, in the order of the runs.</summary>
    public IReadOnlyList<SuiteCell> Cells { get; }

    /// <summary>The tasks.</summary>
    public IReadOnlyList<GueTask> Tasks => [.. Cells.Select(cell => cell.Task).Distinct()];

    /// <summary>The methods.</summary>
    public IReadOnlyList<SuiteMethod> Methods => [.. Cells.Select(cell => cell.Method).Distinct()];

    /// <summary>The models of the paper that have a result on one of the tasks.</summary>
    public IReadOnlyList<string> Models => [.. PaperResults.Models.Where(model => Tasks.Any(task => PaperResults.Find(model, task.Name) is not null))];

    /// <summary>What a reader of the table has to know.</summary>
    public IEnumerable<string> Notes()
    {
        yield return "All numbers are percent of the test set. The column 'metric' says which one a row is of: MCC (Matthews correlation "
            + "coefficient), and macro F1 of virus/covid. Ours are means over the seeds ± their standard deviation (n − 1).";
        yield return "The paper's columns are means of three seeds: Zhou et al., arXiv 2306.15006v2, tables 6 and 5; «DNABERT-2 w/o PT» and «CNN» table 9.";
        if (Tasks.Any(task => Models.Any(model => PaperResults.Find(model, task.Name)?.Metric == "f1?")))
            yield return "* In table 9 the columns of the sets tf and mouse are, as the authors say, F1 and no MCC (DNABERT-2 has 84.38 there on tf/0, 71.99 in table 6): "
                + "not to be compared with the other numbers of the row.";
        foreach (SuiteCell cell in Cells)
        {
            int truncated = cell.Results[0].Outcome.Truncated;
            if (truncated > 0)
                yield return $"{cell.Task.Name}, {cell.Method.Title()}: {truncated} of {cell.Results[0].Targets.Length} test rows are longer than {cell.Task.MaxTokens} tokens and were truncated, as in the paper.";
        }

        foreach (GueTask task in Tasks)
            foreach (string note in Cells.First(cell => cell.Task == task).Results[0].Notes) yield return $"{task.Name}, {note}.";
    }

    /// <summary>A row for each task and method.</summary>
    public byte[] Tsv()
    {
        var text = new StringBuilder("task\tmethod\tseeds\ttest_rows\ttruncated_test_rows\tmetric\tmean\tsd");
        foreach (Metric metric in Metrics) text.Append('\t').Append(metric.Name());
        foreach (string model in Models) text.Append("\tpaper: ").Append(model).Append("\tits metric");
        text.Append('\n');
        foreach (SuiteCell cell in Cells)
        {
            GueTask task = cell.Task;
            text.Append($"{task.Name}\t{cell.Method.Name()}\t{cell.Results.Count}\t{cell.Results[0].Targets.Length}\t{cell.Results[0].Outcome.Truncated}");
            text.Append($"\t{task.Metric.Name()}\t{Number(cell.Mean(task.Metric))}\t{Number(cell.Deviation(task.Metric))}");
            foreach (Metric metric in Metrics) text.Append('\t').Append(Number(cell.Mean(metric)));
            foreach (string model in Models)
            {
                PaperResult? paper = PaperResults.Find(model, task.Name);
                text.Append($"\t{Number(paper?.Percent)}\t{paper?.Metric}");
            }

            text.Append('\n');
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>A row for each task.</summary>
    public byte[] Markdown()
    {
        var text = new StringBuilder("# GUE\n\n");
        string[] columns = [.. Columns()];
        text.Append("| ").AppendJoin(" | ", columns).Append(" |\n|").Append(string.Concat(columns.Select((_, i) => i < 2 ? " --- |" : " ---: |"))).Append('\n');
        foreach (GueTask task in Tasks) text.Append("| ").AppendJoin(" | ", Row(task)).Append(" |\n");
        foreach (string note in Notes()) text.Append('\n').Append(note.Replace("*", "\\*", StringComparison.Ordinal)).Append('\n');
        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>The header of the table with a row for each task.</summary>
    public IEnumerable<string> Columns() => ["task", "metric", .. Methods.Select(m => m.Title()), .. Models.Select(model => "paper: " + model)];

    /// <summary>The row of a task.</summary>
    public IEnumerable<string> Row(GueTask task)
    {
        yield return task.Name;
        yield return task.Metric == Metric.Mcc ? "MCC" : "macro F1";
        foreach (SuiteMethod method in Methods)
        {
            SuiteCell? cell = Cells.FirstOrDefault(c => c.Task == task && c.Method == method);
            yield return cell is null ? "" : Number(cell.Mean(task.Metric)) + (cell.Results.Count > 1 ? $" ± {Number(cell.Deviation(task.Metric))}" : "");
        }

        foreach (string model in Models)
            yield return PaperResults.Find(model, task.Name) is { } paper ? Number(paper.Percent) + (paper.Metric == "f1?" ? "*" : "") : "";
    }

    /// <summary>A percentage with two digits, as in the paper; empty where there is none.</summary>
    private static string Number(double? percent) =>
        percent is { } value && double.IsFinite(value) ? value.ToString("F2", CultureInfo.InvariantCulture) : "";
}
