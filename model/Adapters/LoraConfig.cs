using System.Text.Json;
using Engine.Autograd;

namespace Dnabert2.Adapters;

/// <summary>
/// Writes an <c>adapter_config.json</c> with the keys that every version of the Python library PEFT knows: most versions refuse a key that
/// they do not know, whatever it says. What is left out is what PEFT takes where nothing is said.
/// </summary>
internal static class LoraConfig
{
    public static byte[] Write(SequenceModel model, LoraOptions options, string baseFolder)
    {
        using var stream = new MemoryStream();
        using (var json = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            json.WriteString("base_model_name_or_path", baseFolder);
            json.WriteString("bias", "none");
            json.WriteBoolean("fan_in_fan_out", false);
            json.WriteBoolean("inference_mode", true);
            json.WriteBoolean("init_lora_weights", true);
            json.WriteNumber("lora_alpha", options.Alpha);
            json.WriteNumber("lora_dropout", options.Dropout);
            Strings(json, "modules_to_save", ModulesToSave(model));
            json.WriteString("peft_type", "LORA");
            json.WriteNumber("r", options.Rank);
            Strings(json, "target_modules", TargetModules(model));
            json.WriteString("task_type", "SEQ_CLS");
            json.WriteEndObject();
        }

        return stream.ToArray();
    }

    private static void Strings(Utf8JsonWriter json, string key, IEnumerable<string> values)
    {
        json.WriteStartArray(key);
        foreach (string value in values) json.WriteStringValue(value);
        json.WriteEndArray();
    }

    private static IEnumerable<string> ModulesToSave(SequenceModel model)
    {
        if (model.Parameters.Parameters.Any(p => !p.IsFrozen && Checkpoint.PartOf(p.Name) == ModelParts.Classifier))
            yield return model.Architecture.ClassifierWeight.Split('.')[0];
        if (model.Parameters.Parameters.Any(p => !p.IsFrozen && Checkpoint.PartOf(p.Name) == ModelParts.Pooler)) yield return "pooler";
    }

    /// <summary>PEFT knows whole names and their ends: the end if it stands for all encoder layers, otherwise the whole name.</summary>
    private static IEnumerable<string> TargetModules(SequenceModel model)
    {
        foreach (IGrouping<string, Linear> group in model.Linears.GroupBy(l => Lora.Suffix(l.Prefix)))
        {
            if (group.All(l => l.Addition is not null)) yield return group.Key;
            else foreach (Linear layer in group.Where(l => l.Addition is not null)) yield return layer.Prefix;
        }
    }
}
