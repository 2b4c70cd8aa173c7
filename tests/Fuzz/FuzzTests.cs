using System.Globalization;

namespace Tests.Fuzz;

/// <summary>
/// Every parser behind a named option, fed with changed inputs: nothing but documented errors that name the file in a few lines, time and
/// memory within a bound, and the same input read the same way each time. In the ordinary suite a short run whose inputs are always the
/// same; with <c>DNABERT2_FUZZ_SECONDS</c> a run of so many seconds in all, from <c>DNABERT2_FUZZ_SEED</c> on, of which a table is
/// appended to the file <c>DNABERT2_FUZZ_REPORT</c>.
/// </summary>
[Trait("Category", "Slow")]
public sealed class FuzzTests(FuzzTargets targets) : IClassFixture<FuzzTargets>
{
    public static TheoryData<string> Names => [.. FuzzTargets.Parsers.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Whatever_a_file_holds_it_is_read_or_refused_as_documented(string name)
    {
        double seconds = Setting("DNABERT2_FUZZ_SECONDS") / FuzzTargets.Parsers.Count;
        Parser parser = FuzzTargets.Parsers[name];
        var run = new FuzzRun(parser.Make(targets), seed: (int)Setting("DNABERT2_FUZZ_SEED"), parser.Sources);
        run.Run(parser.Inputs, TimeSpan.FromSeconds(seconds));
        if (Environment.GetEnvironmentVariable("DNABERT2_FUZZ_REPORT") is { Length: > 0 } report)
            File.AppendAllText(report, string.Create(CultureInfo.InvariantCulture,
                $"| {name} | {run.Inputs} | {run.Accepted} | {run.Outcomes} | {run.Time.TotalSeconds:F1} | {run.Findings.Count} |\n"));
        Assert.True(
            run.Findings.Count == 0, string.Join("\n\n", run.Findings.Select(f => $"{f.Fault}\n  input: {FuzzRun.Shown(f.Input)}")));
        Assert.True(run.Unreached.Count == 0, $"no input was refused by {string.Join(", ", run.Unreached)}: the target does not reach it");
    }

    [Theory]
    [InlineData("undocumented", "OverflowException")]
    [InlineData("nameless", "does not name the file")]
    [InlineData("long", "a message of")]
    [InlineData("memory", "allocates")]
    [InlineData("moody", "another outcome")]
    public void A_parser_with_a_fault_is_found_out(string fault, string found)
    {
        int calls = 0;
        var target = new FuzzTarget("broken", ["{\"a\":[1,2]}"u8.ToArray()], Mutation.OfJson, input =>
        {
            calls++;
            if (input.AsSpan().IndexOf("1e999"u8) < 0) return "";
            return fault switch
            {
                "undocumented" => throw new OverflowException("x"),
                "nameless" => throw new InvalidDataException("no"),
                "long" => throw new InvalidDataException("x" + new string('y', 5000)),
                "memory" => new string('x', 1 << 20),
                _ => $"{calls}",
            };
        })
        { Named = "x", Memory = (1 << 20, 300) };
        var run = new FuzzRun(target, 1);
        run.Run(5000, TimeSpan.Zero);
        Assert.Contains(run.Findings, f => f.Fault.Contains(found, StringComparison.Ordinal));
        if (fault == "undocumented") Assert.Equal("1e999", System.Text.Encoding.ASCII.GetString(run.Findings[0].Input));
    }

    private static double Setting(string name) =>
        double.TryParse(Environment.GetEnvironmentVariable(name), CultureInfo.InvariantCulture, out double value) ? value : 0;
}
