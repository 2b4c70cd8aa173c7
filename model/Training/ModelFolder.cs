using System.Text.Json.Nodes;
using Dnabert2.Files;
using Dnabert2.Folders;
using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Training;

/// <summary>Writes models as folders that <see cref="Dnabert2Model.Load"/> and Hugging Face's classes read.</summary>
public static class ModelFolder
{
    /// <summary>The files without which there is no model.</summary>
    internal static IReadOnlyList<string> Files { get; } = ["model.safetensors", "config.json", "tokenizer.json"];

    /// <summary>Those, and the ones that may come along from another folder.</summary>
    internal static IReadOnlyList<string> AllFiles { get; } = [.. Files, .. ModelOrigin.Names];

    /// <summary>
    /// Writes <c>model.safetensors</c>, <c>config.json</c>, <c>tokenizer.json</c> and <c>tokenizer_config.json</c>, each atomically. From
    /// the folder that the model was loaded from come along all other keys of its <c>config.json</c>, such as <c>auto_map</c>, and the
    /// files beside it that its tokenizer or <c>auto_map</c> need.
    /// </summary>
    /// <param name="model">A model that was loaded or initialised for training.</param>
    /// <param name="folder">The folder; made if there is none.</param>
    /// <exception cref="IOException">A file cannot be written, or the disk is full.</exception>
    /// <exception cref="NotFiniteNumberException">A weight is not finite; the message names its tensor.</exception>
    /// <exception cref="InvalidOperationException">The weights are laid out for inference.</exception>
    public static void Save(Dnabert2Model model, string folder) =>
        Save(model, folder, ModelOrigin.Bytes(Config(model ?? throw new ArgumentNullException(nameof(model)))));

    /// <summary>Writes a model folder.</summary>
    /// <param name="model">The model, laid out for training.</param>
    /// <param name="folder">The folder; made if there is none.</param>
    /// <param name="config">Its <c>config.json</c>.</param>
    /// <param name="disk">On which disk.</param>
    /// <param name="maxTokens">
    /// The most tokens of a sequence in training, which goes into the tokenizer's settings; null: what these say.
    /// </param>
    /// <param name="dtype">The type of the weights: F32 or BF16.</param>
    internal static void Save(
        Dnabert2Model model, string folder, byte[] config, FileOperations? disk = null, int? maxTokens = null, DType dtype = DType.F32)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder)) (disk ?? FileOperations.OfMachine).CreateFolder(folder);
        // As Hugging Face's tools do, a tied weight is written once, and the metadata names the one that stands for it.
        Dictionary<string, string> tied = [];
        foreach (Parameter p in model.Parameters.Parameters)
            if (p.TiedTo is { } original) tied[p.Name] = original.Name;
        TensorFile.Write(
            Path.Combine(folder, ModelWeights.Safetensors), model.Backend, TensorFile.Parameters(model.Parameters), tied, disk, dtype);
        SaveWithoutWeights(model, folder, config, disk, maxTokens);
    }

    /// <summary>Writes what a model folder holds besides the weights.</summary>
    internal static void SaveWithoutWeights(Dnabert2Model model, string folder, byte[] config, FileOperations? disk, int? maxTokens)
    {
        ResultFiles.Write(Path.Combine(folder, "config.json"), config, disk);
        ResultFiles.Write(Path.Combine(folder, "tokenizer.json"), model.Tokenizer.Save, disk);
        model.Origin?.WriteFiles(folder, maxTokens, disk);
        if (model.Origin is not { HasTokenizerConfig: true })
            ResultFiles.Write(
                Path.Combine(folder, ModelOrigin.TokenizerConfig), ModelOrigin.NewTokenizerConfig(model.Tokenizer, maxTokens), disk);
    }

    internal static byte[] Config(Dnabert2Config config)
    {
        using var stream = new MemoryStream();
        config.Save(stream);
        return stream.ToArray();
    }

    /// <summary>The <c>config.json</c> of a model: this library's keys, and those of its origin.</summary>
    internal static JsonObject Config(Dnabert2Model model, DType dtype = DType.F32)
    {
        JsonObject json = JsonNode.Parse(Config(model.Config))!.AsObject();
        json["architectures"] = new JsonArray(
            model.Classifier is not null ? "BertForSequenceClassification" : model.MlmHead is not null ? "BertForMaskedLM" : "BertModel");
        return model.Origin?.Config(
            json, model.Classifier is null ? null : model.Config.NumLabels, dtype == DType.BF16 ? "bfloat16" : "float32") ?? json;
    }
}
