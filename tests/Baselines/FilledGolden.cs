using System.Text.Json;
using Conformance.Model;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;

namespace Tests.Baselines;

/// <summary>A golden file of a system that the paper compares with: its inputs, its weights by rule, and the expected tensors.</summary>
internal sealed class FilledGolden : IDisposable
{
    private readonly JsonDocument _document;
    private readonly Dictionary<string, (int Index, double Base)> _tensors = new(StringComparer.Ordinal);
    private readonly WeightFile? _expected;

    private FilledGolden(string name)
    {
        _document = JsonDocument.Parse(File.ReadAllBytes(SharedData.Path($"golden/baselines/{name}.json")));
        double[] centres = [.. Root.GetProperty("base").EnumerateArray().Select(e => e.GetDouble())];
        foreach (JsonElement tensor in Root.GetProperty("names_in_fill_order").EnumerateArray())
            _tensors.Add(tensor.GetString()!, (_tensors.Count, centres[_tensors.Count]));
        string expected = Path.ChangeExtension(SharedData.Path($"golden/baselines/{name}.json"), ".expect.safetensors");
        if (File.Exists(expected)) _expected = WeightFile.Open(expected);
    }

    public JsonElement Root => _document.RootElement;

    /// <summary>Opens a file of <c>golden/baselines</c>; skips the running test where there is none.</summary>
    public static FilledGolden Open(string name) => new(name);

    /// <summary>The value of every element by the rule of the golden files.</summary>
    public void Fill(Parameter parameter, int index, Span<float> destination)
    {
        if (!_tensors.TryGetValue(parameter.Name, out (int Index, double Base) tensor))
            throw new InvalidOperationException($"{parameter.Name} is not in the golden file");
        uint offset = Root.TryGetProperty("fill_seed_offset", out JsonElement given) ? given.GetUInt32() : 0;
        Golden.Fill((uint)tensor.Index + offset, Root.GetProperty("amp").GetDouble(), tensor.Base, destination);
    }

    /// <summary>An expected tensor, row-major.</summary>
    public float[] Expected(string name)
    {
        WeightEntry entry = _expected!.Entries.Single(e => e.Name == name);
        var values = new float[entry.Count];
        _expected.Read(entry, values);
        return values;
    }

    /// <summary>The names of the expected tensors that begin with a text.</summary>
    public string[] ExpectedNames(string start) =>
        [.. _expected!.Entries.Select(e => e.Name).Where(name => name.StartsWith(start, StringComparison.Ordinal))];

    /// <summary>The numbers of a nested array, in row-major order.</summary>
    public float[] Numbers(string name) => [.. Golden.Flatten(Root.GetProperty(name)).Select(v => (float)v)];

    public double Number(string name) => Root.GetProperty(name).GetDouble();

    public static int[][] Rows(JsonElement rows) =>
        [.. rows.EnumerateArray().Select(row => row.EnumerateArray().Select(e => e.GetInt32()).ToArray())];

    public void Dispose()
    {
        _document.Dispose();
        _expected?.Dispose();
    }

    /// <summary>Every element is as expected, up to a share of the largest, at least of 1.</summary>
    public static void Near(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.True(expected.Length == actual.Length, $"{what} has {actual.Length} elements, expected {expected.Length}");
        double largest = 1;
        foreach (float value in expected) largest = Math.Max(largest, Math.Abs(value));
        for (int i = 0; i < expected.Length; i++)
            Assert.True(
                Math.Abs(expected[i] - actual[i]) <= tolerance * largest, $"{what}[{i}] is {actual[i]:R}, expected {expected[i]:R}");
    }

    /// <summary>The error of a tensor is at most a share of its norm.</summary>
    public static void NearInNorm(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, double tolerance, string what)
    {
        Assert.True(expected.Length == actual.Length, $"{what} has {actual.Length} elements, expected {expected.Length}");
        double norm = 0, error = 0;
        for (int i = 0; i < expected.Length; i++)
        {
            norm += (double)expected[i] * expected[i];
            error += Math.Pow((double)expected[i] - actual[i], 2);
        }

        Assert.True(
            Math.Sqrt(error) <= tolerance * Math.Max(Math.Sqrt(norm), 1e-3),
            $"{what}: error {Math.Sqrt(error):G3} of norm {Math.Sqrt(norm):G3}");
    }

    public static void Near(double expected, double actual, double tolerance, string what) => Assert.True(
        Math.Abs(expected - actual) <= tolerance * Math.Max(Math.Abs(expected), 1), $"{what} is {actual:R}, expected {expected:R}");
}
