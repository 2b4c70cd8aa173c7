using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Dnabert;
using Dnabert2.FineTuning;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Folders;

/// <summary>What a folder's <c>config.json</c> says that its model is.</summary>
internal abstract class Architecture
{
    private const string Remedy = "name the folder of a model of DNABERT-2, DNABERT or the Nucleotide Transformer v1";

    /// <summary>DNABERT-2.</summary>
    public static Architecture Dnabert2 { get; } = new OfDnabert2();

    /// <summary>DNABERT.</summary>
    public static Architecture Dnabert { get; } = new OfDnabert();

    /// <summary>The Nucleotide Transformer.</summary>
    public static Architecture NucleotideTransformer { get; } = new OfNucleotideTransformer();

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Architecture> All { get; } = [Dnabert2, Dnabert, NucleotideTransformer];

    /// <summary>Its name, for people.</summary>
    public abstract string Name { get; }

    /// <summary>The class of its models.</summary>
    public abstract Type Model { get; }

    /// <summary>The weight that has a row for each output of a classifier.</summary>
    public virtual string ClassifierWeight => "classifier.weight";

    /// <summary>What classifies sequences, besides the encoder.</summary>
    public virtual ModelParts Head => ModelParts.Pooler | ModelParts.Classifier;

    /// <summary>The layers that gain low-rank additions where none are named: the ends of their names.</summary>
    public abstract IReadOnlyList<string> LoraTargets { get; }

    /// <summary>The name of the file of its tokenizer.</summary>
    public virtual string TokenizerFile => ModelSource.VocabularyFile;

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

    /// <summary>The class of its tokenizer.</summary>
    public abstract Type TokenizerClass { get; }

    /// <summary>The architecture that a tokenizer is of.</summary>
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
    public abstract int? MostTokens(string config);

    /// <summary>The most tokens of a row of a data set of GUE, as in the scripts of the paper of DNABERT-2.</summary>
    public virtual int TokensOf(GueTask task) => task.MaxTokens;

    /// <summary>How that paper fine-tunes its models.</summary>
    public virtual FineTuneMethod PaperMethod => FineTuneMethod.Full;

    /// <summary>The sizes of its models in that paper, in words, where a folder's is another one; null: it is one of them.</summary>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public abstract string? OtherThanInPaper(ModelSource source);

    /// <summary>Reads the tokenizer.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public abstract ISequenceTokenizer LoadTokenizer(string path);

    /// <summary>The hyper-parameters, for people.</summary>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public abstract string DescribeConfig(string path);

    /// <summary>The tokenizer, for people.</summary>
    /// <exception cref="InvalidDataException">The file is damaged.</exception>
    public abstract string DescribeTokenizer(string path);

    /// <summary>Recognises the architecture of a config.</summary>
    /// <param name="config">The <c>config.json</c>.</param>
    /// <exception cref="InvalidDataException">It is damaged, or of another architecture, which the message names.</exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static Architecture Of(string config) =>
        JsonFields.Read(config, ConfigReader.Remedy, json => Of(json, Path.GetDirectoryName(Path.GetFullPath(config))!));

    private static Architecture Of(JsonFields json, string folder)
    {
        string? type = json.Has("model_type") ? json.Text("model_type") : null;
        string[] classes = json.KindOf("architectures") == JsonValueKind.Array ? json.Texts("architectures") : [];
        if (type == "esm" || (type is null && classes.Any(name => name.StartsWith("Esm", StringComparison.Ordinal))))
            return NucleotideTransformer;
        if (type is not (null or "bert"))
            throw json.Refusal("model_type", $"is '{Excerpt.Of(type)}', which is not supported; {Remedy}");
        if (type is null && classes.Length > 0 && !classes.Any(name => name.Contains("Bert", StringComparison.OrdinalIgnoreCase)))
            throw json.Refusal("architectures", $"is '{Excerpt.Of(classes[0])}', which is not supported; {Remedy}");
        if (MapsTo(json, "dnabert_layer.")) return Dnabert;
        if (json.Has("attention") || json.Has("alibi_starting_size") || MapsTo(json, "bert_layers.")) return Dnabert2;
        // A BERT that says no more is told by its tokenizer.
        bool hasTokenizer = File.Exists(Path.Combine(folder, ModelSource.TokenizerFile));
        return !hasTokenizer && File.Exists(Path.Combine(folder, ModelSource.VocabularyFile)) ? Dnabert : Dnabert2;
    }

    /// <summary>Whether <c>auto_map</c> names a class of a Python file.</summary>
    private static bool MapsTo(JsonFields json, string file)
    {
        if (json.KindOf("auto_map") != JsonValueKind.Object) return false;
        JsonFields map = json.Object("auto_map");
        return map.Keys.Any(key => map.KindOf(key) == JsonValueKind.String && map.Text(key).Contains(file, StringComparison.Ordinal));
    }

    /// <summary>A class of transformers by the beginning of its name.</summary>
    private static string ClassOf(string family, ModelParts parts) => family + (
        parts.HasFlag(ModelParts.Classifier) ? "ForSequenceClassification" : parts.HasFlag(ModelParts.MlmHead) ? "ForMaskedLM" : "Model");

    private static JsonObject Settings(string tokenizerClass, params (string Key, JsonNode Value)[] others)
    {
        var json = new JsonObject { ["tokenizer_class"] = tokenizerClass };
        foreach ((string key, JsonNode value) in others) json[key] = value;
        return json;
    }

    private static string? OtherThan(string sizes, TransformerConfig c, params (TransformerConfig Config, int[] Vocabularies)[] known) =>
        Array.Exists(
            known, k => k.Vocabularies.Contains(c.VocabSize)
                && (c.HiddenSize, c.NumHiddenLayers, c.NumAttentionHeads, c.IntermediateSize)
                == (k.Config.HiddenSize, k.Config.NumHiddenLayers, k.Config.NumAttentionHeads, k.Config.IntermediateSize))
            ? null : sizes;

    private static string Describe(TransformerConfig c) =>
        $"vocabulary {c.VocabSize}, hidden {c.HiddenSize}, {c.NumHiddenLayers} layers, {c.NumAttentionHeads} heads of "
        + $"{c.HiddenSize / c.NumAttentionHeads}, feed-forward {c.IntermediateSize}, positions {c.MaxPositionEmbeddings}";

    private static string Special(ISequenceTokenizer t, string unknown, string cls, string sep, string pad, string mask) =>
        string.Join(' ', new[] { (unknown, t.UnknownId), (cls, t.ClsId), (sep, t.SepId), (pad, t.PadId), (mask, t.MaskId) }
            .Select(s => $"{s.Item1} {s.Item2?.ToString(CultureInfo.InvariantCulture) ?? "none"}"));

    private sealed class OfDnabert2 : Architecture
    {
        public override string Name => "DNABERT-2";

        public override Type Model => typeof(Dnabert2Model);

        public override Type TokenizerClass => typeof(BpeTokenizer);

        public override SequenceModel Initialize(
            ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable)
        {
            Dnabert2Config c =
                config is null ? new Dnabert2Config { VocabSize = tokenizer.VocabularySize } : Dnabert2Config.Load(config);
            return Dnabert2Model.Initialize(shape.Of(c), (BpeTokenizer)tokenizer, seed, backend, parts, trainable);
        }

        public override IReadOnlyList<string> LoraTargets { get; } = ["attention.self.Wqkv"];

        public override string TokenizerFile => ModelSource.TokenizerFile;

        public override string ClassOf(ModelParts parts) => ClassOf("Bert", parts);

        public override int LabelsOf(ModelSource source) => source.LoadConfig().NumLabels;

        public override int? MostTokens(string config) => null;

        public override string? OtherThanInPaper(ModelSource source)
        {
            Dnabert2Config paper = new(), c = source.LoadConfig();
            return (c.VocabSize, c.HiddenSize, c.NumHiddenLayers, c.NumAttentionHeads, c.IntermediateSize)
                == (paper.VocabSize, paper.HiddenSize, paper.NumHiddenLayers, paper.NumAttentionHeads, paper.IntermediateSize)
                ? null : "117 million";
        }

        public override ISequenceTokenizer LoadTokenizer(string path) => BpeTokenizer.Load(path);

        public override JsonObject TokenizerSettings(ISequenceTokenizer tokenizer)
        {
            JsonObject json = Settings("PreTrainedTokenizerFast");
            if (tokenizer.UnknownId is { } unknown) json["unk_token"] = tokenizer.Token(unknown);
            if (tokenizer.ClsId is not null) json["cls_token"] = "[CLS]";
            if (tokenizer.SepId is not null) json["sep_token"] = "[SEP]";
            if (tokenizer.PadId is not null) json["pad_token"] = "[PAD]";
            if (tokenizer.MaskId is not null) json["mask_token"] = "[MASK]";
            return json;
        }

        public override string DescribeConfig(string path)
        {
            var c = Dnabert2Config.Load(path);
            return $"vocabulary {c.VocabSize}, hidden {c.HiddenSize}, {c.NumHiddenLayers} {(c.NumHiddenLayers == 1 ? "layer" : "layers")}, "
                + $"{c.NumAttentionHeads} {(c.NumAttentionHeads == 1 ? "head" : "heads")} of {c.HiddenSize / c.NumAttentionHeads}, "
                + $"feed-forward {c.IntermediateSize}, token types {c.TypeVocabSize}, attention {c.Attention}";
        }

        public override string DescribeTokenizer(string path)
        {
            BpeTokenizer t = BpeTokenizer.Load(path);
            int[] lengths = [.. Enumerable.Range(0, t.VocabularySize).Where(id => !t.IsSpecial(id)).Select(id => t.Token(id).Length)];
            return $"{t.VocabularySize} ids, tokens of {lengths.DefaultIfEmpty().Average():F1} bases on average and "
                + $"{lengths.DefaultIfEmpty().Max()} at most, {Special(t, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")}";
        }

        public override SequenceModel Make(
            ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
            Action<SequenceModel>? prepare)
        {
            Dnabert2Config config = source.LoadConfig();
            config = config with { NumLabels = changes.Labels ?? config.NumLabels };
            if (changes.Dropout is { } dropout) config = config with { HiddenDropoutProb = dropout, ClassifierDropout = null };
            return Dnabert2Model.Make(config, BpeTokenizer.Load(source.TokenizerPath), backend, parts, fill, prepare);
        }
    }

    private sealed class OfDnabert : Architecture
    {
        public override string Name => "DNABERT";

        public override Type Model => typeof(DnabertModel);

        public override Type TokenizerClass => typeof(DnabertTokenizer);

        public override SequenceModel Initialize(
            ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable)
        {
            DnabertConfig c = config is null ? new DnabertConfig { VocabSize = tokenizer.VocabularySize } : DnabertConfig.Load(config);
            return DnabertModel.Initialize(shape.Of(c), (DnabertTokenizer)tokenizer, seed, backend, parts, trainable);
        }

        public override IReadOnlyList<string> LoraTargets { get; } = ["query", "value"];

        public override string ClassOf(ModelParts parts) => ClassOf("Bert", parts);

        public override int LabelsOf(ModelSource source) => DnabertConfig.Load(source.ConfigPath).NumLabels;

        /// <summary>Rows are cut into windows of as many tokens as there are positions.</summary>
        public override int? MostTokens(string config) => null;

        /// <summary>
        /// The scripts' limits for the lengths that GUE has; in GUE+, of which they say nothing, as many as bases, which no row exceeds.
        /// </summary>
        public override int TokensOf(GueTask task) => task.Bases switch
        {
            70 => 80,
            100 => 110,
            300 => 310,
            400 => 410,
            500 => 512,
            1000 => 1024,
            _ => task.BasesOfRow,
        };

        public override string? OtherThanInPaper(ModelSource source) => OtherThan(
            "86 to 89 million", DnabertConfig.Load(source.ConfigPath), (new DnabertConfig(), [69, 261, 1029, 4101]));

        public override ISequenceTokenizer LoadTokenizer(string path) => DnabertTokenizer.Load(path);

        public override JsonObject TokenizerSettings(ISequenceTokenizer tokenizer) =>
            Settings("BertTokenizer", ("do_lower_case", false), ("tokenize_chinese_chars", false));

        public override string DescribeConfig(string path)
        {
            DnabertConfig c = DnabertConfig.Load(path);
            return $"{Name}, {Describe(c)}, token types {c.TypeVocabSize}";
        }

        public override string DescribeTokenizer(string path)
        {
            DnabertTokenizer t = DnabertTokenizer.Load(path);
            return $"{t.VocabularySize} ids, {t.K}-mers that begin at each base, "
                + Special(t, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]");
        }

        public override SequenceModel Make(
            ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
            Action<SequenceModel>? prepare)
        {
            DnabertConfig config = DnabertConfig.Load(source.ConfigPath);
            config = config with { NumLabels = changes.Labels ?? config.NumLabels };
            if (changes.Dropout is { } dropout)
                config = config with
                {
                    HiddenDropoutProb = dropout,
                    AttentionProbsDropoutProb = config.AttentionProbsDropoutProb > 0 ? dropout : 0,
                    ClassifierDropout = null,
                };
            return DnabertModel.Make(config, DnabertTokenizer.Load(source.TokenizerPath), backend, parts, fill, prepare);
        }
    }

    private sealed class OfNucleotideTransformer : Architecture
    {
        public override string Name => "the Nucleotide Transformer";

        public override Type Model => typeof(NucleotideTransformerModel);

        public override Type TokenizerClass => typeof(NucleotideTransformerTokenizer);

        public override SequenceModel Initialize(
            ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable)
        {
            var own = (NucleotideTransformerTokenizer)tokenizer;
            NucleotideTransformerConfig c = config is null
                ? new NucleotideTransformerConfig { VocabSize = own.SequenceIds } : NucleotideTransformerConfig.Load(config);
            return NucleotideTransformerModel.Initialize(shape.Of(c), own, seed, backend, parts, trainable);
        }

        public override string DescribeConfig(string path)
        {
            NucleotideTransformerConfig c = NucleotideTransformerConfig.Load(path);
            return $"{Name} v1, {Describe(c)}, token dropout {(c.TokenDropout ? "on" : "off")}";
        }

        public override string DescribeTokenizer(string path)
        {
            NucleotideTransformerTokenizer t = NucleotideTransformerTokenizer.Load(path);
            return $"{t.VocabularySize} ids, {t.K}-mers one after the other and single bases, "
                + Special(t, "<unk>", "<cls>", "<eos>", "<pad>", "<mask>");
        }

        public override string ClassifierWeight => "classifier.out_proj.weight";

        public override ModelParts Head => ModelParts.Classifier;

        /// <summary>
        /// Those of the recipe of the paper of DNABERT-2 in the encoder. Its <c>dense</c> is the classifier's as well, which is trained
        /// wholly anyway, and whose addition versions of PEFT read differently.
        /// </summary>
        public override IReadOnlyList<string> LoraTargets { get; } = ["query", "key", "value", "intermediate.dense", "output.dense"];

        public override string ClassOf(ModelParts parts) => ClassOf("Esm", parts);

        public override int LabelsOf(ModelSource source) => NucleotideTransformerConfig.Load(source.ConfigPath).NumLabels;

        public override int? MostTokens(string config) => NucleotideTransformerConfig.Load(config).Positions;

        /// <summary>Those of DNABERT-2, but for sequences of 500 bases; in GUE+ a token for four bases, as for DNABERT-2.</summary>
        public override int TokensOf(GueTask task) => task.Bases == 500 ? 100 : task.MaxTokens;

        public override FineTuneMethod PaperMethod => FineTuneMethod.Lora;

        public override string? OtherThanInPaper(ModelSource source)
        {
            NucleotideTransformerConfig small = new(), large = small with
            {
                HiddenSize = 2560,
                NumHiddenLayers = 32,
                IntermediateSize = 10240,
            };
            return OtherThan(
                "480 and 2,537 million", NucleotideTransformerConfig.Load(source.ConfigPath), (small, [small.VocabSize]),
                (large, [large.VocabSize]));
        }

        public override ISequenceTokenizer LoadTokenizer(string path) => NucleotideTransformerTokenizer.Load(path);

        public override JsonObject TokenizerSettings(ISequenceTokenizer tokenizer) => Settings("EsmTokenizer");

        public override SequenceModel Make(
            ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
            Action<SequenceModel>? prepare)
        {
            NucleotideTransformerConfig config = NucleotideTransformerConfig.Load(source.ConfigPath);
            config = config with
            {
                NumLabels = changes.Labels ?? config.NumLabels,
                HiddenDropoutProb = changes.Dropout ?? config.HiddenDropoutProb,
            };
            return NucleotideTransformerModel.Make(
                config, NucleotideTransformerTokenizer.Load(source.TokenizerPath), backend, parts, fill, prepare);
        }
    }
}
