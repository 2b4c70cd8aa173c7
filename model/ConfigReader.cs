using System.Text.Json;

namespace Dnabert2;

/// <summary>Reads the values of a <c>config.json</c>, each with its bounds.</summary>
internal readonly struct ConfigReader
{
    // No extent may be so large that a product of two overflows what a tensor can hold.
    private const int LargestExtent = 1 << 20;
    private readonly string _path;
    private readonly JsonElement _root;

    public ConfigReader(string path, JsonElement root)
    {
        (_path, _root) = (path, root);
        if (root.ValueKind != JsonValueKind.Object) throw new InvalidDataException($"{path}: expected a JSON object, found {root.ValueKind}");
    }

    public Dnabert2Config Read()
    {
        var config = new Dnabert2Config
        {
            VocabSize = Integer("vocab_size"),
            HiddenSize = Integer("hidden_size"),
            NumHiddenLayers = Integer("num_hidden_layers"),
            NumAttentionHeads = Integer("num_attention_heads"),
            IntermediateSize = Integer("intermediate_size"),
            TypeVocabSize = Integer("type_vocab_size", 2),
            LayerNormEps = Number("layer_norm_eps", 1e-12f, 0, 1),
            InitializerRange = Number("initializer_range", 0.02f, 0, 10),
            HiddenDropoutProb = Number("hidden_dropout_prob", 0.1f, 0, 0.999f),
            AttentionProbsDropoutProb = Number("attention_probs_dropout_prob", 0, 0, 0.999f),
            ClassifierDropout = Find("classifier_dropout") is null ? null : Number("classifier_dropout", 0, 0, 0.999f),
            NumLabels = Labels(),
        };
        if (config.HiddenSize % config.NumAttentionHeads != 0)
            throw new InvalidDataException($"{_path}: num_attention_heads {config.NumAttentionHeads} does not divide hidden_size {config.HiddenSize}");
        if (Find("hidden_act") is { } act && (act.ValueKind != JsonValueKind.String || act.GetString() != "gelu"))
            throw new InvalidDataException($"{_path}: hidden_act {act.GetRawText()} is not supported; DNABERT-2 has \"gelu\"");
        return config;
    }

    private int Labels()
    {
        if (Find("num_labels") is not null) return Integer("num_labels");
        if (Find("id2label") is not { } labels) return 2;
        if (labels.ValueKind != JsonValueKind.Object) throw new InvalidDataException($"{_path}: id2label is {labels.ValueKind}, expected an object");
        int count = 0;
        foreach (JsonProperty _ in labels.EnumerateObject()) count++;
        return Math.Max(count, 1);
    }

    private int Integer(string key, int? otherwise = null)
    {
        if (Find(key) is not { } value)
            return otherwise ?? throw new InvalidDataException($"{_path}: {key} is missing; is this the config.json of a DNABERT-2 model?");
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetInt32(out int number) || number < 1 || number > LargestExtent)
            throw new InvalidDataException($"{_path}: {key} is {Shown(value)}, expected an integer from 1 to {LargestExtent}");
        return number;
    }

    private float Number(string key, float otherwise, float lowest, float highest)
    {
        if (Find(key) is not { } value) return otherwise;
        if (value.ValueKind != JsonValueKind.Number || !value.TryGetSingle(out float number) || !(number >= lowest && number <= highest))
            throw new InvalidDataException($"{_path}: {key} is {Shown(value)}, expected a number from {lowest} to {highest}");
        return number;
    }

    private JsonElement? Find(string key) =>
        _root.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    private static string Shown(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 40 ? text : string.Concat(text.AsSpan(0, 40), "…");
    }
}
