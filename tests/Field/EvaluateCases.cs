using Dnabert2.Data;
using Tests.Tools;
using Tests.Weights;

namespace Tests.Field;

/// <summary>Case r-13: <c>evaluate</c> gave results of former data under the present data's name.</summary>
public sealed class EvaluateCases
{
    private static readonly string Sample = Path.Combine(SharedData.Checkout, "tools", "dnabert2", "samples", "task");

    [Fact]
    public void Results_of_former_data_are_not_given_under_the_present_name()
    {
        SharedData.Path("cases/r-13-evaluate-stale-data");
        using var folder = new TempFolder();
        Directory.CreateDirectory(folder["G/mouse/0"]);
        foreach (string part in new[] { "train.csv", "dev.csv", "test.csv" })
            File.Copy(Path.Combine(Sample, part), folder[$"G/mouse/0/{part}"]);
        Assert.Equal("100.00", Mcc(Evaluate(folder)));
        // All rows 'other', but the second, which is 'tata'.
        string[] lines = File.ReadAllLines(folder["G/mouse/0/test.csv"]);
        File.WriteAllLines(
            folder["G/mouse/0/test.csv"], lines.Select((line, i) => i == 0 ? line : line.Split(',')[0] + (i == 2 ? ",tata" : ",other")));
        ToolRun second = Evaluate(folder);
        Assert.DoesNotContain("finished before", second.Error, StringComparison.Ordinal);
        Assert.Contains("mouse/0 kmer runs again: test.csv changed since", second.Error, StringComparison.Ordinal);
        Assert.NotEqual("100.00", Mcc(second));
        Assert.Contains("finished before", Evaluate(folder).Error, StringComparison.Ordinal);
    }

    private static ToolRun Evaluate(TempFolder folder) =>
        ToolRun.Of("evaluate", "--data", folder["G"], "--tasks", "mouse/0", "--methods", "kmer", "-o", folder["results"]).Succeeds();

    private static string Mcc(ToolRun run) => run.Lines[1].Split('\t')[Array.IndexOf(run.Lines[0].Split('\t'), "mean")];
}
