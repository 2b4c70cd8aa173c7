using System.Text.Json.Nodes;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Training;

namespace Dnabert2.FineTuning;

/// <summary>What the <c>config.json</c> of a fine-tuned model says of its task, besides the hyper-parameters.</summary>
/// <param name="Kind">What a label says: <c>problem_type</c>.</param>
/// <param name="Names">The classes, or the values of a regression: <c>id2label</c>; empty where there is one value.</param>
/// <param name="MaxTokens">The most tokens of a sequence in training, special ones included: <c>dnabert2_max_tokens</c>.</param>
internal sealed record TaskConfig(TaskKind Kind, LabelNames Names, int MaxTokens)
{
    // Of a model that does not say how it was trained: the largest of the paper's limits.
    private const int DefaultMaxTokens = 512, LeastTokens = 4, MostTokens = 1 << 20;
    private const string KindKey = "problem_type", NamesKey = "id2label", MaxTokensKey = "dnabert2_max_tokens";
    private const string Remedy = "fine-tune the model again, or correct it";

    /// <summary>The outputs of the classifier.</summary>
    public int Outputs => Kind == TaskKind.Regression ? Names.OrValue.Count : Names.Count;

    /// <summary>What says <see cref="MaxTokens"/>, for people.</summary>
    public string MaxTokensSource { get; private init; } = "the recipe";

    /// <summary>The task of a classifier of which nothing is known but its outputs; the names are those that Hugging Face gives.</summary>
    public static TaskConfig Unnamed(int outputs) =>
        new(outputs == 1 ? TaskKind.Regression : TaskKind.SingleLabel, outputs == 1 ? new LabelNames([]) : LabelNames.Unnamed(outputs),
            DefaultMaxTokens);

    /// <summary>A <c>config.json</c> of this engine and Hugging Face's sequence classifiers.</summary>
    public byte[] Write(SequenceModel model)
    {
        JsonObject json = ModelFolder.Config(model);
        string[] names = Kind == TaskKind.Regression ? [.. Names.OrValue] : [.. Names];
        json[KindKey] = ProblemTypes.Name(Kind);
        json[NamesKey] = new JsonObject(names.Select((name, id) => KeyValuePair.Create($"{id}", (JsonNode?)JsonValue.Create(name))));
        json["label2id"] = new JsonObject(names.Select((name, id) => KeyValuePair.Create(name, (JsonNode?)JsonValue.Create(id))));
        json[MaxTokensKey] = MaxTokens;
        return ModelOrigin.Bytes(json);
    }

    /// <summary>
    /// Reads it. Without <c>problem_type</c> a model of one output is a regression, as in Hugging Face's classes, any other one of classes.
    /// Without <c>dnabert2_max_tokens</c> the limit is <c>model_max_length</c> of <c>tokenizer_config.json</c>.
    /// </summary>
    /// <param name="source">The model.</param>
    /// <param name="outputs">The outputs of the classifier.</param>
    /// <exception cref="InvalidDataException">A value makes no sense.</exception>
    public static TaskConfig Read(ModelSource source, int outputs)
    {
        TaskConfig task = source.DescribesTask(outputs) ? ReadTask(source.ConfigPath, outputs) : Unnamed(outputs);
        (int limit, string from) = ReadLimit(source.FileFolders);
        if (source.Architecture.MostTokens(source.ConfigPath) is { } most && limit > most)
            (limit, from) = (most, $"the model has positions for no more; {from}, which is {limit}");
        return task with { MaxTokens = limit, MaxTokensSource = from };
    }

    private static TaskConfig ReadTask(StoredFile file, int outputs) =>
        JsonFields.Read(file, Remedy, json =>
        {
            TaskConfig unnamed = Unnamed(outputs);
            TaskKind kind = unnamed.Kind;
            if (json.Has(KindKey))
                kind = ProblemTypes.Find(
                    json.Text(KindKey)) ?? throw json.Fault(KindKey, $"is '{json.Text(KindKey)}', which is none of Hugging Face's");
            bool isNameless = kind == TaskKind.Regression && outputs == 1;
            return unnamed with { Kind = kind, Names = isNameless ? new LabelNames([]) : ReadNames(json, outputs) };
        });

    /// <summary>The limit of training, as the first of the folders says that names one.</summary>
    private static (int Limit, string From) ReadLimit(IReadOnlyList<StoredFolder> folders)
    {
        foreach (StoredFolder folder in folders)
        {
            int? limit = folder.Find(ModelSource.ConfigFile) is not { } config ? null : JsonFields.Read(
                config, Remedy, json => json.Has(MaxTokensKey) ? json.Small(MaxTokensKey, LeastTokens, MostTokens) : (int?)null);
            if (limit is { } own) return (own, $"{MaxTokensKey} in {Path.Combine(folder.Path, ModelSource.ConfigFile)}");
            if (folder.Find(ModelOrigin.TokenizerConfig) is { } tokenizer
                && ModelOrigin.MaxTokensOf(tokenizer, LeastTokens, MostTokens) is { } usual)
                return (usual, $"model_max_length in {tokenizer}");
        }

        return (DefaultMaxTokens, "no file of the model names a limit of its own");
    }

    private static LabelNames ReadNames(JsonFields json, int outputs)
    {
        if (!json.Has(NamesKey)) return LabelNames.Unnamed(outputs);
        JsonFields labels = json.Object(NamesKey);
        var names = new string?[outputs];
        foreach (string key in labels.Keys)
        {
            if (!int.TryParse(key, out int id) || id < 0 || id >= outputs || names[id] is not null)
                throw json.Fault(NamesKey, $"names the label {key}; it must name the ids 0 to {outputs - 1}, each once");
            names[id] = labels.Text(key);
        }

        if (Array.IndexOf(names, null) is >= 0 and int missing) throw json.Fault(NamesKey, $"does not name label {missing}");
        try
        {
            return new LabelNames(names!);
        }
        catch (ArgumentException e)
        {
            throw json.Fault(NamesKey, $"is at fault: {e.Message}");
        }
    }
}
