using Engine.Autograd;

namespace Dnabert2.Adapters;

/// <summary>Gives models low-rank additions.</summary>
internal static class Lora
{
    /// <summary>
    /// Gives the linear layers that the options name an addition each, and freezes all other parameters but the given parts. To be called
    /// before the parameters are filled.
    /// </summary>
    /// <param name="model">The model.</param>
    /// <param name="options">Which layers, and how.</param>
    /// <param name="trained">The parts that are trained wholly, besides.</param>
    /// <exception cref="ArgumentException">A target names no linear layer that may have additions.</exception>
    public static void Attach(SequenceModel model, LoraOptions options, ModelParts trained)
    {
        options.Validate();
        Linear[] layers = [.. model.Linears];
        foreach (string pattern in options.Targets)
            if (!layers.Any(layer => LoraOptions.Matches(pattern, layer.Prefix)))
                throw new ArgumentException(
                    $"LoRA's target '{Excerpt.Of(pattern)}' is no linear layer that may have additions; these are " +
                    string.Join(", ", layers.Select(layer => Suffix(layer.Prefix)).Distinct()));
        foreach (Linear layer in layers)
            if (options.Targets.Any(pattern => LoraOptions.Matches(pattern, layer.Prefix)))
                layer.Add(model.Parameters, options.Rank, options.Scale, (float)options.Dropout);
        foreach (Parameter p in model.Parameters.Parameters) p.IsFrozen = !IsFactor(p) && (Checkpoint.PartOf(p.Name) & trained) == 0;
    }

    /// <summary>Whether a parameter is of a low-rank addition.</summary>
    public static bool IsFactor(Parameter p) => p.Kind is ParameterKind.LowRankDown or ParameterKind.LowRankUp;

    /// <summary>The layer of a factor.</summary>
    public static string LayerOf(Parameter factor) => factor.Name[..factor.Name.LastIndexOf(".lora_", StringComparison.Ordinal)];

    /// <summary>The name of a layer within its encoder layer, or outside of them its own.</summary>
    public static string Suffix(string layer) =>
        layer.Contains(".layer.", StringComparison.Ordinal) ? string.Join('.', layer.Split('.').Skip(4)) : layer;
}
