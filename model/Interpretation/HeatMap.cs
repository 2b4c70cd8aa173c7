using System.Globalization;
using System.Text;

namespace Dnabert2.Interpretation;

/// <summary>
/// Draws the effects of substitutions as an SVG picture: a panel for each record, with a row for each of A, C, G, T and a column for each
/// base, in lines of 100 bases; blue where the effect is negative, red where it is positive, on a scale of the panel's own that is even
/// around 0. The base that stands in the sequence has a dot. Panels are written as they come; the height of the picture is filled in last.
/// </summary>
public sealed class HeatMap
{
    private const int PerLine = 100, Cell = 10, Left = 64, Right = 24, Rows = 4, LegendWidth = 200;

    // From top to bottom: the letters of the sequence, the four rows, the numbers of the bases.
    private const int LetterHeight = 14, NumberHeight = 16, LineHeight = LetterHeight + (Rows * Cell) + NumberHeight + 8, TitleHeight = 56;
    private const int HeaderLength = 256, Width = Left + (PerLine * Cell) + Right;

    private static readonly (byte R, byte G, byte B) Negative = (33, 102, 172), Positive = (178, 24, 43);

    private readonly Stream _stream;
    private readonly StringBuilder _svg = new();
    private readonly List<SubstitutionEffects> _panel = [];
    private readonly string _unit;
    private int _height = 8;

    /// <summary>Begins a picture.</summary>
    /// <param name="stream">Where it goes; it can seek, and stays open.</param>
    /// <param name="unit">What the effects are: «change of the probability».</param>
    public HeatMap(Stream stream, string unit)
    {
        ArgumentNullException.ThrowIfNull(stream);
        (_stream, _unit) = (stream, unit);
        _stream.Write(Header(0));
    }

    /// <summary>The most bases a picture holds; what is more is not drawn, since no program would show it.</summary>
    public static int MostBases => 20_000;

    /// <summary>Bases drawn so far.</summary>
    public int Bases { get; private set; }

    /// <summary>Bases that were too many to be drawn.</summary>
    public long BasesLeftOut { get; private set; }

    /// <summary>Adds a stretch of a record; stretches of one record come one after the other.</summary>
    public void Add(SubstitutionEffects effects)
    {
        ArgumentNullException.ThrowIfNull(effects);
        if (_panel.Count > 0 && _panel[0].Number != effects.Number) DrawPanel();
        if (effects.Bases.Length == 0) return;
        if (BasesLeftOut > 0 || Bases + effects.Bases.Length > MostBases)
        {
            BasesLeftOut += effects.Bases.Length;
            return;
        }

        Bases += effects.Bases.Length;
        _panel.Add(effects);
    }

    /// <summary>Completes the picture.</summary>
    public void Finish()
    {
        DrawPanel();
        _stream.Write("</svg>\n"u8);
        _stream.Seek(0, SeekOrigin.Begin);
        _stream.Write(Header(_height));
        _stream.Seek(0, SeekOrigin.End);
    }

    private static byte[] Header(int height)
    {
        string tag = $"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{Width}\" height=\"{height}\" viewBox=\"0 0 {Width} {height}\" font-family=\"sans-serif\" font-size=\"11\"";
        return Encoding.ASCII.GetBytes(tag.PadRight(HeaderLength - 2) + ">\n");
    }

    private void DrawPanel()
    {
        if (_panel.Count == 0) return;
        SubstitutionEffects first = _panel[0];
        double scale = 0;
        foreach (SubstitutionEffects part in _panel)
            foreach (float effect in part.Effects.Span)
                if (float.IsFinite(effect)) scale = Math.Max(scale, Math.Abs(effect));
        int bases = (_panel[^1].Start + _panel[^1].Bases.Length) - first.Start, lines = (bases + PerLine - 1) / PerLine;
        Append($"<g transform=\"translate(0 {_height})\">\n");
        Append($"<rect y=\"-8\" width=\"{Width}\" height=\"{TitleHeight + (lines * LineHeight) + 8}\" fill=\"white\"/>\n");
        string classes = string.Join(", ", _panel.Select(part => part.Class).Where(name => name is not null).Distinct());
        string of = classes.Length > 0 ? $", class {classes}" : "";
        Append($"<text x=\"{Left}\" y=\"16\" font-size=\"14\">{Escape(first.Id + of)}</text>\n<text x=\"{Left}\" y=\"34\">{Escape(_unit)}</text>\n");
        DrawLegend(scale);
        foreach (SubstitutionEffects part in _panel) DrawCells(part, first.Start, scale);
        for (int line = 0; line < lines; line++) DrawLine(line, first.Start, Math.Min(PerLine, bases - (line * PerLine)));
        Append($"</g>\n");
        Flush();
        _height += TitleHeight + (lines * LineHeight);
        _panel.Clear();
    }

    private void DrawLegend(double scale)
    {
        const int Steps = 40, X = Width - Right - LegendWidth;
        for (int i = 0; i < Steps; i++)
            Append($"<rect x=\"{X + (i * LegendWidth / Steps)}\" y=\"8\" width=\"{LegendWidth / Steps}\" height=\"12\" fill=\"{Colour(((2.0 * i / (Steps - 1)) - 1) * scale, scale)}\"/>");
        Append($"\n<rect x=\"{X}\" y=\"8\" width=\"{LegendWidth}\" height=\"12\" fill=\"none\" stroke=\"#888\"/>");
        Append($"<text x=\"{X}\" y=\"34\" text-anchor=\"middle\">{-scale:G3}</text><text x=\"{X + (LegendWidth / 2)}\" y=\"34\" text-anchor=\"middle\">0</text>");
        Append($"<text x=\"{X + LegendWidth}\" y=\"34\" text-anchor=\"middle\">{scale:G3}</text>\n");
    }

    /// <summary>The frame of a line: the names of the rows, the number of the first base and of every tenth.</summary>
    private void DrawLine(int line, int start, int bases)
    {
        int top = TitleHeight + (line * LineHeight) + LetterHeight;
        for (int row = 0; row < Rows; row++)
            Append($"<text x=\"{Left - 8}\" y=\"{top + (row * Cell) + 9}\" text-anchor=\"end\" font-size=\"9\">{"ACGT"[row]}</text>");
        Append($"<text x=\"{Left - 8}\" y=\"{top - 3}\" text-anchor=\"end\" font-size=\"9\" fill=\"#666\">{start + (line * PerLine) + 1}</text>\n");
        Append($"<rect x=\"{Left}\" y=\"{top}\" width=\"{bases * Cell}\" height=\"{Rows * Cell}\" fill=\"none\" stroke=\"#bbb\"/>\n");
        for (int i = 0; i < bases; i++)
        {
            int number = start + (line * PerLine) + i + 1;
            if (number % 10 == 0)
                Append($"<text x=\"{Left + (i * Cell) + (Cell / 2)}\" y=\"{top + (Rows * Cell) + 12}\" text-anchor=\"middle\" font-size=\"9\">{number}</text>");
        }

        Append($"\n");
    }

    private void DrawCells(SubstitutionEffects part, int start, double scale)
    {
        ReadOnlySpan<float> effects = part.Effects.Span;
        for (int i = 0; i < part.Bases.Length; i++)
        {
            int at = part.Start + i - start, x = Left + (at % PerLine * Cell), top = TitleHeight + (at / PerLine * LineHeight) + LetterHeight;
            char letter = (char)part.Bases.Span[i];
            Append($"<text x=\"{x + (Cell / 2)}\" y=\"{top - 3}\" text-anchor=\"middle\" font-size=\"9\">{letter}</text>");
            for (int row = 0; row < Rows; row++)
            {
                if (letter == "ACGT"[row]) Append($"<circle cx=\"{x + (Cell / 2)}\" cy=\"{top + (row * Cell) + (Cell / 2)}\" r=\"1.5\" fill=\"#888\"/>");
                else if (float.IsFinite(effects[(4 * i) + row]))
                    Append($"<rect x=\"{x}\" y=\"{top + (row * Cell)}\" width=\"{Cell}\" height=\"{Cell}\" fill=\"{Colour(effects[(4 * i) + row], scale)}\"/>");
            }

            Append($"\n");
        }
    }

    /// <summary>White at 0, the full colour at the end of the scale.</summary>
    private static string Colour(double effect, double scale)
    {
        double share = scale > 0 ? Math.Min(1, Math.Abs(effect) / scale) : 0;
        (byte r, byte g, byte b) = effect < 0 ? Negative : Positive;
        return $"#{Mix(r):x2}{Mix(g):x2}{Mix(b):x2}";

        byte Mix(byte end) => (byte)Math.Round(255 + (share * (end - 255)));
    }

    /// <summary>Text from a file as XML: what XML forbids becomes '?', and a long name is cut.</summary>
    private static string Escape(string text)
    {
        var escaped = new StringBuilder();
        foreach (Rune rune in (text.Length > 100 ? text[..100] + "…" : text).EnumerateRunes())
        {
            if (rune.Value is '<' or '>' or '&' or '"' or '\'') escaped.Append($"&#{rune.Value};");
            else escaped.Append(Rune.IsControl(rune) || rune.Value is 0xFFFE or 0xFFFF ? "?" : rune.ToString());
        }

        return escaped.ToString();
    }

    private void Append(FormattableString text) => _svg.Append(text.ToString(CultureInfo.InvariantCulture));

    private void Flush()
    {
        _stream.Write(Encoding.UTF8.GetBytes(_svg.ToString()));
        _svg.Clear();
    }
}
