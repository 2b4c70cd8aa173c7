using System.Globalization;
using System.Numerics.Tensors;
using System.Text;

namespace Dnabert2.Interpretation;

/// <summary>
/// Draws maps of attention as an SVG picture: a section for each record, with a square for each of its maps, a row for each query and a
/// column for each key, from white at 0 to dark blue at the probability that 99 of 100 do not exceed. Below, the first base of every
/// tenth token is written. At most <see cref="MostMaps"/> squares are drawn.
/// </summary>
public sealed class AttentionPicture
{
    private const int Side = 240, Gap = 28, Left = 24, TitleHeight = 30, Levels = 24, PerLine = 12;
    private const double Covered = 0.99;
    private readonly StringBuilder _body = new();
    private int _top = 8, _width = 400;

    /// <summary>The most squares of a picture: more than that no program shows well.</summary>
    public static int MostMaps => 400;

    /// <summary>Squares drawn so far.</summary>
    public int Maps { get; private set; }

    /// <summary>Records that were too many to be drawn.</summary>
    public int RecordsLeftOut { get; private set; }

    /// <summary>Draws the maps of a record.</summary>
    /// <param name="map">The maps.</param>
    public void Add(AttentionMap map)
    {
        ArgumentNullException.ThrowIfNull(map);
        int tokens = map.Tokens.Count, count = map.Values.Length / (tokens * tokens);
        if (Maps + count > MostMaps)
        {
            RecordsLeftOut++;
            return;
        }

        Maps += count;
        // A line for each layer where there are heads.
        int perLine = map.Shape.Count == 4 ? Math.Min(map.Shape[1], PerLine) : Math.Min(count, PerLine);
        int lines = (count + perLine - 1) / perLine;
        Append($"<text x=\"{Left}\" y=\"{_top + 16}\" font-size=\"14\">{XmlText.Of(Short(map.Id))}, {tokens} tokens</text>\n");
        for (int i = 0; i < count; i++)
            Draw(map, i, Left + (i % perLine * (Side + Gap)), _top + TitleHeight + (i / perLine * (Side + Gap)));
        _top += TitleHeight + (lines * (Side + Gap));
        _width = Math.Max(_width, Left + (perLine * (Side + Gap)));
    }

    /// <summary>Writes the picture.</summary>
    /// <param name="stream">Where it goes; it stays open.</param>
    public void Finish(Stream stream)
    {
        ArgumentNullException.ThrowIfNull(stream);
        string head = string.Create(CultureInfo.InvariantCulture,
            $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{_width}\" height=\"{_top}\" viewBox=\"0 0 {_width} {_top}\" ")
            + $"font-family=\"sans-serif\" font-size=\"9\">\n<rect width=\"{_width}\" height=\"{_top}\" fill=\"white\"/>\n";
        stream.Write(Encoding.UTF8.GetBytes(head));
        stream.Write(Encoding.UTF8.GetBytes(_body.ToString()));
        stream.Write("</svg>\n"u8);
    }

    private static string Name(AttentionMap map, int index) => map.Shape.Count switch
    {
        4 => $"layer {(index / map.Shape[1]) + 1}, head {(index % map.Shape[1]) + 1}",
        3 => $"layer {index + 1}",
        _ => "rollout",
    };

    private static string Short(string id) => id.Length > 80 ? id[..79] + "…" : id;

    private void Draw(AttentionMap map, int index, int x, int y)
    {
        int tokens = map.Tokens.Count;
        ReadOnlySpan<float> values = map.Values.Span.Slice(index * tokens * tokens, tokens * tokens);
        double end = End(values);
        Append($"<g class=\"map\" transform=\"translate({x} {y})\">\n<text y=\"-4\" x=\"{Side}\" text-anchor=\"end\" fill=\"#666\">");
        Append($"{Name(map, index)}, to {end:G3}</text>\n");
        Append($"<g transform=\"scale({(double)Side / tokens:G6})\" stroke-width=\"1.02\" fill=\"none\">\n");
        // One path for each shade: the cells of a row that have it and follow each other are one stroke.
        var paths = new StringBuilder[Levels];
        for (int row = 0; row < tokens; row++)
            for (int column = 0; column < tokens;)
            {
                int level = Level(values[(row * tokens) + column], end), first = column;
                while (column < tokens && Level(values[(row * tokens) + column], end) == level) column++;
                if (level > 0)
                    (paths[level] ??= new()).Append(CultureInfo.InvariantCulture, $"M{first} {row}.5h{column - first}");
            }

        for (int level = 1; level < Levels; level++)
            if (paths[level] is { } path) Append($"<path stroke=\"{Colour(level)}\" d=\"{path}\"/>\n");
        Append($"</g>\n<rect width=\"{Side}\" height=\"{Side}\" fill=\"none\" stroke=\"#888\"/>\n");
        for (int i = 0; i < tokens; i += 10)
            if (map.Tokens[i] is { Start: >= 0 } token)
            {
                Append($"<text x=\"{(i + 0.5) * Side / tokens:F1}\" y=\"{Side + 9}\" text-anchor=\"middle\" fill=\"#666\">");
                Append($"{token.Start + 1}</text>");
            }

        Append($"\n</g>\n");
    }

    private static double End(ReadOnlySpan<float> values)
    {
        float[] sorted = values.ToArray();
        Array.Sort(sorted);
        float end = sorted[(int)((sorted.Length - 1) * Covered)];
        return end > 0 ? end : Math.Max(TensorPrimitives.Max(values), float.Epsilon);
    }

    private static int Level(float value, double end) => (int)Math.Min(Levels - 1, Math.Round(value / end * (Levels - 1)));

    private static string Colour(int level)
    {
        double share = (double)level / (Levels - 1);
        return $"#{Mix(8):x2}{Mix(48):x2}{Mix(107):x2}";

        byte Mix(byte end) => (byte)Math.Round(255 + (share * (end - 255)));
    }

    private void Append(FormattableString text) => _body.Append(text.ToString(CultureInfo.InvariantCulture));
}
