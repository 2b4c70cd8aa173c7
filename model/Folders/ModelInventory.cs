using Dnabert2.Adapters;
using Dnabert2.FineTuning;
using Dnabert2.Training;

namespace Dnabert2.Folders;

/// <summary>What a folder holds of a model, and what it lacks: to be told to people before anything is loaded.</summary>
public sealed class ModelInventory
{
    private readonly List<string> _weights = [], _missing = [];

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
    public string? Config { get; private set; }

    /// <summary>
    /// The file of the tokenizer: <c>tokenizer.json</c>, or of a model of k-mers or letters <c>vocab.txt</c>; null where it is missing, and
    /// of HyenaDNA, whose tokenizer has none.
    /// </summary>
    public string? Tokenizer { get; private set; }

    /// <summary>The files of weights that are there, an adapter's first.</summary>
    public IReadOnlyList<string> Weights => _weights;

    /// <summary>
    /// What is missing, for people; where nothing is, <see cref="ModelSource.Open"/> and <see cref="ModelSource.Load"/> find all files.
    /// </summary>
    public IReadOnlyList<string> Missing => _missing;

    /// <summary>Looks into a folder.</summary>
    /// <param name="folder">The folder of a model, an adapter or a run.</param>
    /// <param name="baseFolder">The base of an adapter; null: the one that the adapter names.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="InvalidDataException">An adapter's configuration or an index of weights is damaged or not supported.</exception>
    public static ModelInventory Of(string folder, string? baseFolder = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
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
    public string? DescribeConfig() => Config is null ? null : Architecture.Of(Config).DescribeConfig(Config);

    /// <summary>The tokenizer, for people; null where there is none, or no <c>config.json</c>.</summary>
    /// <exception cref="InvalidDataException">One of them is damaged.</exception>
    public string? DescribeTokenizer()
    {
        if (Config is null) return null;
        Architecture architecture = Architecture.Of(Config);
        return Tokenizer is null && architecture.TokenizerFiles.Count > 0 ? null : architecture.DescribeTokenizer(Config, Tokenizer);
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

    private void Add(string[] folders)
    {
        FindFiles(folders);
        if (Config is null) _missing.Add(ModelSource.ConfigFile);
        if (Tokenizer is null && NeedsTokenizer()) _missing.Add($"{ModelSource.TokenizerFile} (or {ModelSource.VocabularyFile})");
        if (ModelWeights.Find(folders[^1]) is not { } weights)
        {
            _missing.Add($"{ModelWeights.Safetensors} (or {ModelWeights.Torch})");
            return;
        }

        foreach (string file in ModelWeights.FilesOf(weights))
            if (File.Exists(file)) _weights.Add(file);
            else _missing.Add(Path.GetFileName(file));
    }

    /// <summary>Whether the model has a file of its tokenizer, as far as can be told.</summary>
    private bool NeedsTokenizer()
    {
        try
        {
            return Config is null || Architecture.Of(Config).TokenizerFiles.Count > 0;
        }
        catch (InvalidDataException)
        {
            // Told when the config is described.
            return true;
        }
    }

    private void FindFiles(string[] folders)
    {
        Config = Find(ModelSource.ConfigFile);
        Tokenizer = Find(ModelSource.TokenizerFile) ?? Find(ModelSource.VocabularyFile);

        string? Find(string name) => folders.Select(folder => Path.Combine(folder, name)).FirstOrDefault(File.Exists);
    }
}
