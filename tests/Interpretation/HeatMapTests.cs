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
        XElement panel = Draw(Effects("x", 1, 41, "ANG", effects)).Elements(Svg + "g").Single();
        string[] cells = [.. panel.Elements(Svg + "rect").Where(r => (string?)r.Attribute("width") == "10" && (string?)r.Attribute("height") == "10").Select(r => (string)r.Attribute("fill")!)];
        Assert.Equal(["#b2182b", "#90b2d6", "#ecc5ca", "#2166ac", "#d88c95", "#ffffff"], cells);
        Assert.Equal(2, panel.Elements(Svg + "circle").Count());
        string[] texts = [.. panel.Elements(Svg + "text").Select(t => t.Value)];
        foreach (string text in (string[])["x", "effect", "-2", "0", "2", "A", "N", "G", "42"]) Assert.Contains(text, texts);
    }

    [Fact]
    public void Lines_of_a_hundred_bases_and_panels_stand_below_each_other_within_the_picture()
    {
        string dna = SmallModels.Dna(1, 250);
        XElement svg = Draw(Effects("a", 1, 0, dna[..130], Ramp(130)), Effects("a", 1, 130, dna[130..], Ramp(120)), Effects("b", 2, 0, "ACGT", Ramp(4)));
        XElement[] panels = [.. svg.Elements(Svg + "g")];
        Assert.Equal(2, panels.Length);
        double height = (double)svg.Attribute("height")!;
        double first = Offset(panels[0]), second = Offset(panels[1]);
        double lowest = panels[0].Elements(Svg + "text").Max(t => (double)t.Attribute("y")!);
        Assert.True(first + lowest < second && second + panels[1].Elements(Svg + "text").Max(t => (double)t.Attribute("y")!) < height);
        Assert.Equal(3 * 250, panels[0].Elements(Svg + "rect").Count(r => (string?)r.Attribute("height") == "10"));
        Assert.All(svg.Descendants(Svg + "rect"), r => Assert.True((double?)r.Attribute("x") + (double)r.Attribute("width")! is null or <= 1088));
    }

    [Fact]
    public void What_a_record_is_called_cannot_break_the_picture()
    {
        XElement svg = Draw(Effects("<script>&\"\u0001\uFFFE\uD800" + new string('x', 500), 1, 0, "ACGT", Ramp(4)));
        Assert.Empty(svg.Descendants("script"));
        Assert.StartsWith("<script>&\"??", svg.Descendants(Svg + "text").First(t => t.Value.StartsWith('<')).Value);
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
        Assert.All(svg.Descendants(Svg + "rect").Where(r => (string?)r.Attribute("height") == "10"), r => Assert.Equal("#ffffff", (string)r.Attribute("fill")!));
    }

    [Fact]
    public void A_picture_of_nothing_is_a_picture() => Assert.Empty(Draw().Elements());

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
