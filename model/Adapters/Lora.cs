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
        IReadOnlyList<string> targets = options.Targets ?? model.Architecture.LoraTargets;
        if (model.Statistics.Count > 0)
            throw new ArgumentException(
                $"{model.Architecture.Name} has running statistics, which an adapter would leave behind; train all of it");
        foreach (string pattern in targets)
            if (!layers.Any(layer => LoraOptions.Matches(pattern, layer.Prefix)))
                throw new ArgumentException(
                    $"LoRA's target '{Excerpt.Of(pattern)}' is no linear layer that may have additions; these are " +
                    string.Join(", ", layers.Select(layer => Suffix(layer.Prefix)).Distinct()));
        foreach (Linear layer in layers)
            if (targets.Any(pattern => LoraOptions.Matches(pattern, layer.Prefix)))
                layer.Add(model.Parameters, options.Rank, options.Scale, (float)options.Dropout);
        foreach (Parameter p in model.Parameters.Parameters) p.IsFrozen = !IsFactor(p) && (Checkpoint.PartOf(p.Name) & trained) == 0;
    }

    /// <summary>Whether a parameter is of a low-rank addition.</summary>
    public static bool IsFactor(Parameter p) => p.Kind is ParameterKind.LowRankDown or ParameterKind.LowRankUp;

    /// <summary>The layer of a factor.</summary>
    public static string LayerOf(Parameter factor) => factor.Name[..factor.Name.LastIndexOf(".lora_", StringComparison.Ordinal)];

    /// <summary>The name of a linear layer within its numbered layer of the encoder, or outside of them its own.</summary>
    public static string Suffix(string layer)
    {
        string[] parts = layer.Split('.');
        int number = Array.FindIndex(parts, part => part.Length > 0 && part.All(char.IsAsciiDigit));
        return number < 0 || number == parts.Length - 1 ? layer : string.Join('.', parts.Skip(number + 1));
    }
}
