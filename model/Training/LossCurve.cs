using System.Text;
using Dnabert2.Files;

namespace Dnabert2.Training;

/// <summary>Draws the losses of a run as an SVG picture, from its log.</summary>
internal static class LossCurve
{
    public const string FileName = "loss.svg";
    private const double Width = 720, Height = 400, Left = 56, Right = 16, Top = 28, Bottom = 40;
    private const int MostPoints = 600;

    /// <summary>Reads <c>train.csv</c> and <c>evaluation.csv</c> of a run and writes <c>loss.svg</c> beside them.</summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="column">The column of the loss in <c>evaluation.csv</c>.</param>
    /// <param name="row">The second field of the rows to draw.</param>
    /// <param name="unit">What the loss is counted in.</param>
    /// <param name="held">The name of what is evaluated on.</param>
    /// <param name="disk">Where to; null: the disks of this machine.</param>
    public static void Draw(
        string folder, int column = 5, string row = "all", string unit = "nats a masked token", string held = "held out",
        FileOperations? disk = null)
    {
        List<(double Step, double Loss)> training = Thin(LogRows.Losses(Path.Combine(folder, RunLog.TrainFile), 1, of: null));
        List<(double Step, double Loss)> heldOut = LogRows.Losses(Path.Combine(folder, RunLog.EvaluationFile), column, row);
        ResultFiles.Write(Path.Combine(folder, FileName), Encoding.UTF8.GetBytes(Draw(training, heldOut, unit, held)), disk);
    }

    internal static string Draw(
        List<(double Step, double Loss)> training, List<(double Step, double Loss)> heldOut, string unit = "nats a masked token",
        string held = "held out")
    {
        (double Step, double Loss)[] all = [.. training, .. heldOut];
        double lastStep = all.Length == 0 ? 1 : Math.Max(1, all.Max(p => p.Step));
        double lowest = all.Length == 0 ? 0 : all.Min(p => p.Loss), highest = all.Length == 0 ? 1 : all.Max(p => p.Loss);
        // Never less than a place of such numbers: adding it would change nothing.
        double tick = TickOf(Math.Max(Math.Max(highest - lowest, 0.01), 1e-6 * Math.Max(Math.Abs(lowest), Math.Abs(highest))));
        (lowest, highest) = (Math.Floor(lowest / tick) * tick, Math.Max(Math.Ceiling(highest / tick) * tick, lowest + tick));
        double X(double step) => Left + (step / lastStep * (Width - Left - Right));
        double Y(double loss) => Top + ((highest - loss) / (highest - lowest) * (Height - Top - Bottom));

        var svg = new StringBuilder();
        svg.Append(Invariant($"<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {Width} {Height}\" "));
        svg.Append("font-family=\"sans-serif\" font-size=\"12\">\n");
        svg.Append(Invariant($"<rect width=\"{Width}\" height=\"{Height}\" fill=\"white\"/>\n"));
        for (double loss = lowest; loss <= highest + (tick / 2); loss += tick)
        {
            svg.Append(Invariant($"<path d=\"M{Left} {Y(loss):F1}H{Width - Right}\" stroke=\"#ddd\"/>"));
            svg.Append(Invariant($"<text x=\"{Left - 6}\" y=\"{Y(loss) + 4:F1}\" text-anchor=\"end\">{loss:0.###}</text>\n"));
        }

        double stepTick = Math.Max(1, TickOf(lastStep));
        for (double step = 0; step <= lastStep; step += stepTick)
            svg.Append(Invariant($"<text x=\"{X(step):F1}\" y=\"{Height - Bottom + 16}\" text-anchor=\"middle\">{step:0}</text>\n"));
        svg.Append(Invariant($"<text x=\"{(Left + Width - Right) / 2}\" y=\"{Height - 6}\" text-anchor=\"middle\">step</text>\n"));
        svg.Append(Invariant($"<text x=\"{Left}\" y=\"16\">loss, {unit}: <tspan fill=\"#3366aa\">training</tspan>, "));
        svg.Append(Invariant($"<tspan fill=\"#cc4422\">{held}</tspan></text>\n"));
        Line(svg, training, "#3366aa", X, Y);
        Line(svg, heldOut, "#cc4422", X, Y);
        foreach ((double step, double loss) in heldOut)
            svg.Append(Invariant($"<circle cx=\"{X(step):F1}\" cy=\"{Y(loss):F1}\" r=\"2.5\" fill=\"#cc4422\"/>\n"));
        return svg.Append("</svg>\n").ToString();
    }

    private static void Line(
        StringBuilder svg, List<(double Step, double Loss)> points, string colour, Func<double, double> x, Func<double, double> y)
    {
        if (points.Count == 0) return;
        svg.Append("<polyline fill=\"none\" stroke=\"").Append(colour).Append("\" points=\"");
        foreach ((double step, double loss) in points) svg.Append(Invariant($"{x(step):F1},{y(loss):F1} "));
        svg.Append("\"/>\n");
    }

    // The mean of each run of steps: no more points than a screen shows.
    private static List<(double Step, double Loss)> Thin(List<(double Step, double Loss)> points)
    {
        int group = (points.Count + MostPoints - 1) / MostPoints;
        return group <= 1 ? points : [.. points.Chunk(group).Select(chunk => (chunk.Average(p => p.Step), chunk.Average(p => p.Loss)))];
    }

    // 1, 2 or 5 times a power of ten, so that about five to ten ticks cover the range.
    private static double TickOf(double range)
    {
        double power = Math.Pow(10, Math.Floor(Math.Log10(range / 5)));
        double count = range / 5 / power;
        return power * (count < 2 ? 1 : count < 5 ? 2 : 5);
    }

    private static string Invariant(FormattableString text) => FormattableString.Invariant(text);
}
