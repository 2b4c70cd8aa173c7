using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Files;

namespace Dnabert2.NucleotideTransformer;

/// <summary>
/// The hyper-parameters of a Nucleotide Transformer, version 1, named as in Hugging Face's <c>config.json</c> of an ESM. The defaults are
/// those of the published models of 500 million parameters.
/// </summary>
public sealed record NucleotideTransformerConfig : TransformerConfig
{
    private const string Version = "the Nucleotide Transformer v1";

    /// <summary>The hyper-parameters of the published models of 500 million parameters.</summary>
    public NucleotideTransformerConfig()
    {
        (VocabSize, HiddenSize, NumHiddenLayers, NumAttentionHeads, IntermediateSize) = (4105, 1280, 24, 20, 5120);
        MaxPositionEmbeddings = 1002;
    }

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
    /// Not JSON, or a value that no Nucleotide Transformer v1 has; the message names file and key.
    /// </exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static NucleotideTransformerConfig Load(string path) => Load((StoredFile)path);

    internal static NucleotideTransformerConfig Load(StoredFile file) => JsonFields.Read(file, ConfigReader.Remedy, Read);

    internal static NucleotideTransformerConfig Read(JsonFields json)
    {
        // What version 2 and ESM itself have.
        if (json.Has("add_bias_fnn") && !json.Truth("add_bias_fnn"))
            throw json.Fault(
                "add_bias_fnn", $"is false, as in the Nucleotide Transformer v2, which is not supported; {Version} has biases");
        Expect("emb_layer_norm_before", false, otherwise: false);
        Expect("is_folding_model", false, otherwise: false);
        Expect("tie_word_embeddings", false, otherwise: true);
        var start = new NucleotideTransformerConfig
        {
            PadTokenId = Id("pad_token_id", 1),
            MaskTokenId = Id("mask_token_id", 2),
            TokenDropout = json.Has("token_dropout") && json.Truth("token_dropout"),
        };
        return json.Checked(Read(json, start, Version), read => read.Validate());

        void Expect(string key, bool expected, bool otherwise)
        {
            bool value = json.Has(key) ? json.Truth(key) : otherwise;
            string said = json.Has(key) ? value ? "is true" : "is false" : $"is missing, which means {(value ? "true" : "false")}";
            if (value != expected)
                throw json.Fault(key, $"{said}; {Version} has {(expected ? "true" : "false")}, and others are not supported");
        }

        int Id(string key, int otherwise) => json.Has(key) ? json.Small(key, 0, Dnabert2Config.MostTokens) : otherwise;
    }

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
        return json;
    }

    internal override void Validate()
    {
        base.Validate();
        OptionRange.Check("pad_token_id", PadTokenId, 0, VocabSize - 1);
        OptionRange.Check("mask_token_id", MaskTokenId, 0, VocabSize - 1);
        if (MaxPositionEmbeddings <= FirstPosition)
            throw new ArgumentException(
                $"max_position_embeddings is {MaxPositionEmbeddings}: with pad_token_id {PadTokenId} the first token has position "
                + $"{FirstPosition}");
    }
}
