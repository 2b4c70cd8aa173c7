using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>Makes plain models of adapters and their bases.</summary>
public static class LoraMerge
{
    /// <summary>
    /// Writes a plain model folder: the weights of the base with <c>(alpha / r) B A</c> added, and the parts that the adapter holds wholly.
    /// Its outputs are those of base and adapter together, but for rounding.
    /// </summary>
    /// <param name="adapterFolder">The adapter, as fine-tuning or the Python library PEFT writes it.</param>
    /// <param name="folder">The new folder.</param>
    /// <param name="baseFolder">The base; null: the folder that the adapter names.</param>
    /// <exception cref="InvalidDataException">A file is damaged, or adapter and base do not fit.</exception>
    /// <exception cref="IOException">A file is missing or cannot be written, or the folder holds a model already.</exception>
    public static void Merge(string adapterFolder, string folder, string? baseFolder = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(adapterFolder);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(adapterFolder))
            throw new DirectoryNotFoundException($"{adapterFolder}: no such folder; an adapter is a folder with {LoraAdapter.ConfigFile} and {LoraAdapter.WeightFile}");
        LoraAdapter adapter = LoraAdapter.Read(adapterFolder, baseFolder);
        using var result = new ResultFolder(folder);
        string config = File.Exists(Path.Combine(adapterFolder, "config.json")) ? Path.Combine(adapterFolder, "config.json")
            : Dnabert2Model.Existing(adapter.BaseFolder, "config.json");
        string tokenizer = File.Exists(Path.Combine(adapterFolder, "tokenizer.json")) ? Path.Combine(adapterFolder, "tokenizer.json")
            : Dnabert2Model.Existing(adapter.BaseFolder, "tokenizer.json");
        ModelParts parts;
        using (Checkpoint checkpoint = Checkpoint.Open(adapter.BaseFolder)) parts = checkpoint.Parts | adapter.Parts;
        using Backend backend = CpuBackend.Create();
        using Dnabert2Model merged = Load(adapter, Dnabert2Config.Load(config), BpeTokenizer.Load(tokenizer), parts, backend, trainable: true);
        ModelFolder.Save(merged, result.Path, JsonFields.Bytes(config));
        result.Commit();
    }

    /// <summary>Loads base and adapter as one model.</summary>
    internal static Dnabert2Model Load(
        LoraAdapter adapter, Dnabert2Config config, BpeTokenizer tokenizer, ModelParts parts, Backend? backend, bool trainable)
    {
        using Checkpoint checkpoint = Checkpoint.Open(adapter.BaseFolder);
        return Dnabert2Model.Make(
            config, tokenizer, backend, parts,
            set => checkpoint.Fill(set, parts, trainable, adapter.Read, adapter.Parts, adapter.Merge), adapter.CheckLayers);
    }
}
