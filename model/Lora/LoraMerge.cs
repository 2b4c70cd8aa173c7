using Dnabert2.Training;
using Engine.Runtime;

namespace Dnabert2;

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
            throw new DirectoryNotFoundException($"{adapterFolder}: no such folder; an adapter is a folder with {AdapterConfig.FileName} and {LoraAdapter.WeightFile}");
        if (!LoraAdapter.IsIn(adapterFolder))
            throw new FileNotFoundException($"{adapterFolder}: is no adapter: {AdapterConfig.FileName} is missing");
        Merge(ModelSource.Open(adapterFolder, baseFolder), folder);
    }

    /// <summary>Writes a plain model folder of an adapter and its base; see <see cref="Merge(string, string, string?)"/>.</summary>
    /// <param name="adapter">The adapter.</param>
    /// <param name="folder">The new folder.</param>
    /// <param name="dtype">The type of the weights: F32, or BF16 (rounded to nearest, ties to even).</param>
    /// <exception cref="ArgumentException">The source is no adapter, or the type another one.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, adapter and base do not fit, or what comes out is not finite.</exception>
    /// <exception cref="IOException">A file is missing or cannot be written, or the folder holds a model already.</exception>
    public static void Merge(ModelSource adapter, string folder, DType dtype = DType.F32)
    {
        ArgumentNullException.ThrowIfNull(adapter);
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!adapter.IsAdapter) throw new ArgumentException($"{adapter.Folder}: is no adapter", nameof(adapter));
        if (dtype is not (DType.F32 or DType.BF16)) throw new ArgumentException($"weights are written as F32 or BF16, not as {dtype}", nameof(dtype));
        using var result = new ResultFolder(folder);
        using Backend backend = CpuBackend.Create();
        using Dnabert2Model merged = adapter.Load(backend, trainable: true);
        ModelFolder.Save(merged, result.Path, ModelOrigin.Bytes(ModelFolder.Config(merged, dtype)), dtype: dtype);
        result.Commit();
    }
}
