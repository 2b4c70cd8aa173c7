using System.Globalization;
using System.Text;
using Dnabert2.Metrics;

namespace Dnabert2.FineTuning.Suites;

/// <summary>A table of the paper (Zhou et al., arXiv 2306.15006v2) that results are put beside.</summary>
public enum PaperTable
{
    /// <summary>The averages over the data sets of each kind.</summary>
    Averages = 4,

    /// <summary>Models on each data set of GUE+.</summary>
    GuePlus = 5,

    /// <summary>All models on each data set of GUE.</summary>
    Gue = 6,

    /// <summary>HyenaDNA, the CNN, and DNABERT-2 without pre-training.</summary>
    OtherBaselines = 9,

    /// <summary>The same architecture on overlapping 6-mers and on BPE.</summary>
    Tokenizers = 10,
}

/// <summary>Results beside the columns of a table of the paper, as TSV: the mean over the seeds, its deviation, and the seeds.</summary>
internal static class PaperTables
{
    private static readonly (string Name, string Prefix)[] Kinds =
    [
        ("EMP", "EMP/"), ("TF-M", "mouse/"), ("CVC", "virus/covid"), ("TF-H", "tf/"), ("PD", "prom/prom_300_"),
        ("CPD", "prom/prom_core_"), ("SSP", "splice/"),
    ];

    /// <summary>The table.</summary>
    public static byte[] Tsv(PaperTable table, SuiteTable results)
    {
        var text = new StringBuilder();
        // The rows of table 6 go on with table 5, and table 4 has their averages.
        int number = table is PaperTable.Averages or PaperTable.GuePlus ? (int)PaperTable.Gue : (int)table;
        GueTask[] shown = [.. results.Tasks.Where(task => table != PaperTable.GuePlus || task.IsOfGuePlus)];
        string[] models = [.. PaperResults.ModelsOf(number)];
        if (table == PaperTable.GuePlus) models = [.. models.Where(model => PaperResults.Find(number, model, "GUE+/fungi") is not null)];
        text.Append(table == PaperTable.Averages ? "kind\ttasks\tmetric" : "task\tmetric");
        foreach (SuiteMethod method in results.Methods) text.Append($"\t{method.Name()}\tsd\tseeds");
        foreach (string model in models) text.Append("\tpaper: ").Append(model);
        text.Append('\n');
        if (table == PaperTable.Averages)
        {
            foreach ((string name, string prefix) in Kinds)
            {
                GueTask[] tasks = [.. results.Tasks.Where(task => task.Name.StartsWith(prefix, StringComparison.Ordinal))];
                if (tasks.Length == 0) continue;
                int all = GueTasks.All.Count(task => task.Name.StartsWith(prefix, StringComparison.Ordinal));
                string which = $"{tasks.Length} of {all}: {string.Join(' ', tasks.Select(task => task.Name))}";
                Append(text.Append($"{name}\t{which}\t"), results, tasks, tasks[0].Metric, models, number);
            }
        }
        else
        {
            foreach (GueTask task in shown)
                Append(text.Append($"{task.Name}\t"), results, [task], MetricOf(table, task), models, number);
        }

        return Encoding.UTF8.GetBytes(text.ToString());
    }

    /// <summary>That of the paper's numbers: in table 9, the transcription factors' are F1.</summary>
    private static Metric MetricOf(PaperTable table, GueTask task)
    {
        bool factors = task.Name.StartsWith("tf/", StringComparison.Ordinal) || task.Name.StartsWith("mouse/", StringComparison.Ordinal);
        return table == PaperTable.OtherBaselines && factors ? Metric.MacroF1 : task.Metric;
    }

    /// <summary>The averages over tasks: ours of each method, and the paper's over the same tasks.</summary>
    private static void Append(
        StringBuilder text, SuiteTable results, GueTask[] tasks, Metric metric, string[] models, int number)
    {
        text.Append(metric.Name());
        foreach (SuiteMethod method in results.Methods)
        {
            SuiteCell[] cells = [.. results.Cells.Where(cell => cell.Method == method && tasks.Contains(cell.Task))];
            // A seed counts where it has been run on all tasks.
            ulong[] seeds = cells.Length < tasks.Length ? []
                : [.. cells[0].Results.Select(r => r.Run.Seed).Where(seed => cells.All(c => c.Results.Any(r => r.Run.Seed == seed)))];
            double[] means = Array.ConvertAll(seeds, seed =>
                100 * cells.Average(cell => cell.Results.First(r => r.Run.Seed == seed).Scores[metric]));
            double mean = means.Length == 0 ? double.NaN : means.Average();
            double sd = means.Length < 2 ? double.NaN : Math.Sqrt(means.Sum(m => Math.Pow(m - mean, 2)) / (means.Length - 1));
            text.Append($"\t{Number(mean)}\t{Number(sd)}\t{(method == SuiteMethod.Kmer ? "" : string.Join(',', seeds))}");
        }

        foreach (string model in models)
        {
            PaperResult?[] theirs = Array.ConvertAll(tasks, task => PaperResults.Find(number, model, task.Name));
            text.Append('\t').Append(Number(theirs.Any(r => r is null) ? double.NaN : theirs.Average(r => r!.Value.Percent)));
        }

        text.Append('\n');
    }

    private static string Number(double percent) =>
        double.IsNaN(percent) ? "" : percent.ToString("F2", CultureInfo.InvariantCulture);
}
