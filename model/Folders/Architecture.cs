using System.Globalization;
using System.Text.Json;
using Dnabert2.Cnn;
using Dnabert2.Data;
using Dnabert2.Dnabert;
using Dnabert2.Hyena;
using Dnabert2.NucleotideTransformer;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Folders;

/// <summary>What a folder's <c>config.json</c> says that its model is.</summary>
internal abstract class Architecture
{
    private const string Remedy = "name the folder of a model of DNABERT-2, DNABERT, the Nucleotide Transformer v1, HyenaDNA or the CNN of "
        + "Genomic Benchmarks";

    /// <summary>Its name, for people.</summary>
    public abstract string Name { get; }

    /// <summary>The class of its models.</summary>
    public abstract Type Model { get; }

    /// <summary>The file that the tokenizer is read from; null: there is none, and the tokenizer is always the same.</summary>
    public abstract string? TokenizerFile { get; }

    /// <summary>The weight that has a row for each output of a classifier.</summary>
    public virtual string ClassifierWeight => "classifier.weight";

    /// <summary>Makes a model of a folder's hyper-parameters and tokenizer.</summary>
    /// <param name="source">The folder.</param>
    /// <param name="labels">The outputs of the classifier; null: what the config says.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    /// <param name="fill">Fills the declared parameters.</param>
    /// <param name="prepare">Adds to the declared parameters, or freezes some, before they are filled.</param>
    public abstract SequenceModel Make(
        ModelSource source, int? labels, Backend? backend, ModelParts parts, Action<ParameterSet> fill, Action<SequenceModel>? prepare);

    /// <summary>The hyper-parameters, for people.</summary>
    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public abstract string DescribeConfig(string path);

    /// <summary>The tokenizer, for people.</summary>
    /// <param name="config">The <c>config.json</c>.</param>
    /// <param name="tokenizer">The <see cref="TokenizerFile"/>, where there is one.</param>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    public abstract string DescribeTokenizer(string config, string? tokenizer);

    /// <summary>Says what is wrong with a weight that is no parameter, for people; null where nothing is.</summary>
    /// <param name="source">The folder.</param>
    public virtual Func<ModelWeight, ModelWeights, string?> BesidesParameters(ModelSource source) =>
        (weight, _) => $"extra: {weight.Entry}";

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
            return new OfNucleotideTransformer();
        if (type == HyenaConfig.ModelType || (type is null && (IsOriginalHyena(json) || IsHyena(classes)))) return new HyenaArchitecture();
        if (type == CnnConfig.ModelType) return new CnnArchitecture();
        if (type is not (null or "bert"))
            throw json.Refusal("model_type", $"is '{Excerpt.Of(type)}', which is not supported; {Remedy}");
        if (type is null && classes.Length > 0 && !classes.Any(name => name.Contains("Bert", StringComparison.OrdinalIgnoreCase)))
            throw json.Refusal("architectures", $"is '{Excerpt.Of(classes[0])}', which is not supported; {Remedy}");
        if (json.Has("pre_layer_norm") && json.Truth("pre_layer_norm"))
            throw json.Refusal("pre_layer_norm", $"is true, as in GENA-LM, which is not supported; {Remedy}");
        if (MapsTo(json, "dnabert_layer.")) return new OfDnabert();
        if (json.Has("attention") || json.Has("alibi_starting_size") || MapsTo(json, "bert_layers.")) return new OfDnabert2();
        // A BERT that says no more is told by its tokenizer.
        bool hasTokenizer = File.Exists(Path.Combine(folder, ModelSource.TokenizerFile));
        return !hasTokenizer && File.Exists(Path.Combine(folder, ModelSource.VocabularyFile)) ? new OfDnabert() : new OfDnabert2();
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

    private static string Describe(TransformerConfig c) =>
        $"vocabulary {c.VocabSize}, hidden {c.HiddenSize}, {c.NumHiddenLayers} layers, {c.NumAttentionHeads} heads of "
        + $"{c.HiddenSize / c.NumAttentionHeads}, feed-forward {c.IntermediateSize}, positions {c.MaxPositionEmbeddings}";

    private protected static string Special(ISequenceTokenizer t, string unknown, string cls, string sep, string pad, string mask) =>
        string.Join(' ', new[] { (unknown, t.UnknownId), (cls, t.ClsId), (sep, t.SepId), (pad, t.PadId), (mask, t.MaskId) }
            .Select(s => $"{s.Item1} {s.Item2?.ToString(CultureInfo.InvariantCulture) ?? "none"}"));

    private sealed class OfDnabert2 : Architecture
    {
        public override string Name => "DNABERT-2";

        public override Type Model => typeof(Dnabert2Model);

        public override string TokenizerFile => ModelSource.TokenizerFile;

        public override string DescribeConfig(string path)
        {
            var c = Dnabert2Config.Load(path);
            return $"vocabulary {c.VocabSize}, hidden {c.HiddenSize}, {c.NumHiddenLayers} {(c.NumHiddenLayers == 1 ? "layer" : "layers")}, "
                + $"{c.NumAttentionHeads} {(c.NumAttentionHeads == 1 ? "head" : "heads")} of {c.HiddenSize / c.NumAttentionHeads}, "
                + $"feed-forward {c.IntermediateSize}, token types {c.TypeVocabSize}, attention {c.Attention}";
        }

        public override string DescribeTokenizer(string config, string? tokenizer)
        {
            BpeTokenizer t = BpeTokenizer.Load(tokenizer!);
            int[] lengths = [.. Enumerable.Range(0, t.VocabularySize).Where(id => !t.IsSpecial(id)).Select(id => t.Token(id).Length)];
            return $"{t.VocabularySize} ids, tokens of {lengths.DefaultIfEmpty().Average():F1} bases on average and "
                + $"{lengths.DefaultIfEmpty().Max()} at most, {Special(t, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")}";
        }

        public override SequenceModel Make(
            ModelSource source, int? labels, Backend? backend, ModelParts parts, Action<ParameterSet> fill, Action<SequenceModel>? prepare)
        {
            Dnabert2Config config = source.LoadConfig();
            return Dnabert2Model.Make(
                config with { NumLabels = labels ?? config.NumLabels }, source.LoadTokenizer(), backend, parts, fill, prepare);
        }
    }

    private sealed class OfDnabert : Architecture
    {
        public override string Name => "DNABERT";

        public override Type Model => typeof(DnabertModel);

        public override string TokenizerFile => ModelSource.VocabularyFile;

        public override string DescribeConfig(string path)
        {
            DnabertConfig c = DnabertConfig.Load(path);
            return $"{Name}, {Describe(c)}, token types {c.TypeVocabSize}";
        }

        public override string DescribeTokenizer(string config, string? tokenizer)
        {
            DnabertTokenizer t = DnabertTokenizer.Load(tokenizer!);
            return $"{t.VocabularySize} ids, {t.K}-mers that begin at each base, "
                + Special(t, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]");
        }

        public override SequenceModel Make(
            ModelSource source, int? labels, Backend? backend, ModelParts parts, Action<ParameterSet> fill, Action<SequenceModel>? prepare)
        {
            DnabertConfig config = DnabertConfig.Load(source.ConfigPath);
            return DnabertModel.Make(
                config with { NumLabels = labels ?? config.NumLabels }, DnabertTokenizer.Load(source.VocabularyPath), backend, parts, fill,
                prepare);
        }
    }

    private sealed class OfNucleotideTransformer : Architecture
    {
        public override string Name => "the Nucleotide Transformer";

        public override Type Model => typeof(NucleotideTransformerModel);

        public override string TokenizerFile => ModelSource.VocabularyFile;

        public override string DescribeConfig(string path)
        {
            NucleotideTransformerConfig c = NucleotideTransformerConfig.Load(path);
            return $"{Name} v1, {Describe(c)}, token dropout {(c.TokenDropout ? "on" : "off")}";
        }

        public override string DescribeTokenizer(string config, string? tokenizer)
        {
            NucleotideTransformerTokenizer t = NucleotideTransformerTokenizer.Load(tokenizer!);
            return $"{t.VocabularySize} ids, {t.K}-mers one after the other and single bases, "
                + Special(t, "<unk>", "<cls>", "<eos>", "<pad>", "<mask>");
        }

        public override string ClassifierWeight => "classifier.out_proj.weight";

        public override SequenceModel Make(
            ModelSource source, int? labels, Backend? backend, ModelParts parts, Action<ParameterSet> fill, Action<SequenceModel>? prepare)
        {
            NucleotideTransformerConfig config = NucleotideTransformerConfig.Load(source.ConfigPath);
            return NucleotideTransformerModel.Make(
                config with { NumLabels = labels ?? config.NumLabels }, NucleotideTransformerTokenizer.Load(source.VocabularyPath), backend,
                parts, fill, prepare);
        }
    }
}
