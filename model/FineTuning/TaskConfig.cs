using System.Text.Json;
using System.Text.Json.Nodes;
using Dnabert2.Training;

namespace Dnabert2.FineTuning;

/// <summary>What the <c>config.json</c> of a fine-tuned model says of its task, besides the hyper-parameters.</summary>
/// <param name="Kind">What a label says: <c>problem_type</c>.</param>
/// <param name="Names">The classes: <c>id2label</c>; empty in regression.</param>
/// <param name="MaxTokens">The most tokens of a sequence in training, special ones included: <c>dnabert2_max_tokens</c>.</param>
internal sealed record TaskConfig(TaskKind Kind, LabelNames Names, int MaxTokens)
{
    private const string MaxTokensKey = "dnabert2_max_tokens", Remedy = "fine-tune the model again, or correct it";

    /// <summary>The outputs of the classifier.</summary>
    public int Outputs => Kind == TaskKind.Regression ? 1 : Names.Count;

    /// <summary>A <c>config.json</c> of this engine and Hugging Face's sequence classifiers.</summary>
    public byte[] Write(Dnabert2Config config)
    {
        JsonObject json = JsonNode.Parse(ModelFolder.Config(config))!.AsObject();
        string[] names = Kind == TaskKind.Regression ? ["value"] : [.. Names];
        json["architectures"] = new JsonArray("BertForSequenceClassification");
        json["problem_type"] = ProblemTypes.Name(Kind);
        json["id2label"] = new JsonObject(names.Select((name, id) => KeyValuePair.Create($"{id}", (JsonNode?)JsonValue.Create(name))));
        json["label2id"] = new JsonObject(names.Select((name, id) => KeyValuePair.Create(name, (JsonNode?)JsonValue.Create(id))));
        json[MaxTokensKey] = MaxTokens;
        using var stream = new MemoryStream();
        using (var writer = new Utf8JsonWriter(stream, new JsonWriterOptions { Indented = true })) json.WriteTo(writer);
        return stream.ToArray();
    }

    /// <summary>
    /// Reads it. Without <c>problem_type</c> a model of one output is a regression, as in Hugging Face's classes, any other one of classes.
    /// </summary>
    /// <param name="path">The <c>config.json</c>.</param>
    /// <param name="outputs">The outputs of the classifier.</param>
    /// <param name="maxTokens">The limit where it names none.</param>
    /// <exception cref="InvalidDataException">A value makes no sense.</exception>
    public static TaskConfig Read(string path, int outputs, int maxTokens) =>
        JsonFields.Read(path, Remedy, json =>
        {
            TaskKind kind = outputs == 1 ? TaskKind.Regression : TaskKind.SingleLabel;
            if (json.Has("problem_type"))
                kind = ProblemTypes.Find(json.Text("problem_type")) ?? throw json.Fault("problem_type", $"is '{json.Text("problem_type")}', which is none of Hugging Face's");
            if (json.Has(MaxTokensKey)) maxTokens = json.Small(MaxTokensKey, 4, 1 << 20);
            return new TaskConfig(kind, kind == TaskKind.Regression ? new LabelNames([]) : ReadNames(json, outputs), maxTokens);
        });

    private static LabelNames ReadNames(JsonFields json, int outputs)
    {
        if (!json.Has("id2label")) return new LabelNames(Enumerable.Range(0, outputs).Select(i => $"{i}"));
        JsonFields labels = json.Object("id2label");
        var names = new string?[outputs];
        foreach (string key in labels.Keys)
        {
            if (!int.TryParse(key, out int id) || id < 0 || id >= outputs || names[id] is not null)
                throw json.Fault("id2label", $"names the label {key}; the ids 0 to {outputs - 1} are meant, each once");
            names[id] = labels.Text(key);
        }

        if (Array.IndexOf(names, null) is >= 0 and int missing) throw json.Fault("id2label", $"does not name label {missing}");
        try
        {
            return new LabelNames(names!);
        }
        catch (ArgumentException e)
        {
            throw json.Fault("id2label", $"is at fault: {e.Message}");
        }
    }
}
