using System.Globalization;
using Dnabert2.Folders;
using Dnabert2.Weights;
using Engine.Kernels;

namespace Dnabert2.Hyena;

/// <summary>
/// What published files store in each layer besides parameters, by its formulas in float64: the positions and the decays of the filter.
/// </summary>
/// <param name="config">The hyper-parameters.</param>
internal sealed class HyenaBuffers(HyenaConfig config)
{
    public const string Layers = "hyena.backbone.layers.";

    private const string PositionsName = ".mixer.filter_fn.pos_emb.z", TimesName = ".mixer.filter_fn.pos_emb.t",
        DecaysName = ".mixer.filter_fn.modulation.deltas";

    // The same tensor as 1.freq; some files hold it under all three names.
    private const string FirstFrequency = ".mixer.filter_fn.implicit_filter.1.freq";
    private static readonly string[] OtherFrequencies =
        [".mixer.filter_fn.implicit_filter.3.freq", ".mixer.filter_fn.implicit_filter.5.freq"];

    // Positions are sums, products and sines of float32.
    private const float LargestError = 1e-4f;
    private float[]? _positions, _times, _decays;

    /// <summary>z: [longest, emb].</summary>
    public float[] Positions => _positions ??= MakePositions();

    /// <summary>t: [longest].</summary>
    public float[] Times => _times ??= [.. Enumerable.Range(0, config.MaxSeqLen).Select(i => (float)Time(i))];

    /// <summary>δ: [d].</summary>
    public float[] Decays => _decays ??= [.. Enumerable.Range(0, config.DModel).Select(Decay)];

    /// <summary>All of them, by their names behind the number of a layer.</summary>
    public IEnumerable<(string Name, Shape Shape, float[] Values)> All =>
    [
        (PositionsName, new Shape(1, config.MaxSeqLen, config.EmbDim), Positions), (TimesName, new Shape(1, config.MaxSeqLen, 1), Times),
        (DecaysName, new Shape(1, 1, config.DModel), Decays),
    ];

    /// <summary>Whether a tensor is of positions, decays, or frequencies that another one stands for.</summary>
    public static bool IsOne(string name) => InLayer(name, out _) is PositionsName or TimesName or DecaysName
        || OtherFrequencies.Contains(InLayer(name, out _));

    /// <summary>What is wrong with a tensor that is no parameter, for people; null where it is one of these and nothing is.</summary>
    /// <param name="weight">The tensor.</param>
    /// <param name="weights">All of the folder.</param>
    public string? FaultOf(ModelWeight weight, ModelWeights weights)
    {
        string? name = InLayer(weight.Name, out int layer);
        if (name is null || layer >= config.NLayer || !IsOne(weight.Name)) return $"extra: {weight.Entry}";
        if (OtherFrequencies.Contains(name))
            return weights.HaveSameValues(weight, weight.Name[..^name.Length] + FirstFrequency) ? null
                : $"not shared: {weight.Entry} differs from that of the first sine, with which this model shares it";
        (_, Shape shape, float[] expected) = All.Single(buffer => buffer.Name == name);
        if (weight.Entry.Shape != shape) return $"mis-shaped: {weight.Entry}, expected {shape}";
        return IsNear(weight, expected) ? null
            : $"not as the model computes it: {weight.Entry}; is max_seq_len of config.json that of these weights?";
    }

    private static bool IsNear(ModelWeight weight, float[] expected)
    {
        var values = new float[weight.Entry.Count];
        weight.File.Read(weight.Entry, values);
        for (int i = 0; i < values.Length; i++)
            if (!(MathF.Abs(values[i] - expected[i]) <= LargestError * MathF.Max(1, MathF.Abs(expected[i])))) return false;
        return true;
    }

    /// <summary>What stands behind the number of the layer that a name is of; null where it is of none.</summary>
    private static string? InLayer(string name, out int layer)
    {
        const int mostDigits = 4;
        layer = -1;
        if (!name.StartsWith(Layers, StringComparison.Ordinal)) return null;
        int end = name.IndexOf('.', Layers.Length);
        return end > Layers.Length && end <= Layers.Length + mostDigits
            && int.TryParse(name.AsSpan(Layers.Length, end - Layers.Length), NumberStyles.None, CultureInfo.InvariantCulture, out layer)
            ? name[end..] : null;
    }

    private double Time(int position) => position / (double)(config.MaxSeqLen - 1);

    private float Decay(int channel)
    {
        double slowest = Math.Log(0.01) / 1.5, fastest = Math.Log(0.01) / 0.3;
        return (float)(config.DModel == 1 ? slowest : slowest + ((fastest - slowest) * channel / (config.DModel - 1)));
    }

    private float[] MakePositions()
    {
        int width = config.EmbDim, bands = width / 2;
        var z = new float[(long)config.MaxSeqLen * width];
        for (int i = 0; i < config.MaxSeqLen; i++)
        {
            long row = (long)i * width;
            z[row] = (float)Time(i);
            for (int band = 0; band < bands; band++)
            {
                double frequency = bands == 1 ? 1e-4 : 1e-4 + (band * (bands - 1 - 1e-4) / (bands - 1));
                (double sin, double cos) = Math.SinCos(2 * Math.PI * i / config.MaxSeqLen * frequency);
                z[row + 1 + band] = (float)cos;
                z[row + 1 + bands + band] = (float)-sin;
            }
        }

        return z;
    }
}
