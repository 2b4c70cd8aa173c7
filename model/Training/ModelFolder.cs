using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>Writes models as folders that <see cref="Dnabert2Model.Load"/> and Hugging Face's classes read.</summary>
public static class ModelFolder
{
    /// <summary>The files of a model.</summary>
    internal static IReadOnlyList<string> Files { get; } = ["model.safetensors", "config.json", "tokenizer.json"];

    /// <summary>Writes <c>model.safetensors</c>, <c>config.json</c> and <c>tokenizer.json</c>, each atomically.</summary>
    /// <param name="model">A model that was loaded or initialised for training.</param>
    /// <param name="folder">The folder; made if there is none.</param>
    /// <exception cref="IOException">A file cannot be written, or the disk is full.</exception>
    /// <exception cref="NotFiniteNumberException">A weight is not finite; the message names its tensor.</exception>
    /// <exception cref="InvalidOperationException">The weights are laid out for inference.</exception>
    public static void Save(Dnabert2Model model, string folder) =>
        Save(model, folder, Config((model ?? throw new ArgumentNullException(nameof(model))).Config));

    internal static void Save(Dnabert2Model model, string folder, byte[] config, FileOperations? disk = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        Directory.CreateDirectory(folder);
        // As Hugging Face's tools do, a tied weight is written once, and the metadata names the one that stands for it.
        Dictionary<string, string> tied = [];
        foreach (Parameter p in model.Parameters.Parameters)
            if (p.TiedTo is { } original) tied[p.Name] = original.Name;
        TensorFile.Write(Path.Combine(folder, "model.safetensors"), model.Backend, TensorFile.Parameters(model.Parameters), tied, disk);
        AtomicFile.Write(Path.Combine(folder, "config.json"), config, disk);
        AtomicFile.Write(Path.Combine(folder, "tokenizer.json"), model.Tokenizer.Save, disk);
    }

    internal static byte[] Config(Dnabert2Config config)
    {
        using var stream = new MemoryStream();
        config.Save(stream);
        return stream.ToArray();
    }
}
