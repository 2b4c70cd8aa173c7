using System.Globalization;
using System.Text;
using Dnabert2.Metrics;

namespace Dnabert2.FineTuning.Suites;

/// <summary>
/// The results of a suite as one HTML page that needs nothing beside it: the tables, the confusion matrices, and plots for each task.
/// </summary>
internal static class SuitePage
{
    private const string Style =
        "body{font:14px sans-serif;margin:2em;max-width:110em}table{border-collapse:collapse}"
        + "td,th{border:1px solid #ccc;padding:.3em .6em;text-align:right}"
        + "td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}.ours{background:#eef6fb;white-space:nowrap}"
        + ".plots{display:flex;flex-wrap:wrap;gap:1em}"
        + ".matrices td,.matrices th{border:0;vertical-align:top;text-align:left}p,li{max-width:75em}";

    /// <summary>The page.</summary>
    public static byte[] Draw(SuiteTable table)
    {
        var html = new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>GUE</title><style>");
        html.Append(Style).Append("</style></head><body>\n<h1>GUE: ours beside the paper</h1>\n");
        if (table.Model is { } model) html.Append("<p>The model: ").Append(XmlText.Of(model)).Append(".</p>\n");
        Table(html, table.Columns(), table.Tasks.Select(table.Row), column => column >= 2 && column < 2 + table.Methods.Count);
        foreach (string note in table.Notes()) html.Append("<p>").Append(XmlText.Of(note)).Append("</p>\n");
        html.Append("<h2>Training</h2>\n");
        Table(html, SuiteTable.TrainingColumns, table.Cells.Select(table.TrainingRow), _ => false);
        List(html, "Otherwise than in the paper", table.Deviations());
        List(html, "Data", table.DataNotes());
        if (table.Cells.Count > 0) Matrices(html, table);
        foreach (GueTask task in table.Tasks) Plots(html, task, [.. table.Cells.Where(cell => cell.Task == task)]);
        return Encoding.UTF8.GetBytes(html.Append("</body></html>\n").ToString());
    }

    private static void Table(StringBuilder html, IEnumerable<string> columns, IEnumerable<IEnumerable<string>> rows, Func<int, bool> ours)
    {
        html.Append("<table>\n<tr>");
        foreach (string column in columns) html.Append("<th>").Append(XmlText.Of(column)).Append("</th>");
        html.Append("</tr>\n");
        foreach (IEnumerable<string> row in rows)
        {
            html.Append("<tr>");
            foreach ((int i, string field) in row.Index())
                html.Append(ours(i) ? "<td class=\"ours\">" : "<td>").Append(XmlText.Of(field)).Append("</td>");
            html.Append("</tr>\n");
        }

        html.Append("</table>\n");
    }

    private static void List(StringBuilder html, string title, IEnumerable<string> lines)
    {
        if (!lines.Any()) return;
        html.Append("<h2>").Append(XmlText.Of(title)).Append("</h2>\n<ul>\n");
        foreach (string line in lines) html.Append("<li>").Append(XmlText.Of(line)).Append("</li>\n");
        html.Append("</ul>\n");
    }

    /// <summary>All confusion matrices, a row for each task and a column for each method.</summary>
    private static void Matrices(StringBuilder html, SuiteTable table)
    {
        html.Append(
            "<h2>Confusion matrices</h2>\n<p>Test rows of each method's first seed.</p>\n<table class=\"matrices\">\n<tr><th></th>");
        foreach (SuiteMethod method in table.Methods) html.Append("<th>").Append(XmlText.Of(method.Title())).Append("</th>");
        html.Append("</tr>\n");
        foreach (GueTask task in table.Tasks)
        {
            html.Append("<tr><th>").Append(XmlText.Of(task.Name)).Append("</th>");
            foreach (SuiteMethod method in table.Methods)
            {
                SuiteResult? result = table.Cells.FirstOrDefault(cell => cell.Task == task && cell.Method == method)?.Results[0];
                html.Append("<td>").Append(result is null ? "" : SvgPlot.Matrix(result.Confusion(), result.Names)).Append("</td>");
            }

            html.Append("</tr>\n");
        }

        html.Append("</table>\n");
    }

    private static void Plots(StringBuilder html, GueTask task, SuiteCell[] cells)
    {
        html.Append(
            $"<h2>{XmlText.Of(task.Name)}</h2>\n<p>{XmlText.Of(task.Description)}. Curves are of each method's first seed, ")
            .Append("dev losses of all seeds");
        html.Append(task.Classes > 2
            ? "; the curves show the mean over each class against the others.</p>\n"
            : $"; the curves are of class {XmlText.Of(cells[0].Results[0].Names[1])}.</p>\n");
        html.Append("<div class=\"plots\">\n");
        html.Append(
            SvgPlot.Lines(
                "ROC", "false positive rate", "true positive rate", [.. cells.Select(cell => Curve(cell, Metric.Auroc))], unit: true));
        html.Append(
            SvgPlot.Lines("precision-recall", "recall", "precision", [.. cells.Select(cell => Curve(cell, Metric.Auprc))], unit: true));
        PlotLine[] losses =
        [
            .. cells.SelectMany(cell => cell.Results).Where(result => result.Outcome.DevLosses.Count > 0).Select(result => new PlotLine(
                result.Run.Method.Title(), [.. result.Outcome.DevLosses.Select(p => ((double)p.Step, p.Loss))], (int)result.Run.Method)),
        ];
        if (losses.Length > 0) html.Append(SvgPlot.Lines("dev loss", "step", "nats", losses, unit: false));
        html.Append("</div>\n");
    }

    private static PlotLine Curve(SuiteCell cell, Metric metric)
    {
        SuiteResult result = cell.Results[0];
        int classes = result.Names.Count;
        IReadOnlyList<(double X, double Y)>[] curves =
            [.. Enumerable.Range(0, classes).Where(c => c == 1 || classes > 2).Select(c => Points(result, c, metric))
                .Where(c => c.Count > 0)];
        double area = result.Scores[metric];
        // Of classes that are not in the test set there is no curve, and without negative rows no false positive.
        string value = double.IsFinite(area) && curves.Length > 0 ? area.ToString("F3", CultureInfo.InvariantCulture) : "not defined";
        string name = $"{cell.Method.Title()}, {(metric == Metric.Auroc ? "AUROC" : "average precision")} {value}";
        const int steps = 200;
        return new PlotLine(name, curves.Length == 0 ? [] : classes == 2 ? curves[0] :
            [.. Enumerable.Range(0, steps + 1).Select(i => ((double)i / steps, curves.Average(c => At(c, (double)i / steps))))],
                (int)cell.Method);
    }

    private static IReadOnlyList<(double X, double Y)> Points(SuiteResult result, int c, Metric metric)
    {
        Ranking ranking = result.Rank(c);
        return [.. (metric == Metric.Auroc ? ranking.RocCurve() : ranking.PrecisionRecallCurve()).Select(p => (p.X, p.Y))];
    }

    /// <summary>The height of a curve at a place: of the last point that is not beyond it, or the first.</summary>
    private static double At(IReadOnlyList<(double X, double Y)> curve, double x)
    {
        double y = curve[0].Y;
        foreach ((double px, double py) in curve)
        {
            if (px > x) break;
            y = py;
        }

        return y;
    }
}
