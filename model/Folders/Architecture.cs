using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dnabert2.Cnn;
using Dnabert2.Data;
using Dnabert2.Dnabert;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Hyena;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Folders;

/// <summary>What a folder's <c>config.json</c> says that its model is.</summary>
internal abstract class Architecture
{
    private const string Remedy = "name the folder of a model of DNABERT-2, DNABERT, the Nucleotide Transformer, HyenaDNA or the CNN of "
        + "Genomic Benchmarks";

    /// <summary>DNABERT-2.</summary>
    public static Architecture Dnabert2 { get; } = new Dnabert2Architecture();

    /// <summary>DNABERT.</summary>
    public static Architecture Dnabert { get; } = new DnabertArchitecture();

    /// <summary>The Nucleotide Transformer.</summary>
    public static Architecture NucleotideTransformer { get; } = new NucleotideTransformerArchitecture();

    /// <summary>HyenaDNA.</summary>
    public static Architecture Hyena { get; } = new HyenaArchitecture();

    /// <summary>The convolutional network of Genomic Benchmarks.</summary>
    public static Architecture Cnn { get; } = new CnnArchitecture();

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Architecture> All { get; } = [Dnabert2, Dnabert, NucleotideTransformer, Hyena, Cnn];

    /// <summary>Its name, for people.</summary>
    public abstract string Name { get; }

    /// <summary>The class of its models.</summary>
    public abstract Type Model { get; }

    /// <summary>The weight that has a row for each output of a classifier.</summary>
    public virtual string ClassifierWeight => "classifier.weight";

    /// <summary>The head of the language model that pre-training trains; null: there is none.</summary>
    public virtual ModelParts? LanguageModel => ModelParts.MlmHead;

    /// <summary>What classifies sequences, besides the encoder.</summary>
    public virtual ModelParts Head => ModelParts.Pooler | ModelParts.Classifier;

    /// <summary>The layers that gain low-rank additions where none are named: the ends of their names.</summary>
    public abstract IReadOnlyList<string> LoraTargets { get; }

    /// <summary>
    /// The names that the file of its tokenizer may have, the first one found being it; none: there is no file, and the tokenizer is always
    /// the same.
    /// </summary>
    public virtual IReadOnlyList<string> TokenizerFiles => [ModelSource.VocabularyFile];

    /// <summary>
    /// The settings of a tokenizer that came without any, as of the published model: Hugging Face's auto classes find the class by them.
    /// </summary>
    public abstract JsonObject TokenizerSettings(ISequenceTokenizer tokenizer);

    /// <summary>Hugging Face's class of a model of such parts.</summary>
    public abstract string ClassOf(ModelParts parts);

    /// <summary>Makes a model of a folder's hyper-parameters and tokenizer.</summary>
    /// <param name="source">The folder.</param>
    /// <param name="changes">What is otherwise than in the config.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    /// <param name="fill">Fills the declared parameters.</param>
    /// <param name="prepare">Adds to the declared parameters, or freezes some, before they are filled.</param>
    public abstract SequenceModel Make(
        ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
        Action<SequenceModel>? prepare);

    /// <summary>A model with initial weights.</summary>
    /// <param name="tokenizer">Of <see cref="TokenizerClass"/>.</param>
    /// <param name="config">The <c>config.json</c> of its shape; null: that of the published model.</param>
    /// <param name="shape">What is otherwise than there.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    /// <param name="trainable">Whether the weights are laid out for training.</param>
    /// <exception cref="ArgumentException">A hyper-parameter is out of its range.</exception>
    /// <exception cref="InvalidDataException">The config is damaged, or the tokenizer not of such a model.</exception>
    public abstract SequenceModel Initialize(
        ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable);

    /// <summary>The class of the tokenizer of its published models.</summary>
    public abstract Type TokenizerClass { get; }

    /// <summary>Whether its models may have such a tokenizer.</summary>
    public virtual bool Takes(ISequenceTokenizer tokenizer) => tokenizer.GetType() == TokenizerClass;

    /// <summary>The architecture whose published models have such a tokenizer.</summary>
    public static Architecture Of(ISequenceTokenizer tokenizer) =>
        All.Single(architecture => architecture.TokenizerClass == tokenizer.GetType());

    /// <summary>A model whose weights have no values: to ask for its parameters and limits.</summary>
    /// <exception cref="InvalidDataException">Config or tokenizer is damaged, or they are not of one model.</exception>
    public SequenceModel Declare(ModelSource source, Backend backend, ModelParts parts, Action<SequenceModel>? prepare = null) =>
        Make(source, default, backend, parts, _ => { }, prepare);

    /// <summary>The outputs of the classifier, as the config says it.</summary>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public abstract int LabelsOf(ModelSource source);

    /// <summary>The most tokens of a row that such a model classifies, special ones included; null: any number.</summary>
    /// <param name="config">The <c>config.json</c>.</param>
    /// <exception cref="InvalidDataException">It is damaged.</exception>
    public abstract int? MostTokens(StoredFile config);

    /// <summary>The most tokens of a row in fine-tuning where no limit is given, of a model that takes so many.</summary>
    public virtual int UsualTokens(int? most) => Math.Min(FineTuneOptions.UsualMaxTokens, most ?? int.MaxValue);

    /// <summary>
    /// The most tokens of a row of a data set of GUE, as in the scripts of the paper of DNABERT-2, for the tokenizer of the architecture.
    /// </summary>
    public virtual int TokensOf(GueTask task) => task.MaxTokens;

    /// <summary>How its models are trained where that is not as DNABERT-2; null: it is.</summary>
    public virtual FineTuneOptions? Recipe => null;

    /// <summary>Why a task is not one for its models, for people; null where it is.</summary>
    public virtual string? RefusalOf(LabelledTask task) => null;

    /// <summary>How that paper fine-tunes its models.</summary>
    public virtual FineTuneMethod PaperMethod => FineTuneMethod.Full;

    /// <summary>The sizes of its models in that paper, in words, where a folder's is another one; null: it is one of them.</summary>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public abstract string? OtherThanInPaper(ModelSource source);

    /// <summary>Reads the tokenizer.</summary>
    /// <exception cref="IOException">Its file is missing.</exception>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public abstract ISequenceTokenizer LoadTokenizer(ModelSource source);

    /// <summary>The hyper-parameters, for people.</summary>
    /// <param name="file">The <c>config.json</c>.</param>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public abstract string DescribeConfig(StoredFile file);

    /// <summary>The tokenizer, for people.</summary>
    /// <param name="config">The <c>config.json</c>.</param>
    /// <param name="tokenizer">One of <see cref="TokenizerFiles"/>, where there is one.</param>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public abstract string DescribeTokenizer(StoredFile config, StoredFile? tokenizer);

    /// <summary>Says what is wrong with a weight that is no parameter, for people; null where nothing is.</summary>
    /// <param name="source">The folder.</param>
    public virtual Func<ModelWeight, ModelWeights, string?> BesidesParameters(ModelSource source) =>
        (weight, _) => $"extra: {weight.Entry}";

    /// <summary>Recognises the architecture of a config.</summary>
    /// <param name="config">The <c>config.json</c>.</param>
    /// <exception cref="InvalidDataException">It is damaged, or of another architecture, which the message names.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Architecture Of(string config) => Of(config, Path.GetDirectoryName(Path.GetFullPath(config))!);

    /// <summary>Recognises the architecture of a config.</summary>
    /// <param name="config">The <c>config.json</c>.</param>
    /// <param name="folder">The folder that it is from.</param>
    /// <exception cref="InvalidDataException">It is damaged, or of another architecture, which the message names.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Architecture Of(StoredFile config, StoredFolder folder) =>
        JsonFields.Read(config, ConfigReader.Remedy, json => Of(json, folder));

    private static Architecture Of(JsonFields json, StoredFolder folder)
    {
        string? type = json.Has("model_type") ? json.Text("model_type") : null;
        string[] classes = json.KindOf("architectures") == JsonValueKind.Array ? json.Texts("architectures") : [];
        if (type == "esm" || (type is null && classes.Any(name => name.StartsWith("Esm", StringComparison.Ordinal))))
            return NucleotideTransformer;
        if (type == HyenaConfig.ModelType || (type is null && (IsOriginalHyena(json) || IsHyena(classes)))) return Hyena;
        if (type == CnnConfig.ModelType) return Cnn;
        if (type is not (null or "bert"))
            throw json.Refusal("model_type", $"is '{Excerpt.Of(type)}', which is not supported; {Remedy}");
        if (type is null && classes.Length > 0 && !classes.Any(name => name.Contains("Bert", StringComparison.OrdinalIgnoreCase)))
            throw json.Refusal("architectures", $"is '{Excerpt.Of(classes[0])}', which is not supported; {Remedy}");
        if (json.Has("pre_layer_norm") && json.Truth("pre_layer_norm"))
            throw json.Refusal("pre_layer_norm", $"is true, as in GENA-LM, which is not supported; {Remedy}");
        if (MapsTo(json, "dnabert_layer.")) return Dnabert;
        if (json.Has("attention") || json.Has("alibi_starting_size") || MapsTo(json, "bert_layers.")) return Dnabert2;
        // A BERT that says no more is told by its tokenizer.
        return !folder.Has(ModelSource.TokenizerFile) && folder.Has(ModelSource.VocabularyFile) ? Dnabert : Dnabert2;
    }

    private static bool IsHyena(string[] classes) => classes.Any(name => name.StartsWith("HyenaDNA", StringComparison.Ordinal));

    /// <summary>Whether it is of the form of HyenaDNA's own repository.</summary>
    private static bool IsOriginalHyena(JsonFields json) =>
        json.KindOf(HyenaConfig.OriginalLayer) == JsonValueKind.Object && json.Has("d_model") && json.Has("n_layer");

    /// <summary>Whether <c>auto_map</c> names a class of a Python file.</summary>
    private static bool MapsTo(JsonFields json, string file)
    {
        if (json.KindOf("auto_map") != JsonValueKind.Object) return false;
        JsonFields map = json.Object("auto_map");
        return map.Keys.Any(key => map.KindOf(key) == JsonValueKind.String && map.Text(key).Contains(file, StringComparison.Ordinal));
    }

    /// <summary>A class of transformers by the beginning of its name.</summary>
    private protected static string ClassOf(string family, ModelParts parts) => family + (
        parts.HasFlag(ModelParts.Classifier) ? "ForSequenceClassification" : parts.HasFlag(ModelParts.MlmHead) ? "ForMaskedLM" : "Model");

    private protected static JsonObject Settings(string tokenizerClass, params (string Key, JsonNode Value)[] others)
    {
        var json = new JsonObject { ["tokenizer_class"] = tokenizerClass };
        foreach ((string key, JsonNode value) in others) json[key] = value;
        return json;
    }

    private protected static string? OtherThan(
        string sizes, TransformerConfig c, params (TransformerConfig Config, int[] Vocabularies)[] known) =>
        Array.Exists(
            known, k => k.Vocabularies.Contains(c.VocabSize)
                && (c.HiddenSize, c.NumHiddenLayers, c.NumAttentionHeads, c.IntermediateSize)
                == (k.Config.HiddenSize, k.Config.NumHiddenLayers, k.Config.NumAttentionHeads, k.Config.IntermediateSize))
            ? null : sizes;

    private protected static string Describe(TransformerConfig c) =>
        $"vocabulary {c.VocabSize}, hidden {c.HiddenSize}, {c.NumHiddenLayers} layers, {c.NumAttentionHeads} heads of "
        + $"{c.HiddenSize / c.NumAttentionHeads}, feed-forward {c.IntermediateSize}, positions {c.MaxPositionEmbeddings}";

    private protected static string Special(ISequenceTokenizer t, string unknown, string cls, string sep, string pad, string mask) =>
        string.Join(' ', new[] { (unknown, t.UnknownId), (cls, t.ClsId), (sep, t.SepId), (pad, t.PadId), (mask, t.MaskId) }
            .Select(s => $"{s.Item1} {s.Item2?.ToString(CultureInfo.InvariantCulture) ?? "none"}"));
}
