using System.Text.Json;
using Dnabert2.FineTuning;
using Engine.Runtime;

namespace Dnabert2.Interpretation;

/// <summary>A model whose predictions are to be understood: fine-tuned, with classes or a value, or pre-trained, with a likelihood.</summary>
public sealed class InterpretedModel : IDisposable
{
    internal InterpretedModel(Dnabert2Model model, TaskKind? task, IReadOnlyList<string> labels, int? maxTokens) =>
        (Model, Task, Labels, MaxTokens) = (model, task, labels, maxTokens);

    /// <summary>The model.</summary>
    public Dnabert2Model Model { get; }

    /// <summary>What it was fine-tuned for; null: it was not.</summary>
    public TaskKind? Task { get; }

    /// <summary>The names of the classes in the order of its logits; empty where it was not fine-tuned.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>The most tokens it was fine-tuned on, [CLS] and [SEP] included, to which sequences are cut; null: no limit.</summary>
    public int? MaxTokens { get; }

    /// <summary>Whether it gives the likelihood of masked tokens.</summary>
    public bool HasLikelihood => Model.MlmHead is not null;

    /// <summary>Loads a model folder of either kind.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="backend">Where to run; see <see cref="Dnabert2Model.Load"/>.</param>
    /// <exception cref="IOException">The folder or a file in it is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the model has neither a classifier nor a masked-language-model head.</exception>
    public static InterpretedModel Load(string folder, Backend? backend = null)
    {
        Dnabert2Model model = Dnabert2Model.Load(folder, backend);
        try
        {
            string path = Path.Combine(folder, "config.json");
            if (model.Classifier is not null && model.Pooler is not null) return OfClassifier(model, path);
            return model.MlmHead is not null ? new InterpretedModel(model, null, [], null) : throw new InvalidDataException(
                $"{folder}: the weights have neither a classifier with its pooler nor a masked-language-model head; give a fine-tuned or a pre-trained model");
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>The id of a class by its name.</summary>
    /// <exception cref="ArgumentException">There is no such class; the message lists those there are.</exception>
    public int LabelOf(string name)
    {
        for (int i = 0; i < Labels.Count; i++)
            if (Labels[i] == name) return i;
        throw new ArgumentException(Labels.Count == 0 ? $"class '{name}': the model is not fine-tuned and has no classes"
            : $"class '{name}': the model has {string.Join(", ", Labels)}");
    }

    /// <summary>Returns the memory of the weights.</summary>
    public void Dispose() => Model.Dispose();

    private static InterpretedModel OfClassifier(Dnabert2Model model, string path)
    {
        using JsonDocument config = JsonDocument.Parse(File.ReadAllBytes(path));
        int count = model.Config.NumLabels;
        string[] labels = [.. Enumerable.Range(0, count).Select(i => i.ToString())];
        if (config.RootElement.TryGetProperty("id2label", out JsonElement names) && names.ValueKind == JsonValueKind.Object)
        {
            foreach (JsonProperty name in names.EnumerateObject())
                if (int.TryParse(name.Name, out int id) && id >= 0 && id < count && name.Value.ValueKind == JsonValueKind.String)
                    labels[id] = name.Value.GetString()!;
        }

        TaskKind task = count == 1 ? TaskKind.Regression : TaskKind.SingleLabel;
        if (config.RootElement.TryGetProperty("problem_type", out JsonElement type) && type.ValueKind == JsonValueKind.String)
            task = ProblemTypes.Find(type.GetString()!) ?? throw new InvalidDataException($"{path}: problem_type {type.GetRawText()} is not known");
        int? maxTokens = config.RootElement.TryGetProperty("dnabert2_max_tokens", out JsonElement most) && most.TryGetInt32(out int number) && number > 2
            ? number : null;
        return new InterpretedModel(model, task, labels, maxTokens);
    }
}
