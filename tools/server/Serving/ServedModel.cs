using Dnabert2.Embeddings;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Interpretation;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Server.Serving;

/// <summary>The model that is served, and what it can do.</summary>
internal sealed class ServedModel : IDisposable
{
    private const int LeastTokens = 3;

    private ServedModel(SequenceModel model, ClassifierModel? classifier, ServerOptions options)
    {
        (Model, Classifier) = (model, classifier);
        NoVectors = model.RefusalOf(options.Pooling);
        Interpreted = classifier is null
            ? new InterpretedModel(model, null, [], null)
            : new InterpretedModel(
                model, classifier.Kind, classifier.Outputs, classifier.MaxTokens);
        NoAttribution = model.RefusalOf(pooling: null)
            ?? (classifier is null && !Interpreted.HasLikelihood ? "the model has neither a classifier nor the head of a language model"
            : classifier is null && !model.IsCausal && model.Tokenizer.MaskId is null ? "the tokenizer has no [MASK]" : null);
        // As embed, where a model was not trained for a task.
        int usual = new EmbedOptions().MaxTokens;
        MaxInputTokens = options.MaxInputTokens ?? classifier?.MaxTokens ?? Math.Min(usual, model.MaxTokens ?? usual);
        if (MaxInputTokens < LeastTokens)
            throw new ArgumentException($"{nameof(options.MaxInputTokens)} is {MaxInputTokens}: it is at least {LeastTokens}");
        if (classifier is null && model.MaxTokens is { } most && MaxInputTokens > most)
            throw new ArgumentException(
                $"{nameof(options.MaxInputTokens)} is {MaxInputTokens}: this model has positions for {most} tokens");
        // Refuses a limit that the classifier does not take.
        classifier?.NewSequences(MaxInputTokens);
    }

    /// <summary>The model.</summary>
    public SequenceModel Model { get; }

    /// <summary>The same with its classes, where it was fine-tuned.</summary>
    public ClassifierModel? Classifier { get; }

    /// <summary>The same as one whose predictions are to be understood.</summary>
    public InterpretedModel Interpreted { get; }

    /// <summary>Why it gives no vectors of sequences; null where it does.</summary>
    public string? NoVectors { get; }

    /// <summary>Why nothing can be attributed to bases; null where it can.</summary>
    public string? NoAttribution { get; }

    /// <summary>The most tokens of a sequence, special ones included.</summary>
    public int MaxInputTokens { get; }

    /// <summary>The names of the outputs of the classifier, or of the value of a regression.</summary>
    public IReadOnlyList<string> Labels => Interpreted.Labels;

    /// <summary>Loads a model with whatever heads it has.</summary>
    /// <param name="source">The model.</param>
    /// <param name="backend">Where it runs.</param>
    /// <param name="options">What is asked of it.</param>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged.</exception>
    /// <exception cref="ArgumentException">An option asks for what the model does not have.</exception>
    public static ServedModel Load(ModelSource source, Backend backend, ServerOptions options)
    {
        ModelParts parts;
        using (Checkpoint weights = source.OpenWeights()) parts = source.PartsOf(weights);
        ClassifierModel? classifier = parts.HasFlag(ModelParts.Classifier) ? ClassifierModel.Load(source, backend) : null;
        SequenceModel model = classifier?.Model
            ?? source.Load(backend, source.Architecture.LanguageModel is { } head && parts.HasFlag(head) ? head : ModelParts.Encoder);
        return Of(model, classifier, options);
    }

    /// <summary>A model that is loaded.</summary>
    /// <param name="model">The model, which is disposed with this.</param>
    /// <param name="classifier">The same with its classes, where it was fine-tuned.</param>
    /// <param name="options">What is asked of it.</param>
    /// <exception cref="ArgumentException">An option asks for what the model does not have.</exception>
    public static ServedModel Of(SequenceModel model, ClassifierModel? classifier, ServerOptions options)
    {
        try
        {
            return new ServedModel(model, classifier, options);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    public void Dispose() => Model.Dispose();
}
