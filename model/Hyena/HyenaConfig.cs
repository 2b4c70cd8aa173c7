using System.Text.Json;
using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Folders;

namespace Dnabert2.Hyena;

/// <summary>How a classifier takes one vector from a sequence.</summary>
public enum HyenaPooling
{
    /// <summary>The last token, and a linear layer without bias: Hugging Face's class.</summary>
    LastToken,

    /// <summary>The mean over all tokens, and a linear layer with bias: HyenaDNA's own repository.</summary>
    Mean,
}

/// <summary>
/// The hyper-parameters of a HyenaDNA (arXiv 2306.15794), named as in the published <c>config.json</c> of Hugging Face's form. That of its
/// own repository, with an object <c>layer</c>, is read, too. The defaults are the published model of 160,000 bases. Fields that decide
/// nothing here (dropouts that the published code does not apply, and what it is saved by) are ignored.
/// </summary>
public sealed record HyenaConfig
{
    internal const string ModelType = "hyenadna", OriginalLayer = "layer";
    internal const string Remedy = "correct it, or fetch the file again";
    private const string PoolingKey = Dnabert2Config.PoolingKey;
    private static readonly string[] PoolingNames = ["last", "mean"];
    private const int MostTokens = 1 << 20, MostWidth = 1 << 16, MostLayers = 1024, MostPositions = 1 << 24, MostLabels = 1 << 16;

    /// <summary>Ids that the tokenizer has, from 1 to 1,048,576.</summary>
    public int VocabSize { get; init; } = 12;

    /// <summary>The embedding has a multiple of so many rows, from 1 to 1,024.</summary>
    public int PadVocabSizeMultiple { get; init; } = 8;

    /// <summary>Width of the residual stream, from 1 to 65,536.</summary>
    public int DModel { get; init; } = 256;

    /// <summary>Width of the feed-forward layers, from 1 to 65,536.</summary>
    public int DInner { get; init; } = 1024;

    /// <summary>Layers, from 1 to 1,024.</summary>
    public int NLayer { get; init; } = 8;

    /// <summary>
    /// Tokens of the longest sequence, from 2 to 16,777,216. The filter of every sequence is made from it, however short the sequence is.
    /// </summary>
    public int MaxSeqLen { get; init; } = 160_002;

    /// <summary>Numbers that the filter knows of a position, odd, from 3 to 65,535.</summary>
    public int EmbDim { get; init; } = 5;

    /// <summary>Width of the network that makes the filter, from 1 to 65,536.</summary>
    public int FilterOrder { get; init; } = 64;

    /// <summary>Positions of the short convolution, from 1 to 1,024.</summary>
    public int ShortFilterOrder { get; init; } = 3;

    /// <summary>Added to the variance in every layer normalisation, from 0 to 1.</summary>
    public float LayerNormEpsilon { get; init; } = 1e-5f;

    /// <summary>Standard deviation of initial weights, from 0 to 10.</summary>
    public float InitializerRange { get; init; } = 0.02f;

    /// <summary>Outputs of the classifier, where there is one, from 1 to 65,536.</summary>
    public int NumLabels { get; init; } = 2;

    /// <summary>
    /// What the classifier is given: <c>classifier_pooling</c>, <c>last</c> or <c>mean</c>. Published files do not say it, and mean the
    /// last token.
    /// </summary>
    public HyenaPooling Pooling { get; init; }

    /// <summary>Rows of the embedding and outputs of the language model.</summary>
    public int VocabRows => (VocabSize + PadVocabSizeMultiple - 1) / PadVocabSizeMultiple * PadVocabSizeMultiple;

    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="InvalidDataException">Not JSON, or a value that no HyenaDNA has; the message names file and key.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static HyenaConfig Load(string path) => Load((StoredFile)path);

    internal static HyenaConfig Load(StoredFile file) => JsonFields.Read(file, Remedy, Read);

    internal static HyenaConfig Read(JsonFields json)
    {
        // In the form of HyenaDNA's repository what is of the operator is in an object of its own, under other names.
        bool isOriginal = json.KindOf(OriginalLayer) == JsonValueKind.Object;
        JsonFields layer = isOriginal ? json.Object(OriginalLayer) : json;
        ExpectNumber(layer, isOriginal ? "order" : "hyena_order", 2);
        ExpectNumber(layer, "num_inner_mlps", 2);
        ExpectTruth(json, "use_bias", true);
        ExpectTruth(json, "tie_word_embeddings", false);
        ExpectTruth(layer, "modulate", true);
        ExpectTruth(layer, "bidirectional", false);
        if (isOriginal && layer.Has("_name_") && layer.Text("_name_") != "hyena")
            throw layer.Fault("_name_", $"is {layer.Shown("_name_")}, which is not supported; HyenaDNA has \"hyena\"");
        var config = new HyenaConfig
        {
            VocabSize = Integer(json, "vocab_size", 1, MostTokens),
            PadVocabSizeMultiple = json.Has("pad_vocab_size_multiple") ? json.Small("pad_vocab_size_multiple", 1, 1024) : 8,
            DModel = Integer(json, "d_model", 1, MostWidth),
            DInner = Integer(json, "d_inner", 1, MostWidth),
            NLayer = Integer(json, "n_layer", 1, MostLayers),
            MaxSeqLen = Integer(layer, isOriginal ? "l_max" : "max_seq_len", 2, MostPositions),
            EmbDim = Integer(layer, "emb_dim", 3, MostWidth),
            FilterOrder = Integer(layer, "filter_order", 1, MostWidth),
            ShortFilterOrder = layer.Has("short_filter_order") ? layer.Small("short_filter_order", 1, 1024) : 3,
            LayerNormEpsilon = json.Has("layer_norm_epsilon") ? (float)json.Number("layer_norm_epsilon", 0) : 1e-5f,
            InitializerRange = json.Has("initializer_range") ? (float)json.Number("initializer_range", 0) : 0.02f,
            NumLabels = ConfigReader.NumLabels(json),
            Pooling = json.Has(PoolingKey) ? (HyenaPooling)json.Choice(PoolingKey, PoolingNames) : HyenaPooling.LastToken,
        };
        return json.Checked(config, read => read.Validate());
    }

    /// <summary>Writes a <c>config.json</c> in Hugging Face's form.</summary>
    /// <exception cref="IOException">The stream cannot be written to.</exception>
    public void Save(Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        destination.Write(ModelOrigin.Bytes(Write()));
    }

    /// <summary>The object of <see cref="Save"/>.</summary>
    internal JsonObject Write()
    {
        var json = new JsonObject
        {
            ["model_type"] = ModelType,
            ["d_inner"] = DInner,
            ["d_model"] = DModel,
            ["emb_dim"] = EmbDim,
            ["filter_order"] = FilterOrder,
            ["hyena_order"] = 2,
            ["initializer_range"] = InitializerRange,
            ["layer_norm_epsilon"] = LayerNormEpsilon,
            ["max_seq_len"] = MaxSeqLen,
            ["n_layer"] = NLayer,
            ["num_inner_mlps"] = 2,
            ["num_labels"] = NumLabels,
            ["pad_token_id"] = 4,
            ["pad_vocab_size_multiple"] = PadVocabSizeMultiple,
            ["short_filter_order"] = ShortFilterOrder,
            ["tie_word_embeddings"] = false,
            ["use_bias"] = true,
            ["vocab_size"] = VocabSize,
        };
        if (Pooling != HyenaPooling.LastToken) json[PoolingKey] = PoolingNames[(int)Pooling];
        return json;
    }

    /// <summary>Holds all values against their ranges, before anything is allocated.</summary>
    /// <exception cref="ArgumentException">One is out of its range; the message names it as <c>config.json</c> does.</exception>
    internal void Validate()
    {
        OptionRange.Check("vocab_size", VocabSize, 1, MostTokens);
        OptionRange.Check("pad_vocab_size_multiple", PadVocabSizeMultiple, 1, 1024);
        OptionRange.Check("d_model", DModel, 1, MostWidth);
        OptionRange.Check("d_inner", DInner, 1, MostWidth);
        OptionRange.Check("n_layer", NLayer, 1, MostLayers);
        OptionRange.Check("max_seq_len", MaxSeqLen, 2, MostPositions);
        OptionRange.Check("emb_dim", EmbDim, 3, MostWidth - 1);
        OptionRange.Check("filter_order", FilterOrder, 1, MostWidth);
        OptionRange.Check("short_filter_order", ShortFilterOrder, 1, 1024);
        OptionRange.Check("layer_norm_epsilon", LayerNormEpsilon, 0, 1);
        OptionRange.Check("initializer_range", InitializerRange, 0, 10);
        OptionRange.Check("num_labels", NumLabels, 1, MostLabels);
        OptionRange.Check("pooling", Pooling);
        if (EmbDim % 2 == 0) throw new ArgumentException($"emb_dim is {EmbDim}: it is odd, a position and two numbers for each band");
        if (ParameterCount > int.MaxValue)
            throw new ArgumentException(
                $"d_model {DModel}, d_inner {DInner}, n_layer {NLayer} and filter_order {FilterOrder} make {ParameterCount:N0} parameters; "
                + $"at most {int.MaxValue:N0} are supported");
    }

    // The large ones: embedding and head, the matrices of the layers and of their filters.
    private long ParameterCount
    {
        get
        {
            long d = DModel, order = FilterOrder;
            long layer = (4 * d * d) + (2 * d * DInner) + (order * (EmbDim + (2 * order) + d)) + (3 * d * ShortFilterOrder);
            return (2 * d * VocabRows) + (d * NumLabels) + (NLayer * layer);
        }
    }

    private static int Integer(JsonFields json, string key, int least, int most) => json.Has(key)
        ? json.Small(key, least, most) : throw json.Fault(key, "is missing; is this the config.json of a HyenaDNA model?");

    private static void ExpectNumber(JsonFields json, string key, int expected)
    {
        if (json.Has(key) && json.Number(key, double.MinValue) is var value && value != expected)
            throw json.Fault(key, $"is {json.Shown(key)}, which is not supported; the published models have {expected}");
    }

    private static void ExpectTruth(JsonFields json, string key, bool expected)
    {
        if (json.Has(key) && json.Truth(key) != expected)
            throw json.Fault(key, $"is {json.Shown(key)}, which is not supported; the published models have the other");
    }
}
