using System.Text.Json;
using Dnabert2.Data;

namespace Dnabert2.Adapters;

/// <summary>Which biases an adapter was trained with.</summary>
internal enum AdapterBias
{
    None,
    All,
    OfLayers,
}

/// <summary>
/// What an <c>adapter_config.json</c> of the Python library PEFT says of how the adapter's tensors are used. What changes the computation
/// in a way that is not understood is refused by its name, known or not.
/// </summary>
internal sealed class AdapterConfig
{
    public const string FileName = "adapter_config.json";

    /// <summary>The largest r, and the largest lora_alpha: beyond, additions leave the range of 32-bit floats or make no sense.</summary>
    public const int MostRank = 4096;
    public const double MostAlpha = OptionRange.Largest;

    private const int MostNames = 16_384;
    private const string Remedy = "correct it, or merge adapter and base in Python (PEFT's merge_and_unload) and give the merged model";

    // These say how the adapter was trained or found, not what its tensors do.
    private static readonly string[] OfTraining =
    [
        "auto_mapping", "revision", "inference_mode", "peft_version", "lora_dropout", "megatron_core", "loftq_config", "eva_config",
        "corda_config", "lora_ga_config", "velora_config", "qalora_group_size", "ensure_weight_tying", "runtime_config",
    ];

    private static readonly string[] Understood =
    [
        "peft_type", "task_type", "base_model_name_or_path", "r", "lora_alpha", "use_rslora", "use_dora", "bias", "rank_pattern",
        "alpha_pattern",
        "init_lora_weights", "modules_to_save", "target_modules", "exclude_modules", "layers_to_transform", "layers_pattern",
    ];

    private readonly LayerPatterns<int> _ranks;
    private readonly LayerPatterns<double> _alphas;
    private readonly int _rank;
    private readonly double _alpha;

    private AdapterConfig(string path, JsonFields json)
    {
        Path = path;
        if (json.Text("peft_type") != "LORA") throw json.Fault("peft_type", $"is {json.Shown("peft_type")}; only LORA is supported");
        foreach (string key in json.Keys)
            if (!Understood.Contains(key) && !OfTraining.Contains(key) && !json.AsksForNothing(key))
                throw json.Fault(key, $"is {json.Shown(key)}, which is not supported");
        CheckStart(json);
        TaskType = json.Has("task_type") ? json.Text("task_type") : null;
        BaseName = json.Has("base_model_name_or_path") ? json.Text("base_model_name_or_path") : null;
        _rank = json.Small("r", 1, MostRank);
        _alpha = json.Number("lora_alpha", 0, MostAlpha);
        IsRankStabilized = json.Has("use_rslora") && json.Truth("use_rslora");
        IsDora = json.Has("use_dora") && json.Truth("use_dora");
        Bias = json.Has("bias") ? (AdapterBias)json.Choice("bias", ["none", "all", "lora_only"]) : AdapterBias.None;
        _ranks = LayerPatterns<int>.Read(path, json, "rank_pattern", (fields, key) => fields.Small(key, 1, MostRank));
        _alphas = LayerPatterns<double>.Read(path, json, "alpha_pattern", (fields, key) => fields.Number(key, 0, MostAlpha));
        ModulesToSave = json.Has("modules_to_save") ? json.Texts("modules_to_save", MostNames) : [];
        SelectsLayers = new[] { "exclude_modules", "layers_to_transform", "layers_pattern" }.Any(key => !json.AsksForNothing(key));
        if (json.KindOf("target_modules") == JsonValueKind.String) TargetPattern = json.Text("target_modules");
        else if (json.Has("target_modules")) Targets = json.Texts("target_modules", MostNames);
    }

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>The base, as the adapter names it: a folder, or a name on a hub; null where it names none.</summary>
    public string? BaseName { get; }

    /// <summary>What the model is for, in PEFT's words; null where it is not said.</summary>
    public string? TaskType { get; }

    /// <summary>Whether an addition's factor is alpha / √r.</summary>
    public bool IsRankStabilized { get; }

    /// <summary>Whether the rows of the weights have learned lengths.</summary>
    public bool IsDora { get; }

    /// <summary>The biases that were trained.</summary>
    public AdapterBias Bias { get; }

    /// <summary>The ends of the names of modules that were trained wholly.</summary>
    public IReadOnlyList<string> ModulesToSave { get; }

    /// <summary>The layers with additions: the ends of their names; none where a pattern says it.</summary>
    public IReadOnlyList<string> Targets { get; } = [];

    /// <summary>The layers with additions: an expression for their whole names, or <c>all-linear</c>.</summary>
    public string? TargetPattern { get; }

    /// <summary>Whether only some of the target layers have additions.</summary>
    public bool SelectsLayers { get; }

    /// <summary>Reads the file.</summary>
    /// <exception cref="InvalidDataException">
    /// It is damaged, or asks for something that is not supported; the message names the key.
    /// </exception>
    /// <exception cref="IOException">It cannot be read.</exception>
    public static AdapterConfig Read(string path) => JsonFields.Read(path, Remedy, json => new AdapterConfig(path, json));

    /// <summary>Finds out which layers have ranks and alphas of their own.</summary>
    /// <param name="modules">All layers with additions.</param>
    /// <exception cref="InvalidDataException">The patterns take too long to match.</exception>
    public void Resolve(IReadOnlyCollection<string> modules)
    {
        _ranks.Resolve(modules);
        _alphas.Resolve(modules);
    }

    /// <summary>The rank of a layer's addition, one of those resolved.</summary>
    public int RankOf(string module) => _ranks.Of(module, _rank);

    /// <summary>The factor of a layer's addition, one of those resolved.</summary>
    public double ScaleOf(string module)
    {
        double alpha = _alphas.Of(module, _alpha);
        int rank = RankOf(module);
        return alpha / (IsRankStabilized ? Math.Sqrt(rank) : rank);
    }

    /// <summary>Whether a module, or one that it is in, was trained wholly.</summary>
    public bool IsSaved(string module)
    {
        for (string at = module; at.Length > 0; at = at.LastIndexOf('.') is > 0 and int dot ? at[..dot] : "")
            if (ModulesToSave.Any(name => EndsWith(at, name))) return true;
        return false;
    }

    /// <summary>Whether the config says that a linear layer of the encoder has an addition; false where it cannot be told.</summary>
    public bool Targeted(string module)
    {
        if (SelectsLayers || IsSaved(module)) return false;
        return TargetPattern is { } pattern
            ? string.Equals(pattern, "all-linear", StringComparison.OrdinalIgnoreCase)
            : Targets.Any(target => EndsWith(module, target));
    }

    /// <summary>The additions in few words.</summary>
    public string Describe()
    {
        string method = $"{(IsDora ? "DoRA" : "LoRA")}{(IsRankStabilized ? ", rank-stabilised" : "")}";
        string ranks = _ranks.Count == 0 ? $"r = {_rank}" : $"r = {_rank} and others by rank_pattern";
        string alphas = _alphas.Count == 0 ? $"alpha = {_alpha}" : $"alpha = {_alpha} and others by alpha_pattern";
        return $"{method}, {ranks}, {alphas}, targets {(TargetPattern is { } pattern ? Excerpt.Of(pattern) : Listed(Targets))}"
            + (ModulesToSave.Count == 0 ? "" : $", trained wholly {Listed(ModulesToSave)}")
            + (Bias == AdapterBias.None ? "" : Bias == AdapterBias.All ? ", all biases" : ", biases of the targets");
    }

    private static string Listed(IReadOnlyCollection<string> names) => Excerpt.Of([.. names.Order(StringComparer.Ordinal)], " ");

    private static bool EndsWith(string module, string name) =>
        module.EndsWith(name, StringComparison.Ordinal) && (module.Length == name.Length || module[module.Length - name.Length - 1] == '.');

    /// <summary>Refuses an adapter whose start was taken off the weights of the base: it is an addition to other weights.</summary>
    private static void CheckStart(JsonFields json)
    {
        const string key = "init_lora_weights";
        if (!json.Has(key) || json.KindOf(key) is JsonValueKind.True or JsonValueKind.False) return;
        string start = json.Text(key), name = start.ToLowerInvariant();
        if (name is "gaussian" or "eva" or "orthogonal" or "mica") return;
        string convert =
            "make a plain adapter of it with PEFT's save_pretrained(FOLDER, path_initial_model_for_weight_conversion=INITIAL), or, ";
        if (name == "loftq") convert = "";
        else if (name is not ("olora" or "corda" or "lora_ga" or "pissa") && !name.StartsWith("pissa_niter_", StringComparison.Ordinal))
            throw json.Fault(key, $"is {json.Shown(key)}, which is not known");
        string saved = "where the base was saved as it was changed (base_model.save_pretrained), name that folder as the base and "
            + "set init_lora_weights to true";
        throw json.Refusal(
            key, $"is '{Excerpt.Of(start)}': it " +
            $"{(name == "loftq" ? "quantises the base's weights" : "takes the adapter's start off the base's weights")}, " +
            $"so the adapter belongs to other weights than those of the published base; {convert}{saved}");
    }
}
