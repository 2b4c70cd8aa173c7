using System.Text;
using System.Xml.Linq;
using Dnabert2.Interpretation;

namespace Tests.Interpretation;

public class HeatMapTests
{
    private static readonly XNamespace Svg = "http://www.w3.org/2000/svg";

    [Fact]
    public void Every_substitution_has_a_cell_coloured_by_its_effect()
    {
        float[] effects = [0, 2, -1, 0.5f, float.NaN, float.NaN, float.NaN, float.NaN, -2, 1, 0, 0];
        XElement svg = Draw(Effects("x", 1, 41, "ANG", effects)), panel = Panels(svg).Single();
        Assert.Equal(["#b2182b", "#90b2d6", "#ecc5ca", "#2166ac", "#d88c95", "#ffffff"], Cells(panel));
        Assert.Equal(2, panel.Elements(Svg + "circle").Count(c => (string?)c.Attribute("fill") == "#888"));
        string[] texts = Texts(panel), legend = Texts(Legend(svg));
        foreach (string text in (string[])["x", "A", "N", "G", "42"]) Assert.Contains(text, texts);
        Assert.Equal(["effect", "-2", "0", "2"], legend);
    }

    [Fact]
    public void All_panels_have_one_scale_that_a_few_large_effects_do_not_stretch_and_these_are_marked()
    {
        // 1203 substitutions up to 1, but for 3: 99 of 100 are within 1.
        float[] small = [.. Enumerable.Range(0, 200).SelectMany(i => new[] { 0f, i % 2 == 0 ? 1 : -1, 0.5f, -0.5f })];
        float[] large = [.. small];
        (large[1], large[6], large[11]) = (40, -7, 1.5f);
        string bases = new('A', 200);
        XElement svg = Draw(Effects("a", 1, 0, bases, small), Effects("b", 2, 0, bases, large), Effects("c", 3, 0, "A", [0, 1, -0.5f, 0]));
        XElement[] panels = [.. Panels(svg)];
        Assert.Equal(3, panels.Length);
        Assert.Equal(["effect", "-1", "0", "1", "beyond the scale: 3, from -7 to 40"], Texts(Legend(svg)));
        Assert.Equal(["#b2182b", "#90b2d6", "#ffffff"], Cells(panels[2]));
        Assert.Equal([0, 3, 0], panels.Select(panel => panel.Elements(Svg + "circle").Count(c => (string?)c.Attribute("fill") == "white")));
        Assert.Equal("#b2182b", Cells(panels[1])[0]);
        Assert.Equal("#2166ac", Cells(panels[1])[4]);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(99)]
    [InlineData(100)]
    [InlineData(101)]
    [InlineData(1000)]
    public void The_scale_ends_at_the_magnitude_that_99_of_100_do_not_exceed(int count)
    {
        var random = new Random(count);
        // One substitution a base: the others are the base that stands there, or not known.
        float[] magnitudes = [.. Enumerable.Range(1, count).Select(i => i * 0.25f)];
        float[] effects =
            [.. magnitudes.OrderBy(_ => random.Next()).SelectMany(m => new[] { 0, random.Next(2) == 0 ? m : -m, float.NaN, float.NaN })];
        HeatMapScale scale = HeatMapScale.Of([Effects("a", 1, 0, new string('A', count), effects)], 0.99);
        int within = magnitudes.Count(m => m <= scale.End), below = magnitudes.Count(m => m < scale.End);
        Assert.True(within >= 0.99 * count && below < 0.99 * count, $"{within} of {count} within {scale.End}, {below} below");
        Assert.Equal(count - within, scale.Beyond);
    }

    [Fact]
    public void Where_nearly_all_effects_are_nothing_the_scale_is_that_of_the_rest()
    {
        float[] effects = new float[4000];
        effects[5] = -3;
        Assert.Equal(new HeatMapScale(3, -3, 0, 0), HeatMapScale.Of([Effects("a", 1, 0, new string('G', 1000), effects)], 0.99));
        Assert.Equal(default, HeatMapScale.Of([], 0.99));
    }

    [Theory]
    [InlineData(3, 400)]
    [InlineData(41, 498)]
    [InlineData(100, 1088)]
    [InlineData(250, 1088)]
    public void The_picture_is_as_wide_as_its_longest_line_and_leaves_room_for_the_legend(int bases, int width)
    {
        XElement svg = Draw(Effects("a", 1, 39, SmallModels.Dna(1, bases), Ramp(bases)), Effects("b", 2, 0, "ACGT"[..1], Ramp(1)));
        Assert.Equal($"{width}", (string?)svg.Attribute("width"));
        Assert.Equal($"0 0 {width} {(string?)svg.Attribute("height")}", (string?)svg.Attribute("viewBox"));
        Assert.All(
            svg.Descendants(Svg + "rect"), r => Assert.True(((double?)r.Attribute("x") ?? 0) + (double)r.Attribute("width")! <= width));
    }

    [Fact]
    public void Lines_of_a_hundred_bases_and_panels_stand_below_each_other_within_the_picture()
    {
        string dna = SmallModels.Dna(1, 250);
        XElement svg = Draw(
            Effects("a", 1, 0, dna[..130], Ramp(130)), Effects("a", 1, 130, dna[130..], Ramp(120)), Effects("b", 2, 0, "ACGT", Ramp(4)));
        XElement[] panels = [.. Panels(svg)];
        Assert.Equal(2, panels.Length);
        double height = (double)svg.Attribute("height")!;
        double first = Offset(panels[0]), second = Offset(panels[1]);
        Assert.True(Lowest(Legend(svg)) < first + 8);
        Assert.True(first + Lowest(panels[0]) < second && second + Lowest(panels[1]) < height);
        Assert.Equal(3 * 250, Cells(panels[0]).Length);
    }

    [Fact]
    public void What_a_record_is_called_cannot_break_the_picture()
    {
        XElement svg = Draw(Effects("<script>&\"\u0001\uFFFE\uD800" + new string('x', 500), 1, 0, "ACGT", Ramp(4)));
        Assert.Empty(svg.Descendants("script"));
        Assert.StartsWith("<script>&\"??", svg.Descendants(Svg + "text").First(t => t.Value.StartsWith('<')).Value);
        // 8 to a letter, within the 400 of the narrowest picture.
        Assert.Equal((400 - 64 - 24) / 8, svg.Descendants(Svg + "text").First(t => t.Value.StartsWith('<')).Value.Length);
    }

    [Fact]
    public void Too_many_bases_are_left_out_and_counted_and_no_effect_is_white()
    {
        using var stream = new MemoryStream();
        var map = new HeatMap(stream, "effect");
        map.Add(Effects("a", 1, 0, SmallModels.Dna(1, 15_000), new float[60_000]));
        map.Add(Effects("a", 1, 15_000, SmallModels.Dna(2, 6_000), new float[24_000]));
        map.Add(Effects("b", 2, 0, "ACGT", Ramp(4)));
        map.Finish();
        Assert.Equal((15_000, 6_004L), (map.Bases, map.BasesLeftOut));
        XElement svg = XElement.Parse(Encoding.UTF8.GetString(stream.ToArray()));
        Assert.All(svg.Descendants(Svg + "rect").Where(r => (string?)r.Attribute("height") == "10"),
            r => Assert.Equal("#ffffff", (string)r.Attribute("fill")!));
    }

    [Fact]
    public void A_picture_of_nothing_is_a_picture() => Assert.Equal(["rect"], Draw().Elements().Select(e => e.Name.LocalName));

    private static IEnumerable<XElement> Panels(XElement svg) =>
        svg.Elements(Svg + "g").Where(g => (string?)g.Attribute("class") == "panel");

    private static XElement Legend(XElement svg) => svg.Elements(Svg + "g").Single(g => (string?)g.Attribute("class") == "legend");

    private static string[] Texts(XElement group) => [.. group.Elements(Svg + "text").Select(t => t.Value)];

    private static double Lowest(XElement group) => group.Elements(Svg + "text").Max(t => (double)t.Attribute("y")!);

    private static string[] Cells(XElement panel) =>
        [.. panel.Elements(Svg + "rect").Where(r => (string?)r.Attribute("width") == "10" && (string?)r.Attribute("height") == "10")
            .Select(r => (string)r.Attribute("fill")!)];

    private static double Offset(XElement panel) => double.Parse(((string)panel.Attribute("transform")!).TrimEnd(')').Split(' ')[1]);

    private static float[] Ramp(int bases) => [.. Enumerable.Range(0, 4 * bases).Select(i => (i % 7) - 3f)];

    private static SubstitutionEffects Effects(string id, long number, int start, string bases, float[] effects) =>
        new(id, number, start, Encoding.ASCII.GetBytes(bases), null, effects, default, 0);

    private static XElement Draw(params SubstitutionEffects[] effects)
    {
        using var stream = new MemoryStream();
        var map = new HeatMap(stream, "effect");
        foreach (SubstitutionEffects part in effects) map.Add(part);
        map.Finish();
        return XElement.Parse(Encoding.UTF8.GetString(stream.ToArray()));
    }
}
