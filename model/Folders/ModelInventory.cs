using Dnabert2.Adapters;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Training;
using Dnabert2.Weights;

namespace Dnabert2.Folders;

/// <summary>What a folder holds of a model, and what it lacks: to be told to people before anything is loaded.</summary>
public sealed class ModelInventory
{
    private readonly List<StoredFile> _weights = [];
    private readonly List<string> _missing = [];
    private StoredFile? _config, _tokenizer;
    private StoredFolder _configFolder;

    private ModelInventory(string kind) => Kind = kind;

    /// <summary>What the folder is, for people.</summary>
    public string Kind { get; private init; }

    /// <summary>An adapter's method, rank, targets and parts, for people; null of anything else.</summary>
    public string? Adapter { get; private set; }

    /// <summary>The folder of an adapter's base; null where there is none, or it is not found.</summary>
    public string? Base { get; private set; }

    /// <summary>
    /// Whether the weights of the base are those that the adapter was trained on; null where that cannot be told, because the adapter does
    /// not record it or a file is missing.
    /// </summary>
    public bool? IsOwnBase { get; private set; }

    /// <summary>The <c>config.json</c>, or null where it is missing.</summary>
    public string? Config => _config?.Path;

    /// <summary>
    /// The file of the tokenizer: <c>tokenizer.json</c>, or of a model of k-mers or letters <c>vocab.txt</c>; null where it is missing, and
    /// of HyenaDNA, whose tokenizer has none.
    /// </summary>
    public string? Tokenizer => _tokenizer?.Path;

    /// <summary>The files of weights that are there, an adapter's first.</summary>
    public IReadOnlyList<string> Weights => _weights.ConvertAll(file => file.Path);

    /// <summary>The files that are there: config, tokenizer and weights, and their bytes.</summary>
    public IReadOnlyList<(string Path, long Bytes)> Files =>
        [.. new[] { _config, _tokenizer }.OfType<StoredFile>().Concat(_weights).Select(file => (file.Path, file.Length))];

    /// <summary>How many tensors of each type the files of weights hold.</summary>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public IReadOnlyDictionary<string, int> CountTensors()
    {
        var counts = new SortedDictionary<string, int>(StringComparer.Ordinal);
        foreach (StoredFile weights in _weights)
        {
            using WeightFile file = WeightFile.Open(weights);
            foreach (WeightEntry entry in file.Entries) counts[entry.TypeName] = counts.GetValueOrDefault(entry.TypeName) + 1;
        }

        return counts;
    }

    /// <summary>
    /// What is missing, for people; where nothing is, <see cref="ModelSource.Open(string, string?, SelfAttention?)"/> and
    /// <see cref="ModelSource.Load"/> find all files.
    /// </summary>
    public IReadOnlyList<string> Missing => _missing;

    /// <summary>Looks into a folder.</summary>
    /// <param name="folder">The folder of a model, an adapter or a run, or <see cref="ModelSource.BuiltIn"/>.</param>
    /// <param name="baseFolder">The base of an adapter; null: the one that the adapter names.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">An adapter's configuration or an index of weights is damaged or not supported.</exception>
    public static ModelInventory Of(string folder, string? baseFolder = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (folder == ModelSource.BuiltIn)
        {
            var builtIn = new ModelInventory("the model that comes with this library");
            builtIn.Add([BuiltInModel.Require()]);
            return builtIn;
        }

        if (!Directory.Exists(folder)) throw new DirectoryNotFoundException($"{folder}: no such folder; {ModelSource.Kinds}");
        if (LoraAdapter.IsIn(folder)) return OfAdapter(folder, baseFolder);
        bool hasModel = ModelSource.HoldsModelFiles(folder);
        if (hasModel || Pretrainer.LastCheckpointOf(folder) is not { } checkpoint)
        {
            var plain = new ModelInventory(FineTuner.HoldsRun(folder) ? "the model of a run of fine-tuning" : "a model");
            plain.Add([folder]);
            if (!hasModel && ModelSource.ModelsIn(folder) is { Length: > 0 } inside)
                plain._missing.Add($"a model in the folder itself; there are some in {inside}");
            return plain;
        }

        bool trained = File.Exists(Path.Combine(checkpoint, ModelSource.ConfigFile));
        var run = new ModelInventory(trained
            ? $"a run of pre-training; taken is its last checkpoint, {Path.GetFileName(checkpoint)}"
            : $"a run of fine-tuning that has not come to its end; its last checkpoint is {Path.GetFileName(checkpoint)}");
        if (trained) run.Add([checkpoint]);
        else run._missing.Add("the model, which the run writes in its end: resume it");
        return run;
    }

    /// <summary>Architecture and hyper-parameters, for people; null where there is no <c>config.json</c>.</summary>
    /// <exception cref="InvalidDataException">It is damaged, or of an architecture that is not supported.</exception>
    public string? DescribeConfig() =>
        _config is { } config ? Architecture.Of(config, _configFolder).DescribeConfig(config) : null;

    /// <summary>The tokenizer, for people; null where there is none, or no <c>config.json</c>.</summary>
    /// <exception cref="InvalidDataException">One of them is damaged.</exception>
    public string? DescribeTokenizer()
    {
        if (_config is not { } config) return null;
        var architecture = Architecture.Of(config, _configFolder);
        return _tokenizer is null && architecture.TokenizerFiles.Count > 0 ? null : architecture.DescribeTokenizer(config, _tokenizer);
    }

    private static ModelInventory OfAdapter(string folder, string? baseFolder)
    {
        AdapterConfig config = AdapterConfig.Read(Path.Combine(folder, AdapterConfig.FileName));
        string? found = baseFolder ?? AdapterBase.TryFind(folder, config);
        string kind = FineTuner.HoldsRun(folder) ? "a LoRA adapter, of a run of fine-tuning" : "a LoRA adapter";
        var adapter = new ModelInventory(kind) { Adapter = config.Describe() };
        if (LoraAdapter.FindWeights(folder) is { } weights) adapter._weights.Add(weights);
        else adapter._missing.Add($"{LoraAdapter.WeightFile} (or {LoraAdapter.TorchFile})");
        if (found is null)
        {
            adapter.FindFiles([folder]);
            adapter._missing.Add($"the base model, '{Excerpt.Of(config.BaseName ?? "")}'");
            return adapter;
        }

        adapter.Base = baseFolder is null ? found : AdapterBase.Find(folder, config, baseFolder).WeightFolder;
        if (Pretrainer.LastCheckpointOf(adapter.Base) is { } checkpoint && !ModelSource.HoldsModelFiles(adapter.Base))
            adapter.Base = checkpoint;
        adapter.Add([folder, adapter.Base]);
        if (adapter._missing.Count > 0) return adapter;
        ModelSource source = ModelSource.Open(folder, adapter.Base);
        using Checkpoint opened = source.OpenWeights();
        ModelParts lost = source.Architecture.Head & ~source.PartsOf(opened);
        if (lost == ModelParts.Pooler)
            adapter._missing.Add("the pooler: it is neither in the adapter nor in its base, so predictions cannot be had");
        adapter.IsOwnBase = source.HasOwnBase(opened);
        if (adapter.IsOwnBase == false) adapter._missing.Add("the adapter's own base: this one has other weights; name it as baseFolder");
        return adapter;
    }

    private void Add(StoredFolder[] folders)
    {
        FindFiles(folders);
        if (Config is null) _missing.Add(ModelSource.ConfigFile);
        if (Tokenizer is null && NeedsTokenizer()) _missing.Add($"{ModelSource.TokenizerFile} (or {ModelSource.VocabularyFile})");
        if (ModelWeights.Find(folders[^1]) is not { } weights)
        {
            _missing.Add($"{ModelWeights.Safetensors} (or {ModelWeights.Torch})");
            return;
        }

        foreach (StoredFile file in ModelWeights.FilesOf(folders[^1], weights))
            if (file.Content is not null || File.Exists(file.Path)) _weights.Add(file);
            else _missing.Add(Path.GetFileName(file.Path));
    }

    /// <summary>Whether the model has a file of its tokenizer, as far as can be told.</summary>
    private bool NeedsTokenizer()
    {
        try
        {
            return _config is not { } config || Architecture.Of(config, _configFolder).TokenizerFiles.Count > 0;
        }
        catch (InvalidDataException)
        {
            // Told when the config is described.
            return true;
        }
    }

    private void FindFiles(StoredFolder[] folders)
    {
        _configFolder = folders.FirstOrDefault(folder => folder.Has(ModelSource.ConfigFile));
        _config = Find(ModelSource.ConfigFile);
        _tokenizer = Find(ModelSource.TokenizerFile) ?? Find(ModelSource.VocabularyFile);

        StoredFile? Find(string name) => folders.Select(folder => folder.Find(name)).FirstOrDefault(file => file is not null);
    }
}
