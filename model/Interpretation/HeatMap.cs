using System.Globalization;
using System.Text;

namespace Dnabert2.Interpretation;

/// <summary>
/// Draws the effects of substitutions as an SVG picture: a panel for each record, with a row for each of A, C, G, T and a column for each
/// base, in lines of at most 100 bases; the picture is as wide as the longest line. Blue where the effect is negative, red where it is
/// positive, on one scale for all panels that is even around 0: it ends at the magnitude that 99 of 100 effects do not exceed, so that a
/// single one does not make the rest pale. What lies beyond has the full colour and a white dot, and the legend says how far it goes. The
/// base that stands in the sequence has a grey dot. What is to be drawn is held in memory: at most <see cref="MostBases"/> bases, of
/// at most 500 records.
/// </summary>
public sealed class HeatMap
{
    private const int PerLine = 100, Cell = 10, Left = 64, Right = 24, Rows = 4;

    // From top to bottom: the letters of the sequence, the four rows, the numbers of the bases.
    private const int LetterHeight = 14, NumberHeight = 16, LineHeight = LetterHeight + (Rows * Cell) + NumberHeight + 8;
    private const int LegendTop = 28, LegendWidth = 200, HeaderHeight = 66, BeyondHeight = 22;
    private const int TitleHeight = 24, LeastWidth = 400, TitleLetter = 8;
    private const int MostPanels = 500;
    private const double Covered = 0.99;

    private static readonly (byte R, byte G, byte B) Negative = (33, 102, 172), Positive = (178, 24, 43);

    private readonly Stream _stream;
    private readonly StringBuilder _svg = new();
    private readonly List<List<SubstitutionEffects>> _panels = [];
    private readonly string _unit;

    /// <summary>Begins a picture.</summary>
    /// <param name="stream">Where it goes; it stays open.</param>
    /// <param name="unit">What the effects are: "change of the probability".</param>
    public HeatMap(Stream stream, string unit)
    {
        ArgumentNullException.ThrowIfNull(stream);
        (_stream, _unit) = (stream, unit);
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
        if (effects.Bases.Length == 0) return;
        bool isFirst = _panels.Count == 0 || _panels[^1][0].Number != effects.Number;
        if (BasesLeftOut > 0 || Bases + effects.Bases.Length > MostBases || (isFirst && _panels.Count == MostPanels))
        {
            BasesLeftOut += effects.Bases.Length;
            return;
        }

        Bases += effects.Bases.Length;
        if (isFirst) _panels.Add([]);
        _panels[^1].Add(effects);
    }

    /// <summary>Draws and writes the picture.</summary>
    public void Finish()
    {
        HeatMapScale scale = HeatMapScale.Of(_panels.SelectMany(panel => panel), Covered);
        int columns = _panels.Count == 0 ? 0 : Math.Min(PerLine, _panels.Max(LengthOf));
        int width = Math.Max(LeastWidth, Left + (columns * Cell) + Right);
        int top = HeaderHeight + (scale.Beyond > 0 ? BeyondHeight : 0);
        int height = top + _panels.Sum(panel => TitleHeight + (LinesOf(panel) * LineHeight));
        Append($"<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\" ");
        Append($"font-family=\"sans-serif\" font-size=\"11\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n");
        if (_panels.Count > 0) DrawLegend(scale);
        foreach (List<SubstitutionEffects> panel in _panels)
        {
            DrawPanel(panel, top, width, scale);
            top += TitleHeight + (LinesOf(panel) * LineHeight);
        }

        Append($"</svg>\n");
        Flush();
    }

    private static int LengthOf(List<SubstitutionEffects> panel) =>
        (int)(panel[^1].Start + panel[^1].Bases.Length - panel[0].Start);

    private static int LinesOf(List<SubstitutionEffects> panel) => (LengthOf(panel) + PerLine - 1) / PerLine;

    private void DrawLegend(in HeatMapScale scale)
    {
        const int Steps = 40, Bottom = LegendTop + 12;
        Append($"<g class=\"legend\">\n<text x=\"{Left}\" y=\"18\" font-size=\"12\">{Escape(_unit, 100)}</text>\n");
        for (int i = 0; i < Steps; i++)
        {
            string colour = Colour(((2.0 * i / (Steps - 1)) - 1) * scale.End, scale);
            int x = Left + (i * LegendWidth / Steps);
            Append($"<rect x=\"{x}\" y=\"{LegendTop}\" width=\"{LegendWidth / Steps}\" height=\"12\" fill=\"{colour}\"/>");
        }

        Append($"\n<rect x=\"{Left}\" y=\"{LegendTop}\" width=\"{LegendWidth}\" height=\"12\" fill=\"none\" stroke=\"#888\"/>\n");
        Append($"<text x=\"{Left}\" y=\"{Bottom + 13}\" text-anchor=\"middle\">{-scale.End:G3}</text>");
        Append($"<text x=\"{Left + (LegendWidth / 2)}\" y=\"{Bottom + 13}\" text-anchor=\"middle\">0</text>");
        Append($"<text x=\"{Left + LegendWidth}\" y=\"{Bottom + 13}\" text-anchor=\"middle\">{scale.End:G3}</text>\n");
        if (scale.Beyond > 0)
        {
            DrawCell(Left, Bottom + 20, scale.Highest > scale.End ? scale.Highest : scale.Lowest, scale);
            string range = string.Create(CultureInfo.InvariantCulture, $"from {scale.Lowest:G3} to {scale.Highest:G3}");
            Append($"<text x=\"{Left + Cell + 6}\" y=\"{Bottom + 29}\">beyond the scale: {scale.Beyond}, {range}</text>\n");
        }

        Append($"</g>\n");
    }

    private void DrawPanel(List<SubstitutionEffects> panel, int top, int width, in HeatMapScale scale)
    {
        SubstitutionEffects first = panel[0];
        int bases = LengthOf(panel), lines = LinesOf(panel);
        string classes = string.Join(", ", panel.Select(part => part.Class).Where(name => name is not null).Distinct());
        string title = first.Id + (classes.Length > 0 ? $", class {classes}" : "");
        Append($"<g class=\"panel\" transform=\"translate(0 {top})\">\n");
        Append($"<text x=\"{Left}\" y=\"16\" font-size=\"14\">{Escape(title, (width - Left - Right) / TitleLetter)}</text>\n");
        foreach (SubstitutionEffects part in panel) DrawCells(part, first.Start, scale);
        for (int line = 0; line < lines; line++) DrawLine(line, first.Start, Math.Min(PerLine, bases - (line * PerLine)));
        Append($"</g>\n");
        Flush();
    }

    /// <summary>The frame of a line: the names of the rows, the number of the first base and of every tenth.</summary>
    private void DrawLine(int line, long start, int bases)
    {
        int top = TitleHeight + (line * LineHeight) + LetterHeight;
        for (int row = 0; row < Rows; row++)
            Append($"<text x=\"{Left - 8}\" y=\"{top + (row * Cell) + 9}\" text-anchor=\"end\" font-size=\"9\">{"ACGT"[row]}</text>");
        Append($"<text x=\"{Left - 8}\" y=\"{top - 3}\" text-anchor=\"end\" font-size=\"9\" ");
        Append($"fill=\"#666\">{start + (line * PerLine) + 1}</text>\n");
        Append($"<rect x=\"{Left}\" y=\"{top}\" width=\"{bases * Cell}\" height=\"{Rows * Cell}\" fill=\"none\" stroke=\"#bbb\"/>\n");
        for (int i = 0; i < bases; i++)
        {
            long number = start + (line * PerLine) + i + 1;
            if (number % 10 != 0) continue;
            Append($"<text x=\"{Left + (i * Cell) + (Cell / 2)}\" y=\"{top + (Rows * Cell) + 12}\" text-anchor=\"middle\" ");
            Append($"font-size=\"9\">{number}</text>");
        }

        Append($"\n");
    }

    private void DrawCells(SubstitutionEffects part, long start, in HeatMapScale scale)
    {
        ReadOnlySpan<float> effects = part.Effects.Span;
        for (int i = 0; i < part.Bases.Length; i++)
        {
            int at = (int)(part.Start + i - start), x = Left + (at % PerLine * Cell);
            int top = TitleHeight + (at / PerLine * LineHeight) + LetterHeight;
            char letter = (char)part.Bases.Span[i];
            Append($"<text x=\"{x + (Cell / 2)}\" y=\"{top - 3}\" text-anchor=\"middle\" font-size=\"9\">{letter}</text>");
            for (int row = 0; row < Rows; row++)
            {
                float effect = effects[(4 * i) + row];
                int y = top + (row * Cell);
                if (letter == "ACGT"[row]) DrawDot(x, y, "#888");
                else if (float.IsFinite(effect)) DrawCell(x, y, effect, scale);
            }

            Append($"\n");
        }
    }

    /// <summary>The cell of an effect; beyond the scale, with a dot.</summary>
    private void DrawCell(int x, int y, double effect, in HeatMapScale scale)
    {
        Append($"<rect x=\"{x}\" y=\"{y}\" width=\"{Cell}\" height=\"{Cell}\" fill=\"{Colour(effect, scale)}\"/>");
        if (Math.Abs(effect) > scale.End) DrawDot(x, y, "white");
    }

    /// <summary>A dot in the middle of a cell.</summary>
    private void DrawDot(int x, int y, string colour) =>
        Append($"<circle cx=\"{x + (Cell / 2)}\" cy=\"{y + (Cell / 2)}\" r=\"1.5\" fill=\"{colour}\"/>");

    /// <summary>White at 0, the full colour at the end of the scale and beyond.</summary>
    private static string Colour(double effect, in HeatMapScale scale)
    {
        double share = scale.End > 0 ? Math.Min(1, Math.Abs(effect) / scale.End) : 0;
        (byte r, byte g, byte b) = effect < 0 ? Negative : Positive;
        return $"#{Mix(r):x2}{Mix(g):x2}{Mix(b):x2}";

        byte Mix(byte end) => (byte)Math.Round(255 + (share * (end - 255)));
    }

    /// <summary>Text from a file; what is longer than there is room for is cut.</summary>
    private static string Escape(string text, int most) => XmlText.Of(text.Length > most ? text[..(most - 1)] + "…" : text);

    private void Append(FormattableString text) => _svg.Append(text.ToString(CultureInfo.InvariantCulture));

    private void Flush()
    {
        _stream.Write(Encoding.UTF8.GetBytes(_svg.ToString()));
        _svg.Clear();
    }
}
