using System.Diagnostics;
using System.Globalization;

namespace Peers;

/// <summary>The JSON line of a sample.</summary>
internal static class Report
{
    /// <param name="peer">The name of the program and its form.</param>
    /// <param name="what">The command.</param>
    /// <param name="fields">The other fields, as JSON.</param>
    public static void Print(string peer, string what, params IEnumerable<string> fields)
    {
        long memory = Process.GetCurrentProcess().PeakWorkingSet64 >> 20;
        Console.WriteLine($"{{\"peer\":\"{peer}\",\"what\":\"{what}\",{string.Join(',', fields)},\"peak_rss_mb\":{memory}}}");
    }

    public static string Field(string name, double value) => $"\"{name}\":{Text(value)}";

    public static string Field(string name, IEnumerable<double> values) => $"\"{name}\":[{string.Join(',', values.Select(Text))}]";

    public static string Field(string name, string value) => $"\"{name}\":\"{value}\"";

    public static string Rate(double flops, Sampling sample) =>
        string.Create(CultureInfo.InvariantCulture, $"\"gflops\":{flops / sample.Milliseconds / 1e6:0.#}");

    private static string Text(double value) => value.ToString("G8", CultureInfo.InvariantCulture);
}
