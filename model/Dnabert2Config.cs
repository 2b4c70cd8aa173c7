using System.Text.Json;
using Dnabert2.Data;
using Dnabert2.Files;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>
/// The hyper-parameters of a DNABERT-2, named as in Hugging Face's <c>config.json</c>. The defaults are the published 117M model. All
/// parameters together are at most 2,147,483,647.
/// </summary>
public sealed record Dnabert2Config
{
    internal const int MostTokens = 1 << 20, MostHidden = 1 << 16, MostLayers = 1024, MostHeads = 1024, MostIntermediate = 1 << 18;
    internal const string PoolingKey = "classifier_pooling";
    internal static readonly string[] PoolingNames = ["mean", "cls"];
    internal const int MostTypes = 1024, MostLabels = 1 << 16;

    /// <summary>Entries of the vocabulary, from 1 to 1,048,576.</summary>
    public int VocabSize { get; init; } = 4096;

    /// <summary>Width of the residual stream, from 1 to 65,536.</summary>
    public int HiddenSize { get; init; } = 768;

    /// <summary>Encoder layers, from 1 to 1,024.</summary>
    public int NumHiddenLayers { get; init; } = 12;

    /// <summary>Attention heads, from 1 to 1,024: a divisor of the hidden size.</summary>
    public int NumAttentionHeads { get; init; } = 12;

    /// <summary>Width of the gated feed-forward layer after gating, from 1 to 262,144.</summary>
    public int IntermediateSize { get; init; } = 3072;

    /// <summary>Token types, from 1 to 1,024.</summary>
    public int TypeVocabSize { get; init; } = 2;

    /// <summary>Added to the variance in every layer normalisation, from 0 to 1.</summary>
    public float LayerNormEps { get; init; } = 1e-12f;

    /// <summary>Standard deviation of initial weights, from 0 to 10.</summary>
    public float InitializerRange { get; init; } = 0.02f;

    /// <summary>Dropout after embeddings, attention and gating, in training, from 0 to 0.999.</summary>
    public float HiddenDropoutProb { get; init; } = 0.1f;

    /// <summary>Dropout of attention weights, in training, from 0 to 0.999.</summary>
    public float AttentionProbsDropoutProb { get; init; }

    /// <summary>Dropout before the classifier, from 0 to 0.999; null: <see cref="HiddenDropoutProb"/>.</summary>
    public float? ClassifierDropout { get; init; }

    /// <summary>
    /// How the vectors of a sequence's tokens become the one that the pooler is given, <c>classifier_pooling</c> in <c>config.json</c>:
    /// <c>cls</c>, the first one, unless given, or <c>mean</c>. Hugging Face's classes know the first one alone.
    /// </summary>
    public Pooling ClassifierPooling { get; init; } = Pooling.Cls;

    /// <summary>Outputs of the classifier, where there is one, from 1 to 65,536.</summary>
    public int NumLabels { get; init; } = 2;

    /// <summary>
    /// The self-attention of every layer, <c>attention</c> in <c>config.json</c>: ALiBi unless given. Hugging Face's classes know ALiBi
    /// alone.
    /// </summary>
    public SelfAttention Attention { get; init; } = SelfAttention.Alibi;

    /// <summary>Reads a <c>config.json</c>.</summary>
    /// <param name="path">The file.</param>
    /// <param name="attention">An attention of one's own that the file may name; it may name a built-in one all the same.</param>
    /// <exception cref="InvalidDataException">Not JSON, or a value that no DNABERT-2 has; the message names file and key.</exception>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static Dnabert2Config Load(string path, SelfAttention? attention = null) =>
        Load((StoredFile)path, attention);

    internal static Dnabert2Config Load(StoredFile file, SelfAttention? attention) =>
        JsonFields.Read(file, ConfigReader.Remedy, json => new ConfigReader(json, attention).Read());

    /// <summary>
    /// Writes a <c>config.json</c> that this engine reads and, with <c>trust_remote_code=True</c>, Hugging Face's auto classes: their
    /// code for DNABERT-2 is in its repository on the hub, which <c>auto_map</c> names. There is no <c>model_type</c>, as in the published
    /// file: with one, auto classes without trust load the published BERT instead and give it random weights. Another attention than
    /// ALiBi has no code there, so it has no <c>auto_map</c>.
    /// </summary>
    public void Save(Stream destination)
    {
        using var json = new Utf8JsonWriter(destination, new JsonWriterOptions { Indented = true });
        json.WriteStartObject();
        json.WriteStartArray("architectures");
        json.WriteStringValue("BertForMaskedLM");
        json.WriteEndArray();
        if (IsOfPublishedCode) WriteAutoMap(json);
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
        if (ClassifierPooling != Pooling.Cls) json.WriteString(PoolingKey, PoolingNames[(int)ClassifierPooling]);
        json.WriteString("attention", Attention.Name);
        json.WriteNumber("alibi_starting_size", 512);
        json.WriteNumber("max_position_embeddings", 512);
        json.WriteEndObject();
    }

    /// <summary>Refuses what cannot be trained.</summary>
    /// <exception cref="ArgumentException">It is neither the mean nor the first token.</exception>
    internal static void CheckPooling(string name, Pooling pooling)
    {
        if (pooling is not (Pooling.Mean or Pooling.Cls))
            throw new ArgumentException($"{name} is {pooling}: the head classifies the mean of all tokens or the first one, Mean or Cls");
    }

    /// <summary>Whether Hugging Face's classes compute such a model.</summary>
    internal bool IsOfPublishedCode => Attention.Equals(SelfAttention.Alibi) && ClassifierPooling == Pooling.Cls;

    private static void WriteAutoMap(Utf8JsonWriter json)
    {
        const string code = "zhihan1996/DNABERT-2-117M--";
        json.WriteStartObject("auto_map");
        json.WriteString("AutoConfig", code + "configuration_bert.BertConfig");
        json.WriteString("AutoModel", code + "bert_layers.BertModel");
        json.WriteString("AutoModelForMaskedLM", code + "bert_layers.BertForMaskedLM");
        json.WriteString("AutoModelForSequenceClassification", code + "bert_layers.BertForSequenceClassification");
        json.WriteEndObject();
    }

    /// <summary>Holds all values against their ranges, before anything is allocated.</summary>
    /// <exception cref="ArgumentException">One is out of its range; the message names it as <c>config.json</c> does.</exception>
    internal void Validate()
    {
        OptionRange.Check("vocab_size", VocabSize, 1, MostTokens);
        OptionRange.Check("hidden_size", HiddenSize, 1, MostHidden);
        OptionRange.Check("num_hidden_layers", NumHiddenLayers, 1, MostLayers);
        OptionRange.Check("num_attention_heads", NumAttentionHeads, 1, MostHeads);
        OptionRange.Check("intermediate_size", IntermediateSize, 1, MostIntermediate);
        OptionRange.Check("type_vocab_size", TypeVocabSize, 1, MostTypes);
        OptionRange.Check("num_labels", NumLabels, 1, MostLabels);
        OptionRange.Check("layer_norm_eps", LayerNormEps, 0, 1);
        OptionRange.Check("initializer_range", InitializerRange, 0, 10);
        OptionRange.Check("hidden_dropout_prob", HiddenDropoutProb, 0, 0.999f);
        OptionRange.Check("attention_probs_dropout_prob", AttentionProbsDropoutProb, 0, 0.999f);
        OptionRange.Check("classifier_dropout", ClassifierDropout ?? 0, 0, 0.999f);
        CheckPooling(PoolingKey, ClassifierPooling);
        if (HiddenSize % NumAttentionHeads != 0)
            throw new ArgumentException($"num_attention_heads {NumAttentionHeads} does not divide hidden_size {HiddenSize}");
        Attention.Check(this);
        if (ParameterCount > int.MaxValue)
            throw new ArgumentException(
                $"vocab_size {VocabSize}, hidden_size {HiddenSize}, num_hidden_layers {NumHiddenLayers} and intermediate_size " +
                $"{IntermediateSize} make {ParameterCount:N0} parameters; at most {int.MaxValue:N0} are supported");
    }

    // The large ones: embeddings, the matrices of the layers and of the heads.
    private long ParameterCount
    {
        get
        {
            long hidden = HiddenSize, layer = (4 * hidden * hidden) + (3 * hidden * IntermediateSize) + (10 * hidden);
            layer += Attention.ParametersPerLayer(NumAttentionHeads);
            return (hidden * (VocabSize + TypeVocabSize + NumLabels)) + (NumHiddenLayers * layer) + (2 * hidden * hidden);
        }
    }
}
