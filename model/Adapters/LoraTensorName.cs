using Dnabert2.Folders;

namespace Dnabert2.Adapters;

/// <summary>What a tensor of an adapter is.</summary>
internal enum LoraTensorKind
{
    /// <summary>A parameter of the model that was trained wholly.</summary>
    Whole,

    /// <summary>The first factor A of an addition, [r, in].</summary>
    Down,

    /// <summary>The second factor B, [out, r].</summary>
    Up,

    /// <summary>The lengths of the rows of a weight, [out] (DoRA).</summary>
    Magnitude,

    /// <summary>A module as it was before it was trained wholly; what it became is beside it.</summary>
    Before,
}

/// <summary>
/// The name of a tensor in an adapter's file, as PEFT writes it: <c>base_model.model.LAYER.lora_A.weight</c> or, of a parameter trained
/// wholly, its own name. Left out are the wrappers of training scripts, and what PEFT's own modules are called in a running model:
/// <c>base_layer</c>, <c>modules_to_save</c> and the adapter's name <c>default</c>.
/// </summary>
/// <param name="Kind">What it is.</param>
/// <param name="Module">
/// The layer, or the whole parameter, as PEFT knows it: without <c>bert.</c> where the encoder was trained alone.
/// </param>
internal readonly record struct LoraTensorName(LoraTensorKind Kind, string Module)
{
    private const string Mark = "lora_", Adapter = "default";

    /// <summary>The name in the model.</summary>
    public string Target => WeightNames.InModel(Module);

    /// <summary>Whether a name without wrappers is one of an addition's.</summary>
    public static bool IsOfAddition(string name) => name.Contains("." + Mark, StringComparison.Ordinal);

    /// <summary>Takes a name apart; null where it is none that is understood.</summary>
    public static LoraTensorName? Parse(string stored)
    {
        List<string> parts = [.. WeightNames.Unwrapped(stored).Split('.').Where(part => part != "base_layer")];
        if (parts.Contains("original_module")) return new LoraTensorName(LoraTensorKind.Before, stored);
        if (parts.IndexOf("modules_to_save") is >= 0 and int saved)
        {
            parts.RemoveAt(saved);
            if (saved < parts.Count && parts[saved] == Adapter) parts.RemoveAt(saved);
        }

        int at = parts.FindIndex(part => part.StartsWith(Mark, StringComparison.Ordinal));
        if (at < 0) return new LoraTensorName(LoraTensorKind.Whole, string.Join('.', parts));
        string rest = string.Join('.', parts.Skip(at + 1).Where(part => part != Adapter)), module = string.Join('.', parts.Take(at));
        return (parts[at], rest) switch
        {
            ("lora_A", "weight") => new LoraTensorName(LoraTensorKind.Down, module),
            ("lora_B", "weight") => new LoraTensorName(LoraTensorKind.Up, module),
            ("lora_magnitude_vector", "weight" or "") => new LoraTensorName(LoraTensorKind.Magnitude, module),
            _ => null,
        };
    }
}
