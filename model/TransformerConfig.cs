using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Folders;

namespace Dnabert2;

/// <summary>
/// The hyper-parameters that the transformers among the models besides DNABERT-2 have in common, named as in Hugging Face's
/// <c>config.json</c>. All parameters together are at most 8,589,934,592; of a model that is laid out for training, 2,147,483,647.
/// </summary>
public abstract record TransformerConfig
{
    private const long MostParameters = 1L << 33;

    private protected TransformerConfig()
    {
    }

    /// <summary>Entries of the vocabulary, from 1 to 1,048,576.</summary>
    public int VocabSize { get; init; }

    /// <summary>Width of the residual stream, from 1 to 65,536.</summary>
    public int HiddenSize { get; init; }

    /// <summary>Encoder layers, from 1 to 1,024.</summary>
    public int NumHiddenLayers { get; init; }

    /// <summary>Attention heads, from 1 to 1,024: a divisor of the hidden size.</summary>
    public int NumAttentionHeads { get; init; }

    /// <summary>Width of the feed-forward layer, from 1 to 262,144.</summary>
    public int IntermediateSize { get; init; }

    /// <summary>Rows of the table of learned positions, from 1 to 1,048,576.</summary>
    public int MaxPositionEmbeddings { get; init; }

    /// <summary>Added to the variance in every layer normalisation, from 0 to 1.</summary>
    public float LayerNormEps { get; init; } = 1e-12f;

    /// <summary>Standard deviation of initial weights, from 0 to 10.</summary>
    public float InitializerRange { get; init; } = 0.02f;

    /// <summary>Dropout of activations, in training, from 0 to 0.999.</summary>
    public float HiddenDropoutProb { get; init; }

    /// <summary>Dropout of attention weights, in training, from 0 to 0.999.</summary>
    public float AttentionProbsDropoutProb { get; init; }

    /// <summary>Outputs of the classifier, where there is one, from 1 to 65,536.</summary>
    public int NumLabels { get; init; } = 2;

    /// <summary>Takes what a <c>config.json</c> says over the values of <paramref name="start"/>.</summary>
    /// <exception cref="InvalidDataException">A value is missing, or none that such a model has.</exception>
    /// <param name="json">The object of the file.</param>
    /// <param name="start">The values of what it does not say.</param>
    /// <param name="kind">The model, for messages.</param>
    /// <param name="positions">The kind of positions that it has, in the file's words.</param>
    private protected static TConfig Read<TConfig>(JsonFields json, TConfig start, string kind, string positions = "absolute")
        where TConfig : TransformerConfig
    {
        if (json.Has("hidden_act") && json.Text("hidden_act") is not "gelu" and var act)
            throw json.Fault("hidden_act", $"is \"{act}\", which is not supported; {kind} has \"gelu\"");
        string found = json.Has("position_embedding_type") ? json.Text("position_embedding_type") : "absolute";
        if (found != positions)
            throw json.Fault("position_embedding_type", $"is \"{found}\", which is not supported; {kind} has \"{positions}\"");
        if (json.Has("is_decoder") && json.Truth("is_decoder"))
            throw json.Fault("is_decoder", $"is true, which is not supported; {kind} is an encoder");
        return start with
        {
            VocabSize = Integer("vocab_size", Dnabert2Config.MostTokens),
            HiddenSize = Integer("hidden_size", Dnabert2Config.MostHidden),
            NumHiddenLayers = Integer("num_hidden_layers", Dnabert2Config.MostLayers),
            NumAttentionHeads = Integer("num_attention_heads", Dnabert2Config.MostHeads),
            IntermediateSize = Integer("intermediate_size", Dnabert2Config.MostIntermediate),
            MaxPositionEmbeddings = Integer("max_position_embeddings", Dnabert2Config.MostTokens),
            LayerNormEps = Number("layer_norm_eps", start.LayerNormEps),
            InitializerRange = Number("initializer_range", start.InitializerRange),
            HiddenDropoutProb = Number("hidden_dropout_prob", start.HiddenDropoutProb),
            AttentionProbsDropoutProb = Number("attention_probs_dropout_prob", start.AttentionProbsDropoutProb),
            NumLabels = ConfigReader.NumLabels(json),
        };

        int Integer(string key, int most) =>
            json.Has(key) ? json.Small(key, 1, most) : throw json.Fault(key, $"is missing; is this the config.json of {kind}?");

        float Number(string key, float otherwise) => json.Has(key) ? (float)json.Number(key, 0) : otherwise;
    }

    /// <summary>
    /// Writes a <c>config.json</c> that this engine and Hugging Face's classes of the architecture read. What makes it the model's own
    /// beside the hyper-parameters, such as the names of classes, is not in it.
    /// </summary>
    /// <exception cref="IOException">The stream cannot be written to.</exception>
    public void Save(Stream destination)
    {
        ArgumentNullException.ThrowIfNull(destination);
        destination.Write(ModelOrigin.Bytes(Write()));
    }

    /// <summary>The object of <see cref="Save"/>.</summary>
    internal abstract JsonObject Write();

    /// <summary>What all of them have.</summary>
    /// <param name="type">The kind of model in Hugging Face's words.</param>
    /// <param name="className">The class of one with a language-model head.</param>
    private protected JsonObject Write(string type, string className) => new()
    {
        ["architectures"] = new JsonArray(className),
        ["model_type"] = type,
        ["position_embedding_type"] = "absolute",
        ["vocab_size"] = VocabSize,
        ["hidden_size"] = HiddenSize,
        ["num_hidden_layers"] = NumHiddenLayers,
        ["num_attention_heads"] = NumAttentionHeads,
        ["intermediate_size"] = IntermediateSize,
        ["max_position_embeddings"] = MaxPositionEmbeddings,
        ["layer_norm_eps"] = LayerNormEps,
        ["initializer_range"] = InitializerRange,
        ["hidden_dropout_prob"] = HiddenDropoutProb,
        ["attention_probs_dropout_prob"] = AttentionProbsDropoutProb,
        ["num_labels"] = NumLabels,
    };

    /// <summary>The matrices of a feed-forward layer.</summary>
    private protected virtual int FeedForwardMatrices => 2;

    /// <summary>Holds all values against their ranges, before anything is allocated.</summary>
    /// <exception cref="ArgumentException">One is out of its range; the message names it as <c>config.json</c> does.</exception>
    internal virtual void Validate()
    {
        OptionRange.Check("vocab_size", VocabSize, 1, Dnabert2Config.MostTokens);
        OptionRange.Check("hidden_size", HiddenSize, 1, Dnabert2Config.MostHidden);
        OptionRange.Check("num_hidden_layers", NumHiddenLayers, 1, Dnabert2Config.MostLayers);
        OptionRange.Check("num_attention_heads", NumAttentionHeads, 1, Dnabert2Config.MostHeads);
        OptionRange.Check("intermediate_size", IntermediateSize, 1, Dnabert2Config.MostIntermediate);
        OptionRange.Check("max_position_embeddings", MaxPositionEmbeddings, 1, Dnabert2Config.MostTokens);
        OptionRange.Check("num_labels", NumLabels, 1, Dnabert2Config.MostLabels);
        OptionRange.Check("layer_norm_eps", LayerNormEps, 0, 1);
        OptionRange.Check("initializer_range", InitializerRange, 0, 10);
        OptionRange.Check("hidden_dropout_prob", HiddenDropoutProb, 0, 0.999f);
        OptionRange.Check("attention_probs_dropout_prob", AttentionProbsDropoutProb, 0, 0.999f);
        if (HiddenSize % NumAttentionHeads != 0)
            throw new ArgumentException($"num_attention_heads {NumAttentionHeads} does not divide hidden_size {HiddenSize}");
        long hidden = HiddenSize, rows = VocabSize + (long)MaxPositionEmbeddings + NumLabels;
        long count = (hidden * rows) + (NumHiddenLayers * ((4 * hidden * hidden) + (FeedForwardMatrices * hidden * IntermediateSize)));
        if (count > MostParameters)
            throw new ArgumentException(
                $"vocab_size {VocabSize}, hidden_size {HiddenSize}, num_hidden_layers {NumHiddenLayers} and intermediate_size " +
                $"{IntermediateSize} make {count:N0} parameters; at most {MostParameters:N0} are supported");
    }
}
