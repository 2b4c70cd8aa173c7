using System.Text.Json;
using Dnabert2.Data;
using Engine.Autograd;

namespace Dnabert2.Training;

/// <summary>The JSON form of <see cref="PretrainOptions"/>.</summary>
internal static class PretrainOptionsJson
{
    private static readonly string[] Decays = ["constant", "linear", "cosine"];

    // These may change from one part of a run to the next: they do not change the weights.
    private static readonly HashSet<string> Free =
        ["evaluate_every", "evaluation_windows", "checkpoint_every", "keep_checkpoints", "max_non_finite"];

    // A learning rate that does not fall does not depend on when the run ends: it may be made longer.
    private static readonly HashSet<string> FreeIfConstant = [.. Free, "steps"];

    public static byte[] Write(PretrainOptions options) => OptionsJson.Bytes(options, Write);

    public static void Write(Utf8JsonWriter json, PretrainOptions o)
    {
        json.WriteStartObject();
        json.WriteNumber("steps", o.Steps);
        json.WriteNumber("global_batch", o.GlobalBatch);
        json.WriteNumber("micro_batch_tokens", o.MicroBatchTokens);
        json.WriteNumber("shards", o.Shards);
        json.WriteNumber("learning_rate", o.LearningRate);
        json.WriteNumber("warmup_steps", o.WarmupSteps);
        json.WriteString("decay", Decays[(int)o.Decay]);
        json.WriteNumber("beta1", o.Beta1);
        json.WriteNumber("beta2", o.Beta2);
        json.WriteNumber("epsilon", o.Epsilon);
        json.WriteNumber("weight_decay", o.WeightDecay);
        if (o.ClipNorm is { } norm) json.WriteNumber("clip_norm", norm);
        else json.WriteNull("clip_norm");
        json.WriteNumber("mask_probability", o.MaskProbability);
        json.WriteNumber("mask_share", o.MaskShare);
        json.WriteNumber("random_share", o.RandomShare);
        json.WriteBoolean("rc_augment", o.AugmentReverseComplement);
        json.WriteNumber("seed", o.Seed);
        json.WriteNumber("species_exponent", o.SpeciesExponent);
        json.WriteStartObject("species_weights");
        foreach ((string name, double weight) in o.SpeciesWeights.OrderBy(w => w.Key, StringComparer.Ordinal))
            json.WriteNumber(name, weight);
        json.WriteEndObject();
        json.WriteBoolean("recompute", o.Recompute);
        json.WriteNumber("evaluate_every", o.EvaluateEvery);
        json.WriteNumber("evaluation_windows", o.EvaluationWindows);
        json.WriteNumber("checkpoint_every", o.CheckpointEvery);
        json.WriteNumber("keep_checkpoints", o.KeepCheckpoints);
        json.WriteNumber("max_non_finite", o.MaxNonFinite);
        json.WriteEndObject();
    }

    public static PretrainOptions Read(string path, byte[] json) =>
        JsonFields.Read(path, json, OptionsJson.Remedy, Read);

    public static PretrainOptions Read(JsonFields json) =>
        OptionsJson.Read(json, new PretrainOptions(), Set, o => o.Validate());

    /// <summary>The first option that changes the weights and has another value, in words, or null.</summary>
    public static string? Difference(PretrainOptions was, PretrainOptions now) => JsonFields.Difference(
        Write(was), Write(now), was.Decay == Decay.Constant && now.Decay == Decay.Constant ? FreeIfConstant : Free);

    private static Dictionary<string, double> Weights(JsonFields json) =>
        json.Keys.ToDictionary(name => name, name => json.Number(name, 0), StringComparer.Ordinal);

    private static PretrainOptions Set(PretrainOptions o, JsonFields json, string key) => key switch
    {
        "steps" => o with { Steps = json.Small(key, 1) },
        "global_batch" => o with { GlobalBatch = json.Small(key, 1) },
        "micro_batch_tokens" => o with { MicroBatchTokens = json.Small(key, 1) },
        "shards" => o with { Shards = json.Small(key, 1) },
        "learning_rate" => o with { LearningRate = json.Number(key, 0) },
        "warmup_steps" => o with { WarmupSteps = json.Small(key, 0) },
        "decay" => o with { Decay = (Decay)json.Choice(key, Decays) },
        "beta1" => o with { Beta1 = json.Number(key, 0, 1) },
        "beta2" => o with { Beta2 = json.Number(key, 0, 1) },
        "epsilon" => o with { Epsilon = json.Number(key, 0, 1) },
        "weight_decay" => o with { WeightDecay = json.Number(key, 0, 1) },
        "clip_norm" => o with { ClipNorm = json.Has(key) ? json.Number(key, 0) : null },
        "mask_probability" => o with { MaskProbability = json.Number(key, 0, 1) },
        "mask_share" => o with { MaskShare = json.Number(key, 0, 1) },
        "random_share" => o with { RandomShare = json.Number(key, 0, 1) },
        "rc_augment" => o with { AugmentReverseComplement = json.Truth(key) },
        "seed" => o with { Seed = json.Unsigned(key) },
        "species_exponent" => o with { SpeciesExponent = json.Number(key, -10, 10) },
        "species_weights" => o with { SpeciesWeights = Weights(json.Object(key)) },
        "recompute" => o with { Recompute = json.Truth(key) },
        "evaluate_every" => o with { EvaluateEvery = json.Small(key, 1) },
        "evaluation_windows" => o with { EvaluationWindows = json.Small(key, 1) },
        "checkpoint_every" => o with { CheckpointEvery = json.Small(key, 1) },
        "keep_checkpoints" => o with { KeepCheckpoints = json.Small(key, 1) },
        "max_non_finite" => o with { MaxNonFinite = json.Small(key, 1) },
        _ => throw json.Fault(key, "is not an option of pre-training"),
    };
}
