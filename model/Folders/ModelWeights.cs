using System.Diagnostics.CodeAnalysis;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Weights;

namespace Dnabert2.Folders;

/// <summary>A tensor of a model folder.</summary>
/// <param name="Name">Its name in the model; wrappers of training scripts are taken off.</param>
/// <param name="File">The file that holds it.</param>
/// <param name="Entry">What it is there.</param>
internal sealed record ModelWeight(string Name, WeightFile File, WeightEntry Entry);

/// <summary>The weights of a model folder, in one file or in several with an index, under their names in the model.</summary>
internal sealed class ModelWeights : IDisposable
{
    public const string Safetensors = "model.safetensors", Torch = "pytorch_model.bin", IndexSuffix = ".index.json";

    // Of HyenaDNA's own repository, as PyTorch Lightning writes it.
    public const string Lightning = "weights.ckpt";
    private const int MostShards = 1024;
    private const string IndexRemedy = "download or save the folder again, with all its files";
    private readonly List<WeightFile> _files = [];
    private readonly List<ModelWeight> _all = [];
    private readonly Dictionary<string, ModelWeight> _byName = new(StringComparer.Ordinal);

    private ModelWeights(string path) => Path = path;

    /// <summary>The file, or the index of the files.</summary>
    public string Path { get; }

    /// <summary>The files, those of an index in the order of their names.</summary>
    public IReadOnlyList<WeightFile> Files => _files;

    /// <summary>All tensors.</summary>
    public IReadOnlyList<ModelWeight> All => _all;

    /// <summary>The names in the model: those of all tensors, and of tied ones that another stands for.</summary>
    public IReadOnlyCollection<string> Names => _byName.Keys;

    /// <summary>
    /// The file or index of a folder's weights, in the order in which Hugging Face looks for them, and last that of HyenaDNA's own
    /// repository; null where there is none.
    /// </summary>
    public static StoredFile? Find(StoredFolder folder)
    {
        foreach (string name in (ReadOnlySpan<string>)[Safetensors, Safetensors + IndexSuffix, Torch, Torch + IndexSuffix, Lightning])
            if (folder.Find(name) is { } file) return file;
        return null;
    }

    /// <summary>The files that hold a folder's weights; with an index they need not be there.</summary>
    /// <exception cref="InvalidDataException">The index is damaged.</exception>
    /// <param name="folder">The folder.</param>
    /// <param name="weights">What <see cref="Find"/> found there.</param>
    public static IReadOnlyList<StoredFile> FilesOf(StoredFolder folder, StoredFile weights)
    {
        if (!IsIndex(weights)) return [weights];
        return [.. ReadIndex(weights).Values.Distinct().Order(StringComparer.Ordinal)
            .Select(name => folder.Find(name) ?? System.IO.Path.Combine(folder.Path, name))];
    }

    /// <summary>Opens the weights of a folder.</summary>
    /// <exception cref="FileNotFoundException">There are none, or a file that the index names is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the index is not of these files.</exception>
    public static ModelWeights Open(StoredFolder folder)
    {
        StoredFile file = Find(folder) ?? throw new FileNotFoundException(
            $"{folder}: neither {Safetensors} nor {Torch} is there; a model folder has config.json, tokenizer.json and one of them");
        return OpenFile(file, folder);
    }

    /// <summary>Opens a weight file, or all files of an index.</summary>
    /// <exception cref="FileNotFoundException">A file that the index names is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the index is not of these files.</exception>
    public static ModelWeights OpenFile(string path) => OpenFile(path, System.IO.Path.GetDirectoryName(path)!);

    private static ModelWeights OpenFile(StoredFile file, StoredFolder folder)
    {
        var weights = new ModelWeights(file.Path);
        try
        {
            if (IsIndex(file)) weights.OpenShards(folder, ReadIndex(file));
            else weights._files.Add(WeightFile.Open(file));
            weights.NameAll();
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Finds the tensor of a name in the model.</summary>
    public bool TryGet(string name, [NotNullWhen(true)] out ModelWeight? weight) => _byName.TryGetValue(name, out weight);

    /// <summary>
    /// Whether a weight has the values of another one; true where that one is missing or of another shape, which is told apart.
    /// </summary>
    public bool HaveSameValues(ModelWeight a, string other)
    {
        if (!TryGet(other, out ModelWeight? b) || b.Entry.Shape != a.Entry.Shape || a.Entry == b.Entry) return true;
        if (a.Entry.TiedTo == b.Entry || b.Entry.TiedTo == a.Entry || (a.Entry.TiedTo is not null && a.Entry.TiedTo == b.Entry.TiedTo))
            return true;
        float[] left = new float[a.Entry.Count], right = new float[b.Entry.Count];
        a.File.Read(a.Entry, left);
        b.File.Read(b.Entry, right);
        return left.AsSpan().SequenceEqual(right);
    }

    public void Dispose()
    {
        foreach (WeightFile file in _files) file.Dispose();
    }

    private static bool IsIndex(StoredFile file) => file.Path.EndsWith(IndexSuffix, StringComparison.Ordinal);

    private static Dictionary<string, string> ReadIndex(StoredFile file) =>
        JsonFields.Read(file, IndexRemedy, json =>
        {
            var map = new Dictionary<string, string>(StringComparer.Ordinal);
            JsonFields named = json.Object("weight_map");
            foreach (string name in named.Keys) map.Add(name, named.FileName(name));
            if (map.Count == 0) throw json.Fault("weight_map", "names no tensor");
            if (map.Values.Distinct(StringComparer.Ordinal).Count() > MostShards)
                throw json.Fault("weight_map", $"names more than {MostShards} files");
            return map;
        });

    private void OpenShards(StoredFolder folder, Dictionary<string, string> said)
    {
        string[] names = [.. said.Values.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        string[] missing = [.. names.Where(name => !folder.Has(name))];
        if (missing.Length > 0)
            throw new FileNotFoundException(
                $"{Path} names {string.Join(", ", missing.Take(8))}{(missing.Length > 8 ? " and others" : "")}, " +
                $"which {(missing.Length == 1 ? "is" : "are")} missing; {IndexRemedy}");
        var found = new HashSet<string>(StringComparer.Ordinal);
        foreach (string name in names)
        {
            WeightFile file = WeightFile.Open(folder.Find(name)!.Value);
            _files.Add(file);
            foreach (WeightEntry entry in file.Entries)
            {
                if (!said.TryGetValue(entry.Name, out string? other)) throw Fault($"does not name {entry.Name}, which is in {name}");
                if (other != name) throw Fault($"says that {entry.Name} is in {other}; it is in {name}");
                found.Add(entry.Name);
            }
        }

        foreach ((string tensor, string name) in said)
            if (!found.Contains(tensor)) throw Fault($"says that {tensor} is in {name}, which lacks it");
    }

    /// <summary>Gives all tensors their names in the model.</summary>
    private void NameAll()
    {
        var stored = new List<(string Name, WeightFile File, WeightEntry Entry)>();
        foreach (WeightFile file in _files)
            foreach (WeightEntry entry in file.Entries) stored.Add((WeightNames.Unwrapped(entry.Name), file, entry));
        string prefix = WeightNames.MissingPrefix([.. stored.Select(s => s.Name)]);
        foreach ((string name, WeightFile file, WeightEntry entry) in stored)
        {
            var weight = new ModelWeight(prefix.Length > 0 ? WeightNames.InModel(name, prefix) : name, file, entry);
            if (_byName.TryGetValue(weight.Name, out ModelWeight? other))
                throw new InvalidDataException(
                    $"{Path}: holds both {other.Entry.Name} and {entry.Name}, which are one weight of the model; save it with one of them");
            _byName.Add(weight.Name, weight);
            _all.Add(weight);
        }

        // Of two tied weights a file may hold either.
        StandIn(WeightNames.WordEmbeddings, WeightNames.Decoder);
        StandIn(WeightNames.DecoderBias, WeightNames.HeadBias);
    }

    private void StandIn(string name, string other)
    {
        if (!_byName.ContainsKey(name) && _byName.TryGetValue(other, out ModelWeight? weight)) _byName.Add(name, weight);
    }

    private InvalidDataException Fault(string what) => new($"{Path}: {what}; {IndexRemedy}");
}
