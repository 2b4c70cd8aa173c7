using System.Globalization;
using System.Text;

namespace Dnabert2.FineTuning.Suites;

/// <summary>A line of a plot.</summary>
/// <param name="Name">Its name in the legend.</param>
/// <param name="Points">Its points.</param>
/// <param name="Colour">The number of its colour; lines of one name have one colour and one place in the legend.</param>
internal sealed record PlotLine(string Name, IReadOnlyList<(double X, double Y)> Points, int Colour);

/// <summary>Draws lines and matrices as SVG.</summary>
internal static class SvgPlot
{
    private const double Width = 360, Height = 300, Left = 60, Right = 12, Top = 28, Bottom = 40;
    private const double Letter = 6.2;
    private const int MostPoints = 400, MarkedPoints = 12;

    // Okabe and Ito's colours, which people of any colour vision tell apart.
    private static readonly string[] Colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7"];

    /// <summary>A plot of lines.</summary>
    /// <param name="title">The title.</param>
    /// <param name="x">The name of the horizontal axis.</param>
    /// <param name="y">The name of the vertical axis.</param>
    /// <param name="lines">The lines.</param>
    /// <param name="unit">Whether both axes go from 0 to 1; otherwise they cover the points, from 0 on horizontally.</param>
    public static string Lines(string title, string x, string y, IReadOnlyList<PlotLine> lines, bool unit)
    {
        (double X, double Y)[] all = [.. lines.SelectMany(line => line.Points)];
        double right = unit || all.Length == 0 ? 1 : Math.Max(all.Max(p => p.X), 1);
        double low = unit || all.Length == 0 ? 0 : all.Min(p => p.Y), high = unit || all.Length == 0 ? 1 : all.Max(p => p.Y);
        double size = Math.Max(Math.Abs(low), Math.Abs(high));
        if (high - low < 1e-9 * Math.Max(1, size)) (low, high) = (low - Math.Max(0.5, 0.1 * size), high + Math.Max(0.5, 0.1 * size));
        double PlaceX(double value) => Left + (value / right * (Width - Left - Right));
        double PlaceY(double value) => Top + ((high - value) / (high - low) * (Height - Top - Bottom));

        PlotLine[] legend = [.. lines.DistinctBy(line => line.Name)];
        double width = Math.Max(Width, Left + 40 + (Letter * legend.Select(line => line.Name.Length).DefaultIfEmpty().Max()));
        StringBuilder svg = Begin(title, width, Height + (16 * legend.Length) + 4);
        for (int i = 0; i <= 4; i++)
        {
            double value = low + (i * (high - low) / 4), step = right * i / 4;
            svg.Append(Invariant($"<path d=\"M{Left} {PlaceY(value):F1}H{Width - Right}\" stroke=\"#ddd\"/>"));
            svg.Append(Invariant($"<text x=\"{Left - 5}\" y=\"{PlaceY(value) + 4:F1}\" text-anchor=\"end\">{value:0.###}</text>"));
            svg.Append(
                Invariant($"<text x=\"{PlaceX(step):F1}\" y=\"{Height - Bottom + 15}\" text-anchor=\"middle\">{step:0.##}</text>\n"));
        }

        svg.Append(Invariant($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 8}\" text-anchor=\"middle\">{XmlText.Of(x)}</text>"));
        svg.Append(Invariant($"<text x=\"12\" y=\"{(Top + Height - Bottom) / 2}\" text-anchor=\"middle\" "));
        svg.Append(Invariant($"transform=\"rotate(-90 12 {(Top + Height - Bottom) / 2})\">{XmlText.Of(y)}</text>\n"));
        if (all.Length == 0)
        {
            svg.Append(Invariant($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{(Top + Height - Bottom) / 2}\" text-anchor=\"middle\" "));
            svg.Append("fill=\"#666\">not defined: the test rows lack classes</text>\n");
        }

        foreach (PlotLine line in lines.Where(line => line.Points.Count > 0))
        {
            // A point alone has no line.
            if (line.Points.Count <= MarkedPoints)
                foreach ((double px, double py) in line.Points)
                    svg.Append(
                        Invariant($"<circle cx=\"{PlaceX(px):F1}\" cy=\"{PlaceY(py):F1}\" r=\"2.5\" fill=\"{Colours[line.Colour]}\"/>"));
            svg.Append("<polyline fill=\"none\" stroke-width=\"1.5\" stroke=\"").Append(Colours[line.Colour]).Append("\" points=\"");
            foreach ((double px, double py) in Thin(line.Points)) svg.Append(Invariant($"{PlaceX(px):F1},{PlaceY(py):F1} "));
            svg.Append("\"/>\n");
        }

        for (int i = 0; i < legend.Length; i++)
        {
            double row = Height + (16 * i) + 10;
            svg.Append(Invariant($"<path d=\"M{Left} {row - 4}h20\" stroke-width=\"2\" stroke=\"{Colours[legend[i].Colour]}\"/>"));
            svg.Append(Invariant($"<text x=\"{Left + 26}\" y=\"{row}\">{XmlText.Of(legend[i].Name)}</text>\n"));
        }

        return svg.Append("</svg>\n").ToString();
    }

    /// <summary>A confusion matrix: rows are the true classes, columns the predicted ones, darker the larger the part of the row.</summary>
    public static string Matrix(Metrics.ConfusionMatrix matrix, IReadOnlyList<string> names)
    {
        const int longest = 14, upright = 4;
        string[] labels = [.. names.Select(name => name.Length > longest ? name[..(longest - 1)] + "…" : name)];
        int n = matrix.Classes, widest = labels.Max(label => label.Length);
        // Many classes are drawn smaller, and long names of columns on their side.
        double edge = Math.Max(22, Math.Min(34, 340.0 / n)), left = 30 + (widest * Letter),
            top = 26 + (widest > upright ? widest * Letter : 12);
        StringBuilder svg = Begin("", left + (n * edge) + 6, top + (n * edge) + 6);
        svg.Append(Invariant($"<text x=\"{left + (n * edge / 2):F1}\" y=\"14\" text-anchor=\"middle\">predicted</text>"));
        svg.Append(Invariant($"<text x=\"12\" y=\"{top + (n * edge / 2):F1}\" text-anchor=\"middle\" transform=\"rotate(-90 12 "));
        svg.Append(Invariant($"{top + (n * edge / 2):F1})\">true</text>\n"));
        for (int t = 0; t < n; t++)
        {
            long row = Enumerable.Range(0, n).Sum(p => matrix[t, p]);
            double middle = left + (t * edge) + (edge / 2), baseline = top + (t * edge) + (edge / 2) + 4;
            string turned = widest > upright
                ? Invariant($"text-anchor=\"start\" transform=\"rotate(-90 {middle + 4:F1} {top - 6:F1})\" x=\"{middle + 4:F1}\"")
                : Invariant($"text-anchor=\"middle\" x=\"{middle:F1}\"");
            svg.Append(Invariant($"<text x=\"{left - 6:F1}\" y=\"{baseline:F1}\" text-anchor=\"end\">{XmlText.Of(labels[t])}</text>"));
            svg.Append(Invariant($"<text y=\"{top - 6:F1}\" ")).Append(turned).Append('>').Append(XmlText.Of(labels[t]))
                .Append("</text>\n");
            for (int p = 0; p < n; p++)
            {
                double share = row == 0 ? 0 : (double)matrix[t, p] / row;
                double cellX = left + (p * edge), cellY = top + (t * edge);
                svg.Append(Invariant(
                    $"<rect x=\"{cellX:F1}\" y=\"{cellY:F1}\" width=\"{edge:F1}\" height=\"{edge:F1}\" fill=\"#0072b2\" "));
                svg.Append(Invariant($"fill-opacity=\"{share:F3}\" stroke=\"#ccc\"/>"));
                svg.Append(Invariant($"<text x=\"{cellX + (edge / 2):F1}\" y=\"{baseline:F1}\" text-anchor=\"middle\" "));
                svg.Append(Invariant($"fill=\"{(share > 0.6 ? "white" : "black")}\">{matrix[t, p]}</text>\n"));
            }
        }

        return svg.Append("</svg>\n").ToString();
    }

    private static StringBuilder Begin(string title, double width, double height)
    {
        var svg = new StringBuilder();
        svg.Append(Invariant(
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" "));
        svg.Append("font-family=\"sans-serif\" font-size=\"11\">\n");
        svg.Append(Invariant($"<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>"));
        return title.Length == 0
            ? svg.Append('\n')
            : svg.Append($"<text x=\"8\" y=\"16\" font-weight=\"bold\">{XmlText.Of(title)}</text>\n");
    }

    // No more points than a screen shows; the ends stay.
    private static IEnumerable<(double X, double Y)> Thin(IReadOnlyList<(double X, double Y)> points)
    {
        int every = Math.Max(1, (points.Count + MostPoints - 1) / MostPoints);
        for (int i = 0; i < points.Count; i++)
            if (i % every == 0 || i == points.Count - 1) yield return points[i];
    }

    private static string Invariant(FormattableString text) => text.ToString(CultureInfo.InvariantCulture);
}
