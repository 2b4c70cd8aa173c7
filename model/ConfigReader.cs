using Dnabert2.Data;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>Reads the values of a <c>config.json</c>; their ranges are those of <see cref="Dnabert2Config"/>.</summary>
/// <param name="json">Its object.</param>
/// <param name="own">An attention that it may name besides the built-in ones.</param>
internal readonly struct ConfigReader(JsonFields json, SelfAttention? own = null)
{
    public const string Remedy = "correct it, or fetch the file again";

    public Dnabert2Config Read()
    {
        var config = new Dnabert2Config
        {
            VocabSize = Integer("vocab_size", Dnabert2Config.MostTokens),
            HiddenSize = Integer("hidden_size", Dnabert2Config.MostHidden),
            NumHiddenLayers = Integer("num_hidden_layers", Dnabert2Config.MostLayers),
            NumAttentionHeads = Integer("num_attention_heads", Dnabert2Config.MostHeads),
            IntermediateSize = Integer("intermediate_size", Dnabert2Config.MostIntermediate),
            TypeVocabSize = json.Has("type_vocab_size") ? Integer("type_vocab_size", Dnabert2Config.MostTypes) : 2,
            LayerNormEps = Number("layer_norm_eps") ?? 1e-12f,
            InitializerRange = Number("initializer_range") ?? 0.02f,
            HiddenDropoutProb = Number("hidden_dropout_prob") ?? 0.1f,
            AttentionProbsDropoutProb = Number("attention_probs_dropout_prob") ?? 0,
            ClassifierDropout = Number("classifier_dropout"),
            Attention = json.Has("attention") ? Attention(json.Text("attention")) : SelfAttention.Alibi,
            NumLabels = NumLabels(json),
            ClassifierPooling = json.Has(Dnabert2Config.PoolingKey)
                ? (Pooling)json.Choice(Dnabert2Config.PoolingKey, Dnabert2Config.PoolingNames) : Pooling.Cls,
        };
        if (json.Has("hidden_act") && json.Text("hidden_act") is not "gelu" and var act)
            throw json.Fault("hidden_act", $"is \"{act}\", which is not supported; DNABERT-2 has \"gelu\"");
        return json.Checked(config, read => read.Validate());
    }

    /// <summary>The outputs of a classifier: <c>num_labels</c>, or else the number of names in <c>id2label</c>, or else 2.</summary>
    public static int NumLabels(JsonFields json) =>
        json.Has("num_labels") ? json.Small("num_labels", 1, Dnabert2Config.MostLabels)
        : json.Has("id2label") ? Math.Max(json.Object("id2label").Count, 1)
        : 2;

    private SelfAttention Attention(string name)
    {
        if (name == own?.Name) return own;
        return SelfAttention.TryParse(name, out SelfAttention? attention) ? attention : throw json.Refusal("attention",
            $"is '{name}', which is not built in; these are {SelfAttention.Names}. Correct it, or if it is of a type of your own, "
            + "give that to ModelSource.Open");
    }

    private int Integer(string key, int most) =>
        json.Has(key) ? json.Small(key, 1, most) : throw json.Fault(key, "is missing; is this the config.json of a DNABERT-2 model?");

    private float? Number(string key) => json.Has(key) ? (float)json.Number(key, 0) : null;
}
