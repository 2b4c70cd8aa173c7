using System.Globalization;
using System.Text;
using Dnabert2.Metrics;

namespace Dnabert2.FineTuning.Suites;

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

    /// <summary>The task and the method, for people.</summary>
    public string Title => $"{Task.Name} {Method.Title()}";

    /// <summary>The seeds, separated by commas; empty where the method has none.</summary>
    public string Seeds => Method == SuiteMethod.Kmer ? "" : string.Join(',', Results.Select(result => result.Run.Seed));

    /// <summary>The devices, each once.</summary>
    public string Devices => string.Join("; ", Results.Select(result => result.Outcome.Device).Distinct());

    /// <summary>The fewest and the most optimizer steps of the seeds.</summary>
    public string Steps => Results.Min(r => r.Outcome.Steps) is var least && Results.Max(r => r.Outcome.Steps) is var most && least == most
        ? Text(least) : $"{Text(least)}–{Text(most)}";

    /// <summary>Passes over the training set in the most steps.</summary>
    public double Epochs(FineTuneOptions options) =>
        (double)Results.Max(r => r.Outcome.Steps) / options.StepsOfEpoch(Results[0].Data.Parts[0].Rows);

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}

/// <summary>The results of a suite as a table beside those of the paper, and how they were come by, as TSV and as Markdown.</summary>
internal sealed class SuiteTable
{
    private static readonly IReadOnlyList<Metric> Metrics = TaskScores.Of(TaskKind.SingleLabel);
    private readonly SuiteSetup _setup;

    public SuiteTable(IReadOnlyList<SuiteResult> results, SuiteSetup setup)
    {
        _setup = setup;
        Cells = [.. results.GroupBy(r => (r.Run.Task, r.Run.Method)).Select(g => new SuiteCell(g.Key.Task, g.Key.Method, [.. g]))];
        Tasks = [.. Cells.Select(cell => cell.Task).Distinct()];
        Methods = [.. Cells.Select(cell => cell.Method).Distinct()];
        Models = [.. PaperResults.Models.Where(model => Tasks.Any(task => PaperResults.Find(model, task.Name) is not null))];
    }

    /// <summary>Tasks times methods, in the order of the runs.</summary>
    public IReadOnlyList<SuiteCell> Cells { get; }

    /// <summary>The tasks.</summary>
    public IReadOnlyList<GueTask> Tasks { get; }

    /// <summary>The methods.</summary>
    public IReadOnlyList<SuiteMethod> Methods { get; }

    /// <summary>The models of the paper that have a result on one of the tasks.</summary>
    public IReadOnlyList<string> Models { get; }

    /// <summary>The model that was measured, for people; null where no method has one.</summary>
    public string? Model => Methods.All(method => method == SuiteMethod.Kmer) ? null
        : _setup.Known.IsNew ? $"{_setup.Model}: the network of Genomic Benchmarks, new for each task"
        : string.Create(CultureInfo.InvariantCulture,
            $"{_setup.Model}, {_setup.Parameters:N0} parameters, SHA-256 of its weights {_setup.Content.Weights}");

    /// <summary>What a reader of the numbers has to know.</summary>
    public IEnumerable<string> Notes()
    {
        yield return "All numbers are percent of the test set. The column 'metric' says which one a row is of: MCC (Matthews correlation "
            + "coefficient), and macro F1 of virus/covid. Ours are means over the seeds ± their standard deviation (n − 1).";
        yield return "The paper's columns are means of three seeds: Zhou et al., arXiv 2306.15006v2, tables 6 and 5; 'DNABERT-2 "
            + "w/o PT' and 'CNN' from table 9.";
        if (Tasks.Any(task => Models.Any(model => PaperResults.Find(model, task.Name)?.Metric == "f1?")))
            yield return "* In table 9 the columns of the sets tf and mouse are, as the authors say, F1 and no MCC (DNABERT-2 has 84.38 "
                + "there on tf/0, 71.99 in table 6): "
                + "not to be compared with the other numbers of the row.";
    }

    /// <summary>In what the results were come by otherwise than those of the paper, each once, and of what it holds.</summary>
    public IEnumerable<string> Deviations()
    {
        SuiteCell[] tuned = [.. Cells.Where(cell => _setup.OptionsOf(cell.Results[0].Run) is not null)];
        var found = new Dictionary<string, List<SuiteCell>>(StringComparer.Ordinal);
        foreach (SuiteCell cell in Cells)
            foreach (string deviation in _setup.Deviations(cell.Results))
                if (found.TryGetValue(deviation, out List<SuiteCell>? cells)) cells.Add(cell);
                else found[deviation] = [cell];
        foreach ((string deviation, List<SuiteCell> cells) in found)
            yield return tuned.All(cells.Contains) ? deviation : $"{deviation} ({Of(cells)})";
    }

    /// <summary>What was found in the data: a line for each task with anything.</summary>
    public IEnumerable<string> DataNotes()
    {
        foreach (GueTask task in Tasks)
        {
            SuiteCell[] cells = [.. Cells.Where(cell => cell.Task == task)];
            List<string> notes = [.. cells[0].Results[0].Data.Notes.Distinct()];
            if (Array.Find(cells, cell => cell.Results[0].Outcome.Truncated > 0) is { } cut)
                notes.Add(
                    $"{cut.Results[0].Outcome.Truncated} of {cut.Results[0].Targets.Length} test rows are longer than "
                    + $"{_setup.OptionsOf(cut.Results[0].Run)?.MaxTokens} tokens and were truncated, as in the paper");
            if (notes.Count > 0) yield return $"{task.Name}: {string.Join("; ", notes)}";
        }
    }

    /// <summary>A row for each task and method.</summary>
    public byte[] Tsv()
    {
        var text = new StringBuilder("task\tmethod\tseeds\ttest_rows\ttruncated_test_rows\tmetric\tmean\tsd");
        foreach (Metric metric in Metrics) text.Append('\t').Append(metric.Name());
        foreach (string model in Models) text.Append("\tpaper: ").Append(model).Append("\tits metric");
        text.Append("\tmodel\tparameters\tmodel_sha256\ttrain_rows\tdev_rows\tepochs\tsteps\tbatch\tlearning_rate\twarmup_steps")
            .Append("\tprecision\tdevice\tdeviations\n");
        foreach (SuiteCell cell in Cells)
        {
            GueTask task = cell.Task;
            text.Append(
                $"{task.Name}\t{cell.Method.Name()}\t{cell.Seeds}\t{cell.Results[0].Targets.Length}\t{cell.Results[0].Outcome.Truncated}");
            text.Append($"\t{task.Metric.Name()}\t{Number(cell.Mean(task.Metric))}\t{Number(cell.Deviation(task.Metric))}");
            foreach (Metric metric in Metrics) text.Append('\t').Append(Number(cell.Mean(metric)));
            foreach (string model in Models)
            {
                PaperResult? paper = PaperResults.Find(model, task.Name);
                text.Append($"\t{Number(paper?.Percent)}\t{paper?.Metric}");
            }

            bool tuned = _setup.OptionsOf(cell.Results[0].Run) is not null;
            text.Append(
                CultureInfo.InvariantCulture,
                $"\t{(tuned ? _setup.Model : "")}\t{(tuned ? _setup.Parameters : null)}\t{(tuned ? _setup.Content.Weights : "")}");
            text.Append(CultureInfo.InvariantCulture, $"\t{cell.Results[0].Data.Parts[0].Rows}\t{cell.Results[0].Data.Parts[1].Rows}");
            foreach (string field in Training(cell)) text.Append('\t').Append(field);
            text.Append('\t').Append(cell.Devices).Append('\t').AppendJoin("; ", _setup.Deviations(cell.Results)).Append('\n');
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>A row for each task, and how each was come by.</summary>
    public byte[] Markdown()
    {
        var text = new StringBuilder("# GUE\n\n");
        if (Model is { } model) text.Append("The model: ").Append(model).Append(".\n\n");
        Table(Columns(), Tasks.Select(Row), 2);
        foreach (string note in Notes()) text.Append('\n').Append(note.Replace("*", "\\*", StringComparison.Ordinal)).Append('\n');
        text.Append("\n## Training\n\n");
        Table(TrainingColumns, Cells.Select(TrainingRow), 2);
        List("Otherwise than in the paper", Deviations());
        List("Data", DataNotes());
        return Encoding.UTF8.GetBytes(text.ToString());

        void Table(IEnumerable<string> columns, IEnumerable<IEnumerable<string>> rows, int words)
        {
            string[] names = [.. columns];
            text.Append("| ").AppendJoin(" | ", names).Append(" |\n|")
                .Append(string.Concat(names.Select((_, i) => i < words ? " --- |" : " ---: |"))).Append('\n');
            foreach (IEnumerable<string> row in rows) text.Append("| ").AppendJoin(" | ", row).Append(" |\n");
        }

        void List(string title, IEnumerable<string> lines)
        {
            if (!lines.Any()) return;
            text.Append("\n## ").Append(title).Append("\n\n");
            foreach (string line in lines) text.Append("- ").Append(line.Replace("*", "\\*", StringComparison.Ordinal)).Append('\n');
        }
    }

    /// <summary>The header of the table with a row for each task.</summary>
    public IEnumerable<string> Columns() =>
        ["task", "metric", .. Methods.Select(m => m.Title()), .. Models.Select(model => "paper: " + model)];

    /// <summary>The row of a task.</summary>
    public IEnumerable<string> Row(GueTask task)
    {
        yield return task.Name;
        yield return task.Metric == Metric.Mcc ? "MCC" : "macro F1";
        foreach (SuiteMethod method in Methods)
        {
            SuiteCell? cell = Cells.FirstOrDefault(c => c.Task == task && c.Method == method);
            yield return cell is null
                ? "" : Number(cell.Mean(task.Metric)) + (cell.Results.Count > 1 ? $" ± {Number(cell.Deviation(task.Metric))}" : "");
        }

        foreach (string model in Models)
            yield return PaperResults.Find(model, task.Name) is { } paper ? Number(paper.Percent) + (paper.Metric == "f1?" ? "*" : "") : "";
    }

    /// <summary>The header of the table of how results were come by.</summary>
    public static IReadOnlyList<string> TrainingColumns { get; } =
        ["task", "method", "rows of train, dev, test", "epochs", "steps", "batch", "learning rate", "warm-up steps", "precision",
            "seeds", "device"];

    /// <summary>How the results of a method on a task were come by.</summary>
    public IEnumerable<string> TrainingRow(SuiteCell cell) =>
        [cell.Task.Name, cell.Method.Title(), string.Join(", ", cell.Results[0].Data.Parts.Select(part => part.Rows)), .. Training(cell),
            cell.Seeds, cell.Devices];

    private string[] Training(SuiteCell cell) => _setup.OptionsOf(cell.Results[0].Run) is not { } options ? ["", "", "", "", "", ""] :
    [
        cell.Epochs(options).ToString("0.##", CultureInfo.InvariantCulture), cell.Steps, Text(options.Batch),
        Text(options.PeakLearningRate),
        Text(options.WarmupSteps), _setup.Precision,
    ];

    /// <summary>The tasks of which these are all cells, then the other cells.</summary>
    private string Of(List<SuiteCell> cells)
    {
        const int most = 6;
        GueTask[] whole = [.. Tasks.Where(task => Cells.Where(cell => cell.Task == task).All(cells.Contains))];
        string[] names =
            [.. whole.Select(task => task.Name), .. cells.Where(cell => !whole.Contains(cell.Task)).Select(cell => cell.Title)];
        return names.Length > most ? $"{string.Join(", ", names[..most])} and {names.Length - most} more" : string.Join(", ", names);
    }

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    /// <summary>A percentage with two digits, as in the paper; empty where there is none.</summary>
    private static string Number(double? percent) =>
        percent is { } value && double.IsFinite(value) ? value.ToString("F2", CultureInfo.InvariantCulture) : "";
}
