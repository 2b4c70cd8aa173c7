using System.Globalization;
using Dnabert2.Folders;

namespace Dnabert2.FineTuning.Suites;

/// <summary>What is known of a model by its config.</summary>
/// <param name="Architecture">What it is.</param>
/// <param name="Tokens">What its tokenizer is of.</param>
/// <param name="MostTokens">The most tokens of a row that it classifies; null: any number.</param>
/// <param name="PaperSizes">The sizes of such models in the paper, in words, where it has another one; null: it is one of them.</param>
internal sealed record SuiteModel(Architecture Architecture, Architecture Tokens, int? MostTokens, string? PaperSizes)
{
    /// <summary>The convolutional network of Genomic Benchmarks, which is new for each task.</summary>
    public static SuiteModel NewNetwork { get; } = new(Architecture.Cnn, Architecture.Cnn, null, null) { IsNew = true };

    /// <summary>Whether it is made of the training set of each task, which decides its vocabulary and the tokens of a row.</summary>
    public bool IsNew { get; private init; }

    /// <exception cref="InvalidDataException">The config is damaged.</exception>
    public static SuiteModel Of(ModelSource source) => new(
        source.Architecture, source.TokenArchitecture, source.Architecture.MostTokens(source.ConfigPath),
        source.Architecture.OtherThanInPaper(source));
}

/// <summary>What is the same for all runs of a suite, and what of it a reader of its results has to know.</summary>
/// <param name="Model">The folder of the model, as it was named.</param>
/// <param name="Known">What it is.</param>
/// <param name="Parameters">Its parameters; null where each task has a network of its own.</param>
/// <param name="Content">Its files, by content; empty where each task has a network of its own.</param>
/// <param name="Recipe">How it is fine-tuned.</param>
/// <param name="Precision">What matrix products are computed in: "f32" or "bf16".</param>
internal sealed record SuiteSetup(
    string Model, SuiteModel Known, long? Parameters, ModelContent Content, SuiteRecipe Recipe, string Precision)
{
    /// <summary>The options of a run; null where nothing is fine-tuned.</summary>
    public FineTuneOptions? OptionsOf(SuiteRun run) => run.Method == SuiteMethod.Kmer ? null : Recipe.OptionsOf(run, Known);

    /// <summary>
    /// What the result of a run on such data depends on. The baseline knows no model, and new weights not those of the model.
    /// </summary>
    public SuiteIdentity Identify(SuiteRun run, SuiteData data) => run.Method switch
    {
        SuiteMethod.Kmer => new SuiteIdentity(data, null, null, null),
        SuiteMethod.Random => new SuiteIdentity(data, Content with { Weights = "" }, OptionsOf(run), Precision),
        _ => new SuiteIdentity(data, Content, OptionsOf(run), Precision),
    };

    /// <summary>In what way a result was come by otherwise than those of the paper, a line each.</summary>
    /// <param name="results">The results of a method on a task, one for each seed.</param>
    public IEnumerable<string> Deviations(IReadOnlyList<SuiteResult> results)
    {
        SuiteRun run = results[0].Run;
        GueTask task = run.Task;
        int[] rows = [.. results[0].Data.Parts.Select(part => part.Rows)];
        if (!rows.SequenceEqual(GueTasks.RowsOf(task)))
            yield return $"{Listed(rows)} rows of train, dev and test in place of {Listed(GueTasks.RowsOf(task))}";
        if (OptionsOf(run) is not { } options) yield break;
        if (Known.PaperSizes is { } sizes) yield return $"a model of {Parameters:N0} parameters in place of the paper's of {sizes}";
        if (results.Count != 3) yield return $"{results.Count} seed{(results.Count == 1 ? "" : "s")} in place of 3";
        FineTuneMethod theirs = Known.Architecture.PaperMethod;
        if (options.Method != theirs && theirs == FineTuneMethod.Lora) yield return "full fine-tuning in place of LoRA";
        if (options.Method != theirs && theirs == FineTuneMethod.Full)
            yield return string.Create(CultureInfo.InvariantCulture,
                $"LoRA (r {options.Lora.Rank}, alpha {options.Lora.Alpha}, dropout {options.Lora.Dropout}, on "
                + $"{string.Join(", ", options.Lora.Targets!)}) in place of full fine-tuning");
        if (task.IsOfGuePlus) yield return $"{task.Epochs} epochs and {options.MaxTokens} tokens, of which the paper says nothing for GUE+";
        FineTuneOptions paper = task.Apply(
            (Known.Architecture.Recipe ?? new FineTuneOptions()) with { Method = theirs }, Known.Architecture, Known.Tokens,
            Known.MostTokens);
        if (Known.IsNew) paper = paper with { MaxTokens = options.MaxTokens };
        if (Duration(options) != Duration(paper)) yield return $"{Duration(options)} in place of {Duration(paper)}";
        foreach ((string name, string ours, string published) in FineTuneOptionsJson.Differences(options, paper))
            if (!Considered.Contains(name)) yield return $"{name.Replace('_', ' ')} {ours} in place of {published}";
    }

    // Said otherwise above, or no part of the recipe.
    private static readonly HashSet<string> Considered =
    [
        "method", "lora_r", "lora_alpha", "lora_dropout", "lora_targets", "random_initialization", "epochs", "steps", "seed",
        "micro_batch_tokens", "recompute", "max_non_finite",
    ];

    private static string Listed(IReadOnlyList<int> rows) =>
        string.Create(CultureInfo.InvariantCulture, $"{rows[0]:N0}, {rows[1]:N0} and {rows[2]:N0}");

    private static string Duration(FineTuneOptions options) =>
        options.Steps is { } steps ? $"{steps:N0} steps" : $"{options.Epochs} epochs";
}
