using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Folders;

/// <summary>
/// What a model can be loaded from. A folder: a model as Hugging Face or this library writes it; a LoRA adapter, as the Python library PEFT
/// or fine-tuning writes it, with its base; or a run of pre-training, which stands for its last checkpoint. Or the files of a model in
/// memory, <see cref="ModelFiles"/>, or by its name <see cref="BuiltIn"/> the model that comes with this library.
/// </summary>
/// <example>
/// <code>
/// ModelSource source = ModelSource.Open("adapter", baseFolder: "DNABERT-2-117M");
/// using SequenceModel model = source.Load(parts: ModelParts.Encoder);
/// </code>
/// </example>
public sealed partial class ModelSource
{
    internal const string ConfigFile = "config.json", TokenizerFile = "tokenizer.json", VocabularyFile = "vocab.txt";
    internal const string Kinds = "a model is a folder with config.json, tokenizer.json and model.safetensors or pytorch_model.bin";

    private bool _hasCheckedWeights;
    private Architecture? _architecture;

    private ModelSource(string folder, StoredFolder weights, LoraAdapter? adapter, SelfAttention? attention, string description) =>
        (Folder, Weights, Adapter, Attention, Description) = (folder, weights, adapter, attention, description);

    /// <summary>
    /// What names the model that comes with this library, in place of a folder: a small DNABERT-2 trained by this engine on whole genomes.
    /// It is there where the program has the package <c>Dnabert2.BuiltInModel</c>. A folder of that name is <c>./default</c>.
    /// </summary>
    public const string BuiltIn = "default";

    /// <summary>The folder as it was named, or the name of files in memory.</summary>
    public string Folder { get; }

    /// <summary>
    /// The folder of the weights: of an adapter its base, of a run the checkpoint, otherwise the folder itself; or the name of files in
    /// memory.
    /// </summary>
    public string WeightFolder => Weights.Path;

    /// <summary>The folders that it is read from; none where it is in memory.</summary>
    public IReadOnlyList<string> Folders => Weights.Files is null ? [Folder, WeightFolder] : IsAdapter ? [Folder] : [];

    /// <summary>Whether the weights are those of the model that comes with this library.</summary>
    internal bool IsBuiltIn => Weights.Files is { } files && files == BuiltInModel.Files;

    /// <summary>The folder of the weights.</summary>
    internal StoredFolder Weights { get; }

    /// <summary>Whether it is an adapter.</summary>
    public bool IsAdapter => Adapter is not null;

    /// <summary>What was found, for people, where it is not the folder itself; otherwise empty.</summary>
    public string Description { get; }

    /// <summary>The attention that the model is given in place of that of its config; null: the config's.</summary>
    public SelfAttention? Attention { get; }

    internal LoraAdapter? Adapter { get; }

    /// <summary>The file of the hyper-parameters: an adapter's own, where it has one.</summary>
    internal StoredFile ConfigPath => Own(ConfigFile) ?? Existing(ConfigFile);

    /// <summary>The file of the tokenizer: an adapter's own, where it has one.</summary>
    /// <exception cref="InvalidOperationException">The architecture has no such file.</exception>
    internal StoredFile TokenizerPath
    {
        get
        {
            IReadOnlyList<string> names = Architecture.TokenizerFiles;
            if (names.Count == 0) throw new InvalidOperationException($"{Architecture.Name} has no such file");
            foreach (string name in names)
                if ((Own(name) ?? Weights.Find(name)) is { } file) return file;
            throw new FileNotFoundException(
                $"{Path.Combine(WeightFolder, names[0])} is missing; a folder of {Architecture.Name} has {ConfigFile}, "
                + $"{string.Join(" or ", names)} and weights");
        }
    }

    /// <summary>The head of the language model that pre-training trains.</summary>
    /// <exception cref="InvalidDataException">Models of that architecture have none, or the config is damaged.</exception>
    /// <exception cref="IOException">There is no config, or it cannot be read.</exception>
    public ModelParts LanguageModel => Architecture.LanguageModel
        ?? throw new InvalidDataException($"{ConfigPath}: is of {Architecture.Name}, which has no language model to pre-train");

    /// <summary>What the model is, as its <c>config.json</c> says.</summary>
    /// <exception cref="IOException">There is no config, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or of another architecture.</exception>
    internal Architecture Architecture =>
        _architecture ??= Architecture.Of(Existing(ConfigFile), Weights);

    /// <summary>The architecture that its tokenizer is of, by which limits of tokens go: of a DNABERT-2 on k-mers another one.</summary>
    internal Architecture TokenArchitecture =>
        Architecture == Architecture.Dnabert2 && Path.GetFileName(TokenizerPath.Path) == VocabularyFile
            ? Architecture.Of(LoadTokenizer()) : Architecture;

    /// <summary>
    /// How models of its architecture are fine-tuned where nothing else is said: as the paper of DNABERT-2 does it, HyenaDNA and the
    /// convolutional network of Genomic Benchmarks as their own authors do.
    /// </summary>
    /// <exception cref="IOException">There is no config, or it cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged, or of another architecture.</exception>
    public FineTuneOptions Recipe => Architecture.Recipe ?? new FineTuneOptions();

    /// <summary>Whether the hyper-parameters are the model's own, rather than an adapter's base's.</summary>
    internal bool HasOwnConfig => !IsAdapter || Own(ConfigFile) is not null;

    /// <summary>Whether the config says what the outputs of a classifier are: it is the model's own, or a base's of as many.</summary>
    internal bool DescribesTask(int outputs) => HasOwnConfig || Architecture.LabelsOf(this) == outputs;

    /// <summary>The folders in which files beside the weights are looked for, the first one first.</summary>
    internal IReadOnlyList<StoredFolder> FileFolders => IsAdapter ? [Folder, Weights] : [Weights];

    /// <summary>Whether a folder is an adapter's.</summary>
    public static bool HoldsAdapter(string folder) => LoraAdapter.IsIn(folder);

    /// <summary>Takes the files of a model in memory. Weights are not read yet.</summary>
    /// <param name="files">The files.</param>
    /// <param name="attention">The attention of the model, in place of that of its config; null: the config's.</param>
    public static ModelSource Open(ModelFiles files, SelfAttention? attention = null)
    {
        ArgumentNullException.ThrowIfNull(files);
        return new ModelSource(files.Name, files, null, attention, "");
    }

    /// <summary>Finds out what a folder is. Weights are not read yet, but for an adapter's.</summary>
    /// <param name="folder">The folder, or <see cref="BuiltIn"/>.</param>
    /// <param name="baseFolder">The base of an adapter, a model folder or a run; null: the one that the adapter names.</param>
    /// <exception cref="IOException">There is no such folder, or no model in it.</exception>
    /// <exception cref="InvalidDataException">An adapter is damaged or not supported, or its base is not found.</exception>
    /// <param name="attention">
    /// The attention of the model, in place of that of its config; null: the config's. One of one's own that the config names is given
    /// here.
    /// </param>
    /// <exception cref="ArgumentException">A base is given for what is not an adapter.</exception>
    public static ModelSource Open(string folder, string? baseFolder = null, SelfAttention? attention = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (folder == BuiltIn)
            return baseFolder is null ? Open(BuiltInModel.Require(), attention) : throw HasNoBase($"{folder}: is not an adapter");
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException(
                File.Exists(folder) ? $"{folder}: this is a file; name its folder: {Kinds}" : $"{folder}: no such folder; {Kinds}");
        if (LoraAdapter.IsIn(folder))
        {
            LoraAdapter adapter = LoraAdapter.Read(folder);
            ModelSource found = AdapterBase.Find(folder, adapter.Config, baseFolder);
            return new ModelSource(
                folder, found.Weights, adapter, attention,
                $"{folder}: an adapter ({adapter.Config.Describe()}) of the base {found.WeightFolder}");
        }

        if (baseFolder is not null)
            throw HasNoBase($"{folder}: is not an adapter ({AdapterConfig.FileName} is missing)");
        if (HoldsModelFiles(folder)) return new ModelSource(folder, folder, null, attention, "");
        if (Pretrainer.LastCheckpointOf(folder) is not { } checkpoint) throw new FileNotFoundException(NoModel(folder));
        if (!File.Exists(Path.Combine(checkpoint, ConfigFile)))
            throw new InvalidDataException($"{folder}: a fine-tuning that has not come to its end, so there is no model yet; resume it");
        string last = Path.GetFileName(checkpoint);
        return new ModelSource(
            folder, checkpoint, null, attention,
            $"{folder}: a run of pre-training, of which the last checkpoint, {last}, is taken; to take another, name its folder");
    }

    /// <summary>
    /// Loads the model, of whichever architecture its <c>config.json</c> says; additions are merged into the weights of the base.
    /// </summary>
    /// <param name="backend">
    /// Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the model.
    /// </param>
    /// <param name="parts">What is needed besides the encoder; null: all that the weights hold.</param>
    /// <param name="trainable">Whether the weights are laid out for training rather than, faster, for inference alone.</param>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged, or the weights are not exactly those that the config describes; everything missing, extra or mis-shaped is
    /// listed. Or an adapter records what it was trained on, and the base is another one.
    /// </exception>
    public SequenceModel Load(Backend? backend = null, ModelParts? parts = null, bool trainable = false)
    {
        Architecture architecture = Architecture;
        using Checkpoint checkpoint = OpenWeights();
        // Before there is a model that a damaged file would leave behind.
        ModelOrigin? origin = trainable ? ModelOrigin.Read(this) : null;
        ModelParts wanted = parts ?? PartsOf(checkpoint);
        SequenceModel model = architecture.Make(
            this, new ConfigChanges(LabelsIn(checkpoint)), backend, wanted, set => Fill(checkpoint, set, wanted, trainable),
            model => Adapter?.Check(model, wanted));
        model.Origin = origin;
        return model;
    }

    /// <summary>Loads a model of one architecture, such as <see cref="Dnabert2Model"/>.</summary>
    /// <typeparam name="TModel">The class of the model.</typeparam>
    /// <param name="backend">As for <see cref="Load(Backend?, ModelParts?, bool)"/>.</param>
    /// <param name="parts">As there.</param>
    /// <param name="trainable">As there.</param>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">It is of another architecture, or a file is damaged.</exception>
    public TModel Load<TModel>(Backend? backend = null, ModelParts? parts = null, bool trainable = false)
        where TModel : SequenceModel
    {
        return typeof(TModel).IsAssignableFrom(Architecture.Model)
            ? (TModel)Load(backend, parts, trainable)
            : throw new InvalidDataException(
                $"{ConfigPath}: is of {Architecture.Name}, which {typeof(TModel).Name} is not; {nameof(SequenceModel)}.Load takes any "
                + "model");
    }

    /// <summary>
    /// Writes a plain model folder: additions merged into the weights, the weights of several files in one. It appears when it is complete.
    /// </summary>
    /// <param name="folder">The new folder.</param>
    /// <param name="dtype">
    /// The type of the weights: F32, or BF16 (rounded to nearest, ties to even); null: BF16 where all weights of a model that is not an
    /// adapter are, otherwise F32.
    /// </param>
    /// <exception cref="ArgumentException">The type is another one.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, adapter and base do not fit, or what comes out is not finite.</exception>
    /// <exception cref="IOException">A file is missing or cannot be written, or there is such a folder already.</exception>
    public void SavePlain(string folder, DType? dtype = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (dtype is not (null or DType.F32 or DType.BF16))
            throw new ArgumentException($"weights are written as F32 or BF16, not as {dtype}", nameof(dtype));
        using var result = new ResultFolder(folder);
        using Backend backend = CpuBackend.Create();
        using SequenceModel model = Load(backend, PlainParts(), trainable: true);
        DType type = dtype ?? (Adapter is null && AreAllBFloat16() ? DType.BF16 : DType.F32);
        ModelFolder.Save(model, result.Path, ModelOrigin.Bytes(ModelFolder.Config(model, type)), dtype: type);
        result.Commit();
    }

    /// <summary>
    /// The parts of the plain model: a classifier of an adapter leaves the language-model head of its base, as fine-tuning does, since to
    /// Hugging Face's classes it is a stranger beside a classifier.
    /// </summary>
    private ModelParts PlainParts()
    {
        using Checkpoint weights = OpenWeights();
        ModelParts parts = PartsOf(weights);
        return IsAdapter && parts.HasFlag(ModelParts.Classifier) ? parts & ~(ModelParts.MlmHead | ModelParts.CausalHead) : parts;
    }

    private bool AreAllBFloat16()
    {
        using ModelWeights weights = ModelWeights.Open(Weights);
        return weights.All.All(weight => weight.Entry.DType == DType.BF16);
    }

    /// <summary>Whether it has the whole head of a classifier or regression, as fine-tuning gives it one.</summary>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public bool IsFineTuned()
    {
        using Checkpoint weights = OpenWeights();
        return PartsOf(weights).HasFlag(Architecture.Head);
    }

    /// <summary>Loads the tokenizer alone.</summary>
    /// <exception cref="IOException">The file is missing or cannot be read.</exception>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public ISequenceTokenizer LoadTokenizer() => Architecture.LoadTokenizer(this);

    /// <summary>The tokenizer, and the file that it is in, for people.</summary>
    internal string DescribeTokenizer()
    {
        if (Architecture.TokenizerFiles.Count == 0) return Architecture.DescribeTokenizer(ConfigPath, null);
        StoredFile file = TokenizerPath;
        return $"{Path.GetFileName(file.Path)}: {Architecture.DescribeTokenizer(ConfigPath, file)}";
    }

    /// <summary>The hyper-parameters of the file, with the attention that was given.</summary>
    internal Dnabert2Config LoadConfig()
    {
        if (Architecture.Model != typeof(Dnabert2Model))
            throw new InvalidDataException($"{ConfigPath}: is of {Architecture.Name}; this is for models of DNABERT-2 alone");
        var config = Dnabert2Config.Load(ConfigPath, Attention);
        return Attention is null ? config : config with { Attention = Attention };
    }

    private StoredFile? Own(string name) => IsAdapter ? ((StoredFolder)Folder).Find(name) : null;

    private StoredFile Existing(string name) =>
        Weights.Find(name) ?? throw new FileNotFoundException($"{Path.Combine(WeightFolder, name)} is missing; {Kinds}");

    private static ArgumentException HasNoBase(string what) => new($"{what}, so it has no base");

    /// <summary>Whether a folder itself holds files of a model, though perhaps not all.</summary>
    internal static bool HoldsModelFiles(string folder) =>
        File.Exists(Path.Combine(folder, ConfigFile)) || ModelWeights.Find(folder) is not null;

    /// <summary>The folders within a folder that hold models, for people; empty where none does.</summary>
    internal static string ModelsIn(string folder)
    {
        const int most = 8;
        string[] inside = [.. Directory.EnumerateDirectories(folder)
            .Where(inner => File.Exists(Path.Combine(inner, ConfigFile)) || LoraAdapter.IsIn(inner))
            .Select(inner => Path.GetFileName(inner)!)
            .Order(StringComparer.Ordinal)];
        return string.Join(", ", inside.Take(most)) + (inside.Length > most ? " and others" : "");
    }

    private static string NoModel(string folder) => ModelsIn(folder) is { Length: > 0 } inside
        ? $"{folder}: there is no model in it, but in its folders {inside}; name one of them"
        : $"{Path.Combine(folder, ConfigFile)} is missing; {Kinds}";
}
