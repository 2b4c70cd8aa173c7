using System.Globalization;
using System.Net;
using System.Text;
using Dnabert2.Metrics;

namespace Dnabert2.FineTuning;

/// <summary>The results of a suite as one HTML page that needs nothing beside it: the table, and plots for each task.</summary>
internal static class SuitePage
{
    private const string Style =
        "body{font:14px sans-serif;margin:2em;max-width:110em}table{border-collapse:collapse}td,th{border:1px solid #ccc;padding:.3em .6em;text-align:right}"
        + "td:nth-child(-n+2),th:nth-child(-n+2){text-align:left}.ours{background:#eef6fb}.plots{display:flex;flex-wrap:wrap;gap:1em}";

    /// <summary>The page.</summary>
    public static byte[] Draw(SuiteTable table)
    {
        var html = new StringBuilder("<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>GUE</title><style>");
        html.Append(Style).Append("</style></head><body>\n<h1>GUE: ours beside the paper</h1>\n<table>\n<tr>");
        foreach (string column in table.Columns()) html.Append("<th>").Append(Text(column)).Append("</th>");
        html.Append("</tr>\n");
        foreach (GueTask task in table.Tasks)
        {
            html.Append("<tr>");
            foreach ((int i, string field) in table.Row(task).Index())
                html.Append(i >= 2 && i < 2 + table.Methods.Count ? "<td class=\"ours\">" : "<td>").Append(Text(field)).Append("</td>");
            html.Append("</tr>\n");
        }

        html.Append("</table>\n");
        foreach (string note in table.Notes()) html.Append("<p>").Append(Text(note)).Append("</p>\n");
        foreach (GueTask task in table.Tasks) Plots(html, task, [.. table.Cells.Where(cell => cell.Task == task)]);
        return Encoding.UTF8.GetBytes(html.Append("</body></html>\n").ToString());
    }

    private static void Plots(StringBuilder html, GueTask task, SuiteCell[] cells)
    {
        html.Append($"<h2>{Text(task.Name)}</h2>\n<p>{Text(task.Description)}. Curves and matrices are of each method's first seed, dev losses of all seeds");
        html.Append(task.Classes > 2 ? "; the curves show the mean over each class against the others.</p>\n" : "; the curves are of class 1.</p>\n");
        html.Append("<div class=\"plots\">\n");
        html.Append(SvgPlot.Lines("ROC", "false positive rate", "true positive rate", [.. cells.Select(cell => Curve(cell, Metric.Auroc))], unit: true));
        html.Append(SvgPlot.Lines("precision-recall", "recall", "precision", [.. cells.Select(cell => Curve(cell, Metric.Auprc))], unit: true));
        PlotLine[] losses =
        [
            .. cells.SelectMany(cell => cell.Results).Where(result => result.Outcome.DevLosses.Count > 0).Select(result => new PlotLine(
                result.Run.Method.Title(), [.. result.Outcome.DevLosses.Select(p => ((double)p.Step, p.Loss))], (int)result.Run.Method)),
        ];
        if (losses.Length > 0) html.Append(SvgPlot.Lines("dev loss", "step", "nats", losses, unit: false));
        foreach (SuiteCell cell in cells) html.Append(SvgPlot.Matrix(cell.Method.Title(), cell.Results[0].Confusion(), cell.Results[0].Names));
        html.Append("</div>\n");
    }

    private static PlotLine Curve(SuiteCell cell, Metric metric)
    {
        SuiteResult result = cell.Results[0];
        int classes = result.Names.Count;
        double area = result.Scores[metric];
        string name = $"{cell.Method.Title()}, {(metric == Metric.Auroc ? "AUROC" : "average precision")} {area.ToString("F3", CultureInfo.InvariantCulture)}";
        if (classes == 2) return new PlotLine(name, Points(result, 1, metric), (int)cell.Method);
        IReadOnlyList<(double X, double Y)>[] curves = [.. Enumerable.Range(0, classes).Select(c => Points(result, c, metric)).Where(c => c.Count > 0)];
        const int steps = 200;
        return new PlotLine(name, curves.Length == 0 ? [] :
            [.. Enumerable.Range(0, steps + 1).Select(i => ((double)i / steps, curves.Average(c => At(c, (double)i / steps))))], (int)cell.Method);
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

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
