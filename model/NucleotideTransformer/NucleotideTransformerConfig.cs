using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Files;

namespace Dnabert2.NucleotideTransformer;

/// <summary>
/// The hyper-parameters of a Nucleotide Transformer, named as in Hugging Face's <c>config.json</c> of an ESM. The defaults are those of the
/// published models of version 1 of 500 million parameters.
/// </summary>
public sealed record NucleotideTransformerConfig : TransformerConfig
{
    /// <summary>The hyper-parameters of the published models of version 1 of 500 million parameters.</summary>
    public NucleotideTransformerConfig()
    {
        (VocabSize, HiddenSize, NumHiddenLayers, NumAttentionHeads, IntermediateSize) = (4105, 1280, 24, 20, 5120);
        MaxPositionEmbeddings = 1002;
    }

    /// <summary>The hyper-parameters of the published model of version 2 of 500 million parameters.</summary>
    public static NucleotideTransformerConfig Version2 { get; } = new()
    {
        Version = 2,
        VocabSize = 4107,
        HiddenSize = 1024,
        NumHiddenLayers = 29,
        NumAttentionHeads = 16,
        IntermediateSize = 4096,
        MaxPositionEmbeddings = 2050,
        TokenDropout = false,
    };

    /// <summary>
    /// 1: learned positions, and a feed-forward layer with GELU and biases. 2: rotary positions, and one with SwiGLU and without biases;
    /// <c>add_bias_fnn</c> is false in its <c>config.json</c>.
    /// </summary>
    public int Version { get; init; } = 1;

    /// <summary>The id of padding; the position of the first token is two more, that of padding one more.</summary>
    public int PadTokenId { get; init; } = 1;

    /// <summary>The id of the mask.</summary>
    public int MaskTokenId { get; init; } = 2;

    /// <summary>Whether embeddings are scaled by the share of masks; see <see cref="Engine.Kernels.ApplyTokenDropout"/>.</summary>
    public bool TokenDropout { get; init; } = true;

    /// <summary>The rows of the table of positions that no token has.</summary>
    internal int FirstPosition => PadTokenId + 1;

    /// <summary>The positions that tokens have.</summary>
    internal int Positions => MaxPositionEmbeddings - FirstPosition;

    /// <summary>Reads a <c>config.json</c>; keys that are not of this model are left alone.</summary>
    /// <exception cref="InvalidDataException">
    /// Not JSON, or a value that no Nucleotide Transformer has; the message names file and key.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static NucleotideTransformerConfig Load(string path) => Load((StoredFile)path);

    internal static NucleotideTransformerConfig Load(StoredFile file) => JsonFields.Read(file, ConfigReader.Remedy, Read);

    internal static NucleotideTransformerConfig Read(JsonFields json)
    {
        int version = json.Has("add_bias_fnn") && !json.Truth("add_bias_fnn") ? 2 : 1;
        string name = NameOf(version);
        // What ESM itself has.
        Expect("emb_layer_norm_before", false, otherwise: false);
        Expect("is_folding_model", false, otherwise: false);
        Expect("tie_word_embeddings", false, otherwise: true);
        var start = new NucleotideTransformerConfig
        {
            Version = version,
            PadTokenId = Id("pad_token_id", 1),
            MaskTokenId = Id("mask_token_id", 2),
            TokenDropout = json.Has("token_dropout") && json.Truth("token_dropout"),
        };
        return json.Checked(Read(json, start, name, PositionsOf(version)), read => read.Validate());

        void Expect(string key, bool expected, bool otherwise)
        {
            bool value = json.Has(key) ? json.Truth(key) : otherwise;
            string said = json.Has(key) ? value ? "is true" : "is false" : $"is missing, which means {(value ? "true" : "false")}";
            if (value != expected)
                throw json.Fault(key, $"{said}; {name} has {(expected ? "true" : "false")}, and others are not supported");
        }

        int Id(string key, int otherwise) => json.Has(key) ? json.Small(key, 0, Dnabert2Config.MostTokens) : otherwise;
    }

    /// <summary>A version, for people.</summary>
    internal static string NameOf(int version) => $"the Nucleotide Transformer v{version}";

    private static string PositionsOf(int version) => version == 1 ? "absolute" : "rotary";

    private protected override int FeedForwardMatrices => Version == 1 ? 2 : 3;

    /// <summary>The keys of an ESM's config; without <c>hidden_act</c>, as in the published ones: there is one activation.</summary>
    internal override JsonObject Write()
    {
        JsonObject json = Write("esm", "EsmForMaskedLM");
        json["pad_token_id"] = PadTokenId;
        json["mask_token_id"] = MaskTokenId;
        json["token_dropout"] = TokenDropout;
        json["emb_layer_norm_before"] = false;
        json["is_folding_model"] = false;
        json["tie_word_embeddings"] = false;
        json["vocab_list"] = null;
        json["esmfold_config"] = null;
        if (Version == 1) return json;
        json["position_embedding_type"] = PositionsOf(Version);
        json["add_bias_fnn"] = false;
        // Hugging Face's ESM has no such layers: the classes are in the repositories of the published models.
        const string code = "InstaDeepAI/nucleotide-transformer-v2-500m-multi-species--";
        json["auto_map"] = new JsonObject
        {
            ["AutoConfig"] = code + "esm_config.EsmConfig",
            ["AutoModelForMaskedLM"] = code + "modeling_esm.EsmForMaskedLM",
            ["AutoModelForSequenceClassification"] = code + "modeling_esm.EsmForSequenceClassification",
        };
        return json;
    }

    internal override void Validate()
    {
        base.Validate();
        OptionRange.Check("version", Version, 1, 2);
        OptionRange.Check("pad_token_id", PadTokenId, 0, VocabSize - 1);
        OptionRange.Check("mask_token_id", MaskTokenId, 0, VocabSize - 1);
        if (MaxPositionEmbeddings <= FirstPosition)
            throw new ArgumentException(
                $"max_position_embeddings is {MaxPositionEmbeddings}: with pad_token_id {PadTokenId} the first token has position "
                + $"{FirstPosition}");
        if (Version == 2) RotaryPositions.Check("position_embedding_type rotary", Positions, HiddenSize, NumAttentionHeads);
    }
}
