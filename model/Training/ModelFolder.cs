using System.Text.Json.Nodes;
using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>Writes models as folders that <see cref="SequenceModel.Load"/> and Hugging Face's classes read.</summary>
public static class ModelFolder
{
    /// <summary>The files of all models, those that may come along from another folder among them.</summary>
    internal static IReadOnlyList<string> AllFiles { get; } =
    [
        .. new[] { ModelWeights.Safetensors, ModelSource.ConfigFile }
            .Concat(Architecture.All.SelectMany(architecture => architecture.TokenizerFiles)).Concat(ModelOrigin.Names).Distinct(),
    ];

    /// <summary>The files without which there is no such model.</summary>
    internal static IReadOnlyList<string> FilesOf(SequenceModel model) =>
        [ModelWeights.Safetensors, ModelSource.ConfigFile, .. TokenizerFileOf(model) is { } file ? [file] : (string[])[]];

    /// <summary>The name of the file of its tokenizer; null where there is none.</summary>
    private static string? TokenizerFileOf(SequenceModel model) =>
        model.Architecture.TokenizerFiles.Count == 0 ? null : TokenizerFile.NameOf(model.Tokenizer);

    /// <summary>
    /// Writes <c>model.safetensors</c>, <c>config.json</c>, the tokenizer (<c>tokenizer.json</c> or <c>vocab.txt</c>) and
    /// <c>tokenizer_config.json</c>, each atomically. From the folder that the model was loaded from come along all other keys of its
    /// <c>config.json</c>, such as <c>auto_map</c>, and the files beside it that its tokenizer or <c>auto_map</c> need.
    /// </summary>
    /// <param name="model">A model that was loaded or initialised for training.</param>
    /// <param name="folder">The folder; made if there is none.</param>
    /// <exception cref="IOException">A file cannot be written, or the disk is full.</exception>
    /// <exception cref="NotFiniteNumberException">A weight is not finite; the message names its tensor.</exception>
    /// <exception cref="InvalidOperationException">The weights are laid out for inference.</exception>
    public static void Save(SequenceModel model, string folder) =>
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
        SequenceModel model, string folder, byte[] config, FileOperations? disk = null, int? maxTokens = null, DType dtype = DType.F32)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder)) (disk ?? FileOperations.OfMachine).CreateFolder(folder);
        // As Hugging Face's tools do, a tied weight is written once, and the metadata names the one that stands for it.
        Dictionary<string, string> tied = [];
        foreach (Parameter p in model.Parameters.Parameters)
            if (p.TiedTo is { } original) tied[p.Name] = original.Name;
        using var unused = new Arena(model.Backend);
        TensorFile.Write(
            Path.Combine(folder, ModelWeights.Safetensors), model.Backend,
            [
                .. TensorFile.Parameters(model.Parameters), .. model.SecondNames.Select(second => (second.Name, second.Parameter.Value)),
                .. model.Origin?.Unused(unused) ?? [], .. dtype == DType.F32 ? model.Buffers(unused) : [],
            ],
            tied, disk, dtype);
        SaveWithoutWeights(model, folder, config, disk, maxTokens);
    }

    /// <summary>Writes what a model folder holds besides the weights.</summary>
    internal static void SaveWithoutWeights(SequenceModel model, string folder, byte[] config, FileOperations? disk, int? maxTokens)
    {
        ResultFiles.Write(Path.Combine(folder, ModelSource.ConfigFile), config, disk);
        if (TokenizerFileOf(model) is { } file) ResultFiles.Write(Path.Combine(folder, file), model.Tokenizer.Save, disk);
        model.Origin?.WriteFiles(folder, maxTokens, disk);
        if (model.Origin is not { HasTokenizerConfig: true })
            ResultFiles.Write(
                Path.Combine(folder, ModelOrigin.TokenizerConfig), ModelOrigin.NewTokenizerConfig(model, maxTokens), disk);
    }

    internal static byte[] Config(Dnabert2Config config)
    {
        using var stream = new MemoryStream();
        config.Save(stream);
        return stream.ToArray();
    }

    /// <summary>The same as an object.</summary>
    internal static JsonObject Keys(Dnabert2Config config) => JsonNode.Parse(Config(config))!.AsObject();

    /// <summary>The <c>config.json</c> of a model: this library's keys, and those of its origin.</summary>
    internal static JsonObject Config(SequenceModel model, DType dtype = DType.F32)
    {
        JsonObject json = model.WriteConfig();
        json["architectures"] = new JsonArray(model.Architecture.ClassOf(model.Parts));
        return model.Origin?.Config(
            json, model.Parts.HasFlag(ModelParts.Classifier) ? model.NumLabels : null, dtype == DType.BF16 ? "bfloat16" : "float32",
            model.IsOfPublishedCode) ?? json;
    }
}
