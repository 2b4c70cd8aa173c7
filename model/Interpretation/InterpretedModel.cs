using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Engine.Runtime;

namespace Dnabert2.Interpretation;

/// <summary>
/// A model whose predictions are to be understood: fine-tuned, with classes or a value, or pre-trained, with a likelihood.
/// </summary>
public sealed class InterpretedModel : IDisposable
{
    internal InterpretedModel(SequenceModel model, TaskKind? task, IReadOnlyList<string> labels, int? maxTokens) =>
        (Model, Task, Labels, MaxTokens) = (model, task, labels, maxTokens);

    /// <summary>The model.</summary>
    public SequenceModel Model { get; }

    /// <summary>What it was fine-tuned for; null: it was not.</summary>
    public TaskKind? Task { get; }

    /// <summary>The names of the classes in the order of its logits; of a regression, "value"; empty where it was not fine-tuned.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>The most tokens it was fine-tuned on, special ones included, to which sequences are cut; null: no limit.</summary>
    public int? MaxTokens { get; }

    /// <summary>Whether it gives a likelihood: of masked tokens, or, where it is causal, of a sequence.</summary>
    public bool HasLikelihood => Model.HasLanguageModel;

    /// <summary>The most tokens of a sequence that is classified, special ones included; null: no limit.</summary>
    internal int? Limit =>
        MaxTokens is { } trained ? Model.ClassifiesWindows ? trained : Math.Min(trained, Model.MaxTokens ?? trained) : Model.MaxTokens;

    /// <summary>The same without special tokens.</summary>
    internal int? Room => Limit - SpecialTokens;

    /// <summary>The most tokens that it has positions for, without special ones; null: no limit.</summary>
    internal int? Positions => Model.MaxTokens - SpecialTokens;

    /// <summary>The most bases, all of them known, that it always has positions for; null: no limit.</summary>
    internal int? PositionedBases => Positions is { } tokens ? Model.Tokenizer.BasesThatFit(tokens) : null;

    /// <summary>The special tokens around a sequence.</summary>
    internal int SpecialTokens => Model.Frame.Before.Length + Model.Frame.After.Length;

    /// <summary>Loads a model: fine-tuned if it has a classifier or is an adapter with one, otherwise pre-trained.</summary>
    /// <param name="folder">The folder; see <see cref="ModelSource"/>.</param>
    /// <param name="backend">Where to run; see <see cref="SequenceModel.Load"/>.</param>
    /// <exception cref="IOException">The folder or a file in it is missing.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged, or the model has neither a classifier nor the head of a language model.
    /// </exception>
    public static InterpretedModel Load(string folder, Backend? backend = null) => Load(ModelSource.Open(folder), backend);

    /// <summary>Loads a model; see <see cref="Load(string, Backend?)"/>.</summary>
    /// <param name="source">The model.</param>
    /// <param name="backend">Where to run; see <see cref="SequenceModel.Load"/>.</param>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged, or the model has neither a classifier nor the head of a language model.
    /// </exception>
    public static InterpretedModel Load(ModelSource source, Backend? backend = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        ModelParts parts;
        using (Checkpoint weights = source.OpenWeights()) parts = source.PartsOf(weights);
        if (parts.HasFlag(ModelParts.Classifier))
        {
            // It owns nothing but the model, which is disposed here.
            ClassifierModel classifier = ClassifierModel.Load(source, backend);
            if (classifier.Model.RefusalOf(pooling: null) is { } why)
            {
                classifier.Dispose();
                throw new InvalidDataException($"{source.Folder}: it cannot be interpreted: {why}; take another model");
            }

            return new InterpretedModel(classifier.Model, classifier.Kind,
                classifier.Outputs, classifier.MaxTokens);
        }

        if (source.Architecture.LanguageModel is { } head && parts.HasFlag(head))
            return new InterpretedModel(source.Load(backend, parts), null, [], null);
        throw new InvalidDataException(
            $"{source.Folder}: the weights have neither a classifier nor the head of a language model; give a "
            + "fine-tuned or a pre-trained model");
    }

    /// <summary>The id of a class by its name.</summary>
    /// <exception cref="ArgumentException">There is no such class; the message lists those there are.</exception>
    public int LabelOf(string name)
    {
        for (int i = 0; i < Labels.Count; i++)
            if (Labels[i] == name) return i;
        throw new ArgumentException(Labels.Count == 0 ? $"class '{Excerpt.Of(name)}': the model is not fine-tuned and has no classes"
            : $"class '{Excerpt.Of(name)}': the model has {Excerpt.Of(Labels)}");
    }

    /// <summary>Returns the memory of the weights.</summary>
    public void Dispose() => Model.Dispose();
}
