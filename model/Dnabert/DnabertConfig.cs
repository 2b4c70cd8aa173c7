using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Files;

namespace Dnabert2.Dnabert;

/// <summary>
/// The hyper-parameters of a DNABERT, named as in Hugging Face's <c>config.json</c>. The defaults are those of the published model of
/// 6-mers, of 89 million parameters.
/// </summary>
public sealed record DnabertConfig : TransformerConfig
{
    /// <summary>The hyper-parameters of the published model of 6-mers.</summary>
    public DnabertConfig()
    {
        (VocabSize, HiddenSize, NumHiddenLayers, NumAttentionHeads, IntermediateSize) = (4101, 768, 12, 12, 3072);
        (MaxPositionEmbeddings, HiddenDropoutProb, AttentionProbsDropoutProb) = (512, 0.1f, 0.1f);
    }

    /// <summary>Token types, from 1 to 1,024.</summary>
    public int TypeVocabSize { get; init; } = 2;

    /// <summary>The id of padding, whose embedding is not trained.</summary>
    public int PadTokenId { get; init; }

    /// <summary>
    /// Dropout before the classifier, from 0 to 0.999; null: <see cref="TransformerConfig.HiddenDropoutProb"/>.
    /// </summary>
    public float? ClassifierDropout { get; init; }

    /// <summary>Reads a <c>config.json</c>; keys that are not of this model are left alone.</summary>
    /// <exception cref="InvalidDataException">Not JSON, or a value that no DNABERT has; the message names file and key.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static DnabertConfig Load(string path) => Load((StoredFile)path);

    internal static DnabertConfig Load(StoredFile file) => JsonFields.Read(file, ConfigReader.Remedy, Read);

    internal static DnabertConfig Read(JsonFields json)
    {
        var start = new DnabertConfig
        {
            TypeVocabSize = json.Has("type_vocab_size") ? json.Small("type_vocab_size", 1, Dnabert2Config.MostTypes) : 2,
            PadTokenId = json.Has("pad_token_id") ? json.Small("pad_token_id", 0, Dnabert2Config.MostTokens) : 0,
            ClassifierDropout = json.Has("classifier_dropout") ? (float)json.Number("classifier_dropout", 0) : null,
        };
        return json.Checked(Read(json, start, "a DNABERT"), read => read.Validate());
    }

    internal override JsonObject Write()
    {
        JsonObject json = Write("bert", "BertForMaskedLM");
        json["hidden_act"] = "gelu";
        json["type_vocab_size"] = TypeVocabSize;
        json["pad_token_id"] = PadTokenId;
        json["classifier_dropout"] = ClassifierDropout;
        return json;
    }

    internal override void Validate()
    {
        base.Validate();
        OptionRange.Check("type_vocab_size", TypeVocabSize, 1, Dnabert2Config.MostTypes);
        OptionRange.Check("pad_token_id", PadTokenId, 0, VocabSize - 1);
        OptionRange.Check("classifier_dropout", ClassifierDropout ?? 0, 0, 0.999f);
    }
}
