using Dnabert2.Folders;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Hyena;

/// <summary>
/// Fills a model's parameters from the weights of a folder, strictly: everything missing, extra or mis-shaped is in one error.
/// </summary>
internal sealed class HyenaWeights : IDisposable
{
    private const string Positions = ".mixer.filter_fn.pos_emb.z", Times = ".mixer.filter_fn.pos_emb.t",
        Decays = ".mixer.filter_fn.modulation.deltas";

    // The same tensor as 1.freq; some files hold it under all three names.
    private const string FirstFrequency = ".implicit_filter.1.freq";
    private static readonly string[] OtherFrequencies = [".implicit_filter.3.freq", ".implicit_filter.5.freq"];

    // Positions are sums, products and sines of float32.
    private const float LargestError = 1e-4f;
    private readonly ModelWeights _weights;

    private HyenaWeights(ModelWeights weights)
    {
        _weights = weights;
        foreach (ModelWeight weight in weights.All) Parts |= PartOf(weight.Name);
    }

    /// <summary>The parts the file has weights of.</summary>
    public HyenaParts Parts { get; }

    /// <summary>Opens the weights of a model folder; see <see cref="ModelWeights"/>.</summary>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static HyenaWeights Open(string folder) => new(ModelWeights.Open(folder));

    /// <summary>Fills the set; weights of parts that it has no parameters of are not looked at.</summary>
    /// <exception cref="InvalidDataException">The file does not hold exactly these parameters, or a value is not finite.</exception>
    public void Fill(ParameterSet set, HyenaConfig config, bool trainable)
    {
        Check(set, config);
        if (trainable) set.FillFlat(Source);
        else set.FillPacked(Source);

        void Source(Parameter parameter, int index, Span<float> destination)
        {
            _weights.TryGet(parameter.Name, out ModelWeight? weight);
            weight!.File.Read(weight.Entry, destination);
            int at = FloatValues.IndexOfNonFinite(destination);
            if (at >= 0)
                throw new InvalidDataException(
                    $"{weight.File.Path}: tensor {weight.Entry.Name} holds {destination[at]} at element {at}; the weights are damaged");
        }
    }

    public void Dispose() => _weights.Dispose();

    private void Check(ParameterSet set, HyenaConfig config)
    {
        var faults = new FaultList();
        var known = new HashSet<string>(StringComparer.Ordinal);
        HyenaParts parts = HyenaParts.Backbone;
        foreach (Parameter parameter in set.Parameters)
        {
            known.Add(parameter.Name);
            parts |= PartOf(parameter.Name);
            if (!_weights.TryGet(parameter.Name, out ModelWeight? weight)) faults.Add($"missing: {parameter.Name} {parameter.Shape}");
            else if (weight.Entry.Shape != parameter.Shape) faults.Add($"mis-shaped: {weight.Entry}, expected {parameter.Shape}");
            else if (weight.Entry.DType is null or DType.I32 or DType.U8) faults.Add($"not a floating-point tensor: {weight.Entry}");
        }

        var buffers = new HyenaBuffers(config);
        foreach (ModelWeight weight in _weights.All)
        {
            if (known.Contains(weight.Name) || (PartOf(weight.Name) & ~parts) != 0) continue;
            if (Layer(weight.Name, out string inLayer) is int layer && layer < config.NLayer)
            {
                float[]? expected = inLayer switch
                {
                    Positions => buffers.Positions,
                    Times => buffers.Times,
                    Decays => buffers.Decays,
                    _ => null,
                };
                Shape shape = inLayer switch
                {
                    Positions => new Shape(1, config.MaxSeqLen, config.EmbDim),
                    Times => new Shape(1, config.MaxSeqLen, 1),
                    _ => new Shape(1, 1, config.DModel),
                };
                if (expected is not null)
                {
                    if (weight.Entry.Shape != shape) faults.Add($"mis-shaped: {weight.Entry}, expected {shape}");
                    else if (!IsNear(weight, expected))
                        faults.Add($"not as the model computes it: {weight.Entry}; is max_seq_len of config.json that of these weights?");
                    continue;
                }

                if (OtherFrequencies.FirstOrDefault(end => weight.Name.EndsWith(end, StringComparison.Ordinal)) is { } other)
                {
                    if (!HasValuesOf(weight, weight.Name[..^other.Length] + FirstFrequency))
                        faults.Add($"not shared: {weight.Entry} differs from that of the first sine, with which this model shares it");
                    continue;
                }
            }

            faults.Add($"extra: {weight.Entry}");
        }

        if (faults.Count > 0)
            throw new InvalidDataException($"{_weights.Path} does not hold the weights that config.json beside it describes:{faults}");
    }

    private static bool IsNear(ModelWeight weight, float[] expected)
    {
        var values = new float[weight.Entry.Count];
        weight.File.Read(weight.Entry, values);
        for (int i = 0; i < values.Length; i++)
            if (!(MathF.Abs(values[i] - expected[i]) <= LargestError * MathF.Max(1, MathF.Abs(expected[i])))) return false;
        return true;
    }

    /// <summary>Whether a weight has the values of another one; true where that one is missing, which is told apart.</summary>
    private bool HasValuesOf(ModelWeight weight, string other)
    {
        if (!_weights.TryGet(other, out ModelWeight? first) || first.Entry == weight.Entry) return true;
        if (first.Entry.Shape != weight.Entry.Shape) return false;
        float[] left = new float[weight.Entry.Count], right = new float[weight.Entry.Count];
        weight.File.Read(weight.Entry, left);
        first.File.Read(first.Entry, right);
        return left.AsSpan().SequenceEqual(right);
    }

    /// <summary>The number of the layer that a name is of, and what stands behind it.</summary>
    private static int? Layer(string name, out string inLayer)
    {
        const string start = "hyena.backbone.layers.";
        inLayer = "";
        if (!name.StartsWith(start, StringComparison.Ordinal)) return null;
        int end = start.Length, layer = 0;
        for (; end < name.Length && char.IsAsciiDigit(name[end]) && end < start.Length + 4; end++) layer = (layer * 10) + name[end] - '0';
        inLayer = name[end..];
        return end > start.Length ? layer : null;
    }

    private static HyenaParts PartOf(string name) =>
        name.StartsWith("lm_head.", StringComparison.Ordinal) ? HyenaParts.LmHead
        : name.StartsWith("score.", StringComparison.Ordinal) ? HyenaParts.Classifier
        : HyenaParts.Backbone;
}
