using System.Text.Json;
using Dnabert2.Adapters;
using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Kernels;

namespace Dnabert2.FineTuning;

/// <summary>The JSON form of <see cref="FineTuneOptions"/>.</summary>
internal static class FineTuneOptionsJson
{
    private static readonly string[] Methods = ["full", "lora", "head"], Weightings = ["even", "balanced"];

    // This may change from one part of a run to the next: it does not change the weights.
    private static readonly HashSet<string> Free = ["max_non_finite"];

    public static void Write(Utf8JsonWriter json, FineTuneOptions o)
    {
        json.WriteStartObject();
        json.WriteString("method", Methods[(int)o.Method]);
        json.WriteNumber("lora_r", o.Lora.Rank);
        json.WriteNumber("lora_alpha", o.Lora.Alpha);
        json.WriteNumber("lora_dropout", o.Lora.Dropout);
        if (o.Lora.Targets is { } targets) json.WriteString("lora_targets", string.Join(',', targets));
        else json.WriteNull("lora_targets");
        json.WriteBoolean("random_initialization", o.RandomInitialization);
        Optional(json, "dropout", o.Dropout);
        json.WriteNumber("epochs", o.Epochs);
        Optional(json, "steps", o.Steps);
        json.WriteNumber("batch", o.Batch);
        Optional(json, "max_tokens", o.MaxTokens);
        json.WriteNumber("micro_batch_tokens", o.MicroBatchTokens);
        // Results of before there were shards are those of one.
        if (o.Shards > 1) json.WriteNumber("shards", o.Shards);
        json.WriteNumber("learning_rate", o.PeakLearningRate);
        json.WriteNumber("warmup_steps", o.WarmupSteps);
        json.WriteNumber("beta1", o.Beta1);
        json.WriteNumber("beta2", o.Beta2);
        json.WriteNumber("epsilon", o.Epsilon);
        json.WriteNumber("weight_decay", o.WeightDecay);
        Optional(json, "clip_norm", o.ClipNorm);
        json.WriteString("class_weights", Weightings[(int)o.ClassWeights]);
        json.WriteBoolean("rc_augment", o.AugmentReverseComplement);
        if (o.ClassifierPooling is { } pooling) json.WriteString(Dnabert2Config.PoolingKey, Dnabert2Config.PoolingNames[(int)pooling]);
        else json.WriteNull(Dnabert2Config.PoolingKey);
        json.WriteBoolean("rc_average", o.AverageReverseComplement);
        json.WriteNumber("seed", o.Seed);
        json.WriteNumber("evaluate_every", o.EvaluateEvery);
        Optional(json, "patience", o.Patience);
        json.WriteBoolean("recompute", o.Recompute);
        json.WriteNumber("max_non_finite", o.MaxNonFinite);
        json.WriteEndObject();
    }

    public static FineTuneOptions Read(JsonFields json) =>
        OptionsJson.Read(json, new FineTuneOptions(), Set, o => o.Validate());

    /// <summary>The first option that changes the weights and has another value, in words, or null.</summary>
    public static string? Difference(FineTuneOptions was, FineTuneOptions now) =>
        was.Shards != now.Shards ? $"shards was {was.Shards} and is {now.Shards}"
        : JsonFields.Difference(OptionsJson.Bytes(was, Write), OptionsJson.Bytes(now, Write), Free);

    /// <summary>The names of the options that differ, with both values, for people.</summary>
    public static IEnumerable<(string Name, string First, string Second)> Differences(FineTuneOptions first, FineTuneOptions second)
    {
        using JsonDocument left = JsonDocument.Parse(OptionsJson.Bytes(first, Write)),
            right = JsonDocument.Parse(OptionsJson.Bytes(second, Write));
        var differences = new List<(string, string, string)>();
        foreach (JsonProperty option in left.RootElement.EnumerateObject())
        {
            string a = Shown(option.Value),
                b = right.RootElement.TryGetProperty(option.Name, out JsonElement other) ? Shown(other) : "not set";
            if (a != b) differences.Add((option.Name, a, b));
        }

        return differences;

        static string Shown(JsonElement value) => value.ValueKind == JsonValueKind.Null ? "not set" : value.ToString();
    }

    private static void Optional(Utf8JsonWriter json, string key, double? value)
    {
        if (value is { } number) json.WriteNumber(key, number);
        else json.WriteNull(key);
    }

    private static FineTuneOptions Set(FineTuneOptions o, JsonFields json, string key) => key switch
    {
        "method" => o with { Method = (FineTuneMethod)json.Choice(key, Methods) },
        "lora_r" => o with { Lora = o.Lora with { Rank = json.Small(key, 1) } },
        "lora_alpha" => o with { Lora = o.Lora with { Alpha = json.Number(key, 0) } },
        "lora_dropout" => o with { Lora = o.Lora with { Dropout = json.Number(key, 0, 1) } },
        "lora_targets" => o with { Lora = o.Lora with { Targets = json.Has(key) ? json.Text(key).Split(',') : null } },
        "random_initialization" => o with { RandomInitialization = json.Truth(key) },
        "dropout" => o with { Dropout = json.Has(key) ? json.Number(key, 0, 1) : null },
        "epochs" => o with { Epochs = json.Small(key, 1) },
        "steps" => o with { Steps = json.Has(key) ? json.Small(key, 1) : null },
        "batch" => o with { Batch = json.Small(key, 1) },
        "max_tokens" => o with { MaxTokens = json.Has(key) ? json.Small(key, 1) : null },
        "micro_batch_tokens" => o with { MicroBatchTokens = json.Small(key, 1) },
        "shards" => o with { Shards = json.Small(key, 1) },
        "learning_rate" => o with { LearningRate = json.Number(key, 0) },
        "warmup_steps" => o with { WarmupSteps = json.Small(key, 0) },
        "beta1" => o with { Beta1 = json.Number(key, 0, 1) },
        "beta2" => o with { Beta2 = json.Number(key, 0, 1) },
        "epsilon" => o with { Epsilon = json.Number(key, 0, 1) },
        "weight_decay" => o with { WeightDecay = json.Number(key, 0, 1) },
        "clip_norm" => o with { ClipNorm = json.Has(key) ? json.Number(key, 0) : null },
        "class_weights" => o with { ClassWeights = (ClassWeighting)json.Choice(key, Weightings) },
        "rc_augment" => o with { AugmentReverseComplement = json.Truth(key) },
        Dnabert2Config.PoolingKey => o with
        {
            ClassifierPooling = json.Has(key) ? (Pooling)json.Choice(key, Dnabert2Config.PoolingNames) : null,
        },
        "rc_average" => o with { AverageReverseComplement = json.Truth(key) },
        "seed" => o with { Seed = json.Unsigned(key) },
        "evaluate_every" => o with { EvaluateEvery = json.Small(key, 1) },
        "patience" => o with { Patience = json.Has(key) ? json.Small(key, 1) : null },
        "recompute" => o with { Recompute = json.Truth(key) },
        "max_non_finite" => o with { MaxNonFinite = json.Small(key, 1) },
        _ => throw json.Fault(key, "is not an option of fine-tuning"),
    };
}
