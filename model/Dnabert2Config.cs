using System.Text.Json;
using System.Text.Unicode;

namespace Dnabert2;

/// <summary>
/// The hyper-parameters of a DNABERT-2, named as in Hugging Face's <c>config.json</c>. The defaults are the published 117M model.
/// </summary>
public sealed record Dnabert2Config
{
    /// <summary>Entries of the vocabulary.</summary>
    public int VocabSize { get; init; } = 4096;

    /// <summary>Width of the residual stream.</summary>
    public int HiddenSize { get; init; } = 768;

    /// <summary>Encoder layers.</summary>
    public int NumHiddenLayers { get; init; } = 12;

    /// <summary>Attention heads, a divisor of the hidden size.</summary>
    public int NumAttentionHeads { get; init; } = 12;

    /// <summary>Width of the gated feed-forward layer after gating.</summary>
    public int IntermediateSize { get; init; } = 3072;

    /// <summary>Token types.</summary>
    public int TypeVocabSize { get; init; } = 2;

    /// <summary>Added to the variance in every layer normalisation.</summary>
    public float LayerNormEps { get; init; } = 1e-12f;

    /// <summary>Standard deviation of initial weights.</summary>
    public float InitializerRange { get; init; } = 0.02f;

    /// <summary>Dropout after embeddings, attention and gating, in training.</summary>
    public float HiddenDropoutProb { get; init; } = 0.1f;

    /// <summary>Dropout of attention weights, in training.</summary>
    public float AttentionProbsDropoutProb { get; init; }

    /// <summary>Dropout before the classifier; null: <see cref="HiddenDropoutProb"/>.</summary>
    public float? ClassifierDropout { get; init; }

    /// <summary>Outputs of the classifier, where there is one.</summary>
    public int NumLabels { get; init; } = 2;

    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <exception cref="InvalidDataException">Not JSON, or a value that no DNABERT-2 has; the message names file and key.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Dnabert2Config Load(string path)
    {
        byte[] json = File.ReadAllBytes(path);
        if (!Utf8.IsValid(json)) throw new InvalidDataException($"{path}: not valid JSON: it is not text in UTF-8");
        try
        {
            using JsonDocument document = JsonDocument.Parse(json.AsMemory());
            return new ConfigReader(path, document.RootElement).Read();
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{path}: not valid JSON at line {e.LineNumber + 1}, column {e.BytePositionInLine + 1}");
        }
    }

    /// <summary>Writes a <c>config.json</c> that this engine and Hugging Face's classes read.</summary>
    public void Save(Stream destination)
    {
        using var json = new Utf8JsonWriter(destination, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartArray("architectures");
        json.WriteStringValue("BertForMaskedLM");
        json.WriteEndArray();
        json.WriteString("model_type", "bert");
        json.WriteString("position_embedding_type", "absolute");
        json.WriteString("hidden_act", "gelu");
        json.WriteNumber("vocab_size", VocabSize);
        json.WriteNumber("hidden_size", HiddenSize);
        json.WriteNumber("num_hidden_layers", NumHiddenLayers);
        json.WriteNumber("num_attention_heads", NumAttentionHeads);
        json.WriteNumber("intermediate_size", IntermediateSize);
        json.WriteNumber("type_vocab_size", TypeVocabSize);
        json.WriteNumber("layer_norm_eps", LayerNormEps);
        json.WriteNumber("initializer_range", InitializerRange);
        json.WriteNumber("hidden_dropout_prob", HiddenDropoutProb);
        json.WriteNumber("attention_probs_dropout_prob", AttentionProbsDropoutProb);
        if (ClassifierDropout is { } dropout) json.WriteNumber("classifier_dropout", dropout);
        else json.WriteNull("classifier_dropout");
        json.WriteNumber("num_labels", NumLabels);
        json.WriteNumber("alibi_starting_size", 512);
        json.WriteNumber("max_position_embeddings", 512);
        json.WriteEndObject();
    }
}
