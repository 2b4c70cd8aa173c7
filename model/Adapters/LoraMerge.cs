using Dnabert2.Folders;

namespace Dnabert2.Adapters;

/// <summary>Makes plain models of adapters and their bases.</summary>
public static class LoraMerge
{
    /// <summary>
    /// Writes a plain model folder: the weights of the base with the additions <c>s B A</c> (s = alpha / r, or alpha / √r; with DoRA
    /// rows of a learned length), and what the adapter holds wholly. Its outputs are those of base and adapter together, but for rounding.
    /// </summary>
    /// <param name="adapterFolder">The adapter, as fine-tuning or the Python library PEFT writes it.</param>
    /// <param name="folder">The new folder.</param>
    /// <param name="baseFolder">The base; null: the folder that the adapter names.</param>
    /// <exception cref="InvalidDataException">A file is damaged, adapter and base do not fit, or what comes out is not finite.</exception>
    /// <exception cref="IOException">A file is missing or cannot be written, or the folder holds a model already.</exception>
    public static void Merge(string adapterFolder, string folder, string? baseFolder = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(adapterFolder);
        if (!Directory.Exists(adapterFolder))
            throw new DirectoryNotFoundException(
                $"{adapterFolder}: no such folder; an adapter is a folder with {AdapterConfig.FileName} and {LoraAdapter.WeightFile}");
        if (!LoraAdapter.IsIn(adapterFolder))
            throw new FileNotFoundException($"{adapterFolder}: is not an adapter: {AdapterConfig.FileName} is missing");
        ModelSource.Open(adapterFolder, baseFolder).SavePlain(folder);
    }
}
