using System.Globalization;
using System.Text;
using System.Text.Json;
using Engine.Kernels;
using Engine.Kernels.Gpu;
using Engine.Runtime.Cuda;

namespace GpuBench;

/// <summary>The journal as Markdown.</summary>
internal static class Report
{
    private const double Goal = 0.85;

    /// <param name="journal">What was checked and measured.</param>
    /// <param name="gpu">The GPU, for people.</param>
    /// <param name="peers">A JSON object of PyTorch's figures by name, or null.</param>
    public static string Write(Journal journal, string gpu, string? peers)
    {
        var text = new StringBuilder(
            $"# {gpu}\n\nWritten by `bench/gpu/run.sh`.\n\n## Checks\n\n| part | passed | failed | skipped |\n|---|---:|---:|---:|\n");
        JournalLine[] checks = [.. journal.Results.Where(l => l.Result != Journal.Figure)];
        foreach (IGrouping<string, JournalLine> part in checks.GroupBy(l => l.Part))
            text.Append(
                CultureInfo.InvariantCulture,
                $"| {part.Key} | {Count(part, Journal.Passed)} | {Count(part, Journal.Failed)} | {Count(part, Journal.Skipped)} |\n");
        foreach (JournalLine line in checks.Where(l => l.Result != Journal.Passed))
            text.Append($"\n- {line.Result} {line.Part}: {line.Name}: {line.Detail}");
        Dictionary<string, double> torch = Peers(peers);
        double copy = journal.Find("bandwidth", Bandwidth.Copy) is { Result: Journal.Figure } c ? Number(c) : double.NaN;
        text.Append(CultureInfo.InvariantCulture,
            $"\n\n## Kernels bounded by memory\n\nBytes that must be moved at least, over the time on the GPU. A copy of the GPU's own "
            + $"moves {copy:F0} GB/s; the goal is {Goal:P0} of it.\n\n")
            .Append("| kernel | GB/s | of the copy | |\n|---|---:|---:|---|\n");
        foreach (JournalLine line in Figures(journal, "bandwidth").Where(l => l.Name != Bandwidth.Copy))
            text.Append(
                CultureInfo.InvariantCulture,
                $"| {line.Name} | {Number(line):F0} | {Number(line) / copy:P0} | "
                + $"{(Number(line) >= Goal * copy ? "" : "below the goal")} |\n");
        Ladder(text, journal, torch);
        Table(text, journal, torch, "throughput", "## Attention", "TFLOP/s");
        Table(text, journal, torch, "model", "## The whole 117M model", "tokens/s");
        foreach (string absent in Absent(peers)) text.Append($"\n- PyTorch: {absent}");
        text.Append(
            "\n## First use\n\nFrom the start of the process to the first embedding of the 117M model in bf16; its weights are made, not "
            + "read.\n\n| | seconds |\n|---|---:|\n");
        foreach (JournalLine line in Figures(journal, "first use")) text.Append($"| {line.Name} | {line.Detail} |\n");
        return text.ToString();
    }

    /// <summary>The products of a layer in every form beside cuBLAS; the peak is the fastest product of all, whoever computed it.</summary>
    private static void Ladder(StringBuilder text, Journal journal, Dictionary<string, double> torch)
    {
        JournalLine[] figures = [.. Figures(journal, Products.Ladder)];
        if (figures.Length == 0) return;
        double peak = figures.Select(Number)
            .Concat(torch.Where(f => f.Key.StartsWith("linear bf16", StringComparison.Ordinal)).Select(f => f.Value)).Max();
        text.Append(
            CultureInfo.InvariantCulture,
            $"\n## The ladder of matrix products\n\nTFLOP/s, rows × outputs × inputs; bf16 but for the first. Beside cuBLAS in bf16, and "
            + $"of the fastest bf16 product measured here, {peak:F0} TFLOP/s.\n\n")
            .Append("| | TFLOP/s | cuBLAS | ratio | of the peak |\n|---|---:|---:|---:|---:|\n");
        foreach (JournalLine line in figures)
        {
            string shape = line.Name.Split(' ')[^1];
            string peer = line.Name.Contains(nameof(ProductKind.InputGradient), StringComparison.Ordinal) ? "linear input gradient bf16"
                : line.Name.Contains(nameof(ProductKind.WeightGradient), StringComparison.Ordinal)
                ? "linear weight gradient bf16" : "linear bf16";
            string beside = torch.TryGetValue($"{peer} {shape}", out double cublas)
                ? FormattableString.Invariant($"{cublas:F1} | {Number(line) / cublas:F2}") : "– | –";
            text.Append(CultureInfo.InvariantCulture, $"| {line.Name} | {Number(line):F1} | {beside} | {Number(line) / peak:P0} |\n");
        }
    }

    private static void Table(StringBuilder text, Journal journal, Dictionary<string, double> torch, string part, string title, string unit)
    {
        text.Append($"\n{title}\n\n| | {unit} | PyTorch | ratio |\n|---|---:|---:|---:|\n");
        foreach (JournalLine line in Figures(journal, part))
        {
            bool known = torch.TryGetValue(line.Name.Replace(", captured", "", StringComparison.Ordinal), out double peer);
            string beside = known ? FormattableString.Invariant($"{peer:N1} | {Number(line) / peer:F2}") : "– | –";
            text.Append(CultureInfo.InvariantCulture, $"| {line.Name} | {Number(line):N1} | {beside} |\n");
        }
    }

    private static IEnumerable<JournalLine> Figures(Journal journal, string part) =>
        journal.Results.Where(l => l.Part == part && l.Result == Journal.Figure);

    private static double Number(JournalLine line) => double.Parse(line.Detail, CultureInfo.InvariantCulture);

    private static int Count(IEnumerable<JournalLine> lines, string result) => lines.Count(l => l.Result == result);

    /// <summary>What the peer could not measure, and why.</summary>
    private static IEnumerable<string> Absent(string? json)
    {
        if (json is null) yield break;
        using JsonDocument document = JsonDocument.Parse(json);
        if (!document.RootElement.TryGetProperty("absent", out JsonElement absent) || absent.ValueKind != JsonValueKind.Object) yield break;
        foreach (JsonProperty form in absent.EnumerateObject()) yield return $"{form.Name}: {form.Value}";
    }

    private static Dictionary<string, double> Peers(string? json)
    {
        var figures = new Dictionary<string, double>();
        if (json is null) return figures;
        using JsonDocument document = JsonDocument.Parse(json);
        foreach (JsonProperty figure in document.RootElement.EnumerateObject())
            if (figure.Value.ValueKind == JsonValueKind.Number) figures[figure.Name] = figure.Value.GetDouble();
        return figures;
    }
}
