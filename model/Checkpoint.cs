using Dnabert2.Adapters;
using Dnabert2.Folders;
using Dnabert2.Weights;
using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>
/// Gives a model's parameters the values of a folder's weights, strictly: everything missing, extra or mis-shaped is in one error.
/// </summary>
internal sealed class Checkpoint : IDisposable
{
    private readonly ModelWeights _weights;

    private Checkpoint(ModelWeights weights)
    {
        _weights = weights;
        foreach (ModelWeight weight in weights.All) Parts |= PartOf(weight.Name);
    }

    /// <summary>The parts the file has weights of.</summary>
    public ModelParts Parts { get; }

    /// <summary>Opens the weights of a model folder; see <see cref="ModelWeights"/>.</summary>
    /// <exception cref="FileNotFoundException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public static Checkpoint Open(StoredFolder folder) => new(ModelWeights.Open(folder));

    /// <summary>The identity of the encoder as the base of adapters.</summary>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public string EncoderIdentity() => BaseIdentity.Of(_weights);

    /// <summary>The shape of a weight, or null where there is none.</summary>
    public Shape? ShapeOf(string name) => _weights.TryGet(name, out ModelWeight? weight) ? weight.Entry.Shape : null;

    /// <summary>Gives the values of a set's parameters to whoever takes them: fills the set, or writes them elsewhere.</summary>
    /// <param name="set">The declared parameters of the parts in use.</param>
    /// <param name="parts">The parts in use; weights of other parts are not looked at.</param>
    /// <param name="take">Takes the values, of one parameter after the other, from what it is given.</param>
    /// <param name="others">Gives what the file is not asked for: low-rank additions, and what <paramref name="ofOthers"/> says.</param>
    /// <param name="ofOthers">Whether a parameter comes from <paramref name="others"/>.</param>
    /// <param name="change">Changes values, wherever they come from.</param>
    /// <param name="besides">
    /// Says what is wrong with a weight of these parts that is no parameter; null: that it is one too many.
    /// </param>
    /// <exception cref="InvalidDataException">The file does not hold exactly these parameters, or a value is not finite.</exception>
    public void Give(
        ParameterSet set, ModelParts parts, Action<ParameterSource> take, ParameterSource? others = null,
        Func<Parameter, bool>? ofOthers = null, ParameterSource? change = null, Func<ModelWeight, ModelWeights, string?>? besides = null)
    {
        CheckNames(set, parts, IsOfOthers, besides);
        take(Source);

        bool IsOfOthers(Parameter parameter) => Lora.IsFactor(parameter) || (ofOthers?.Invoke(parameter) ?? false);

        void Source(Parameter parameter, int index, Span<float> destination)
        {
            if (IsOfOthers(parameter)) others!(parameter, index, destination);
            else Read(parameter, destination);
            change?.Invoke(parameter, index, destination);
        }
    }

    public void Dispose() => _weights.Dispose();

    private void Read(Parameter parameter, Span<float> destination)
    {
        if (!_weights.TryGet(parameter.Name, out ModelWeight? weight))
            throw new InvalidOperationException($"{parameter.Name} was not checked");
        weight.File.Read(weight.Entry, destination);
        int at = FloatValues.IndexOfNonFinite(destination);
        if (at >= 0)
            throw new InvalidDataException(
                $"{weight.File.Path}: tensor {weight.Entry.Name} holds {destination[at]} at element {at}; the weights are damaged");
    }

    private void CheckNames(
        ParameterSet set, ModelParts parts, Func<Parameter, bool> ofOthers, Func<ModelWeight, ModelWeights, string?>? besides)
    {
        if (_weights.All.FirstOrDefault(w => LoraTensorName.IsOfAddition(w.Name)) is { } addition)
            throw new InvalidDataException(
                $"{addition.File.Path}: {addition.Entry.Name} is of a low-rank addition beside its weight: these are weights " +
                "of a PEFT model; merge them in Python (merge_and_unload) and save that model, or save the adapter alone " +
                "(save_pretrained)");
        var faults = new FaultList();
        var known = new HashSet<string>(StringComparer.Ordinal);
        foreach (Parameter parameter in set.Parameters)
        {
            known.Add(parameter.Name);
            if (ofOthers(parameter)) continue;
            if (!_weights.TryGet(parameter.Name, out ModelWeight? weight))
            {
                if (parameter.TiedTo is null) faults.Add($"missing: {parameter.Name} {parameter.Shape}");
            }
            else if (weight.Entry.Shape != parameter.Shape) faults.Add($"mis-shaped: {weight.Entry}, expected {parameter.Shape}");
            else if (weight.Entry.DType is null or DType.I32 or DType.U8) faults.Add($"not a floating-point tensor: {weight.Entry}");
            else if (parameter.TiedTo is { } original && !_weights.HaveSameValues(weight, original.Name))
                faults.Add($"not tied: {weight.Entry.Name} differs from {original.Name}, with which this model shares it");
        }

        foreach (ModelWeight weight in _weights.All)
        {
            if (known.Contains(weight.Name) || (PartOf(weight.Name) & ~parts) != 0 || WeightNames.IsUnused(weight.Name)) continue;
            if (weight.Name == WeightNames.HeadBias && _weights.HaveSameValues(weight, WeightNames.DecoderBias)) continue;
            if (besides is null) faults.Add($"extra: {weight.Entry}");
            else if (besides(weight, _weights) is { } fault) faults.Add($"{fault}");
        }

        if (faults.Count > 0)
            throw new InvalidDataException($"{_weights.Path} does not hold the weights that config.json beside it describes:{faults}");
    }

    /// <summary>The part that a parameter belongs to.</summary>
    public static ModelParts PartOf(string name)
    {
        // The head of an ESM, of several layers, is one of masked tokens; that of HyenaDNA is this one matrix.
        return name == "lm_head.weight" ? ModelParts.CausalHead
            : Begins("bert.pooler.") ? ModelParts.Pooler
            : Begins("cls.predictions.") || Begins("lm_head.") ? ModelParts.MlmHead
            : Begins("classifier.") || Begins("score.") || Begins("dense_model.1.") ? ModelParts.Classifier
            : ModelParts.Encoder;

        bool Begins(string start) => name.StartsWith(start, StringComparison.Ordinal);
    }
}
