using Dnabert2.Folders;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.FineTuning;

/// <summary>
/// A fine-tuned model: the folder that fine-tuning writes, whole or as an adapter, which is merged with its base on loading. Immutable, so
/// any number of threads may use it.
/// </summary>
/// <example>
/// <code>
/// using var classifier = ClassifierModel.Load("run");
/// TokenSequences sequences = classifier.NewSequences();
/// sequences.Add("ACGTTGCATTGACCA"u8);
/// float[] logits = classifier.Logits(sequences);      // [1, labels]
/// </code>
/// </example>
public sealed class ClassifierModel : IDisposable
{
    private readonly int? _mostTokens;

    private ClassifierModel(SequenceModel model, TaskConfig task, int? mostTokens)
    {
        _mostTokens = mostTokens;
        (Model, Kind, Names, MaxTokens, MaxTokensSource) = (model, task.Kind, task.Names, task.MaxTokens, task.MaxTokensSource);
        if (model.NumLabels != task.Outputs)
            throw new InvalidDataException($"config.json has {model.NumLabels} outputs for a task of {task.Outputs}");
    }

    /// <summary>The model, with its classifier, laid out for inference.</summary>
    public SequenceModel Model { get; }

    /// <summary>What a label says.</summary>
    public TaskKind Kind { get; }

    /// <summary>The classes, or the values of a regression; empty where there is one value.</summary>
    public LabelNames Names { get; }

    /// <summary>The names of its outputs: the classes, or the values of a regression, a single one of which is <c>value</c>.</summary>
    public IReadOnlyList<string> Outputs => Kind == TaskKind.Regression ? Names.OrValue : Names;

    /// <summary>
    /// The most tokens of a sequence in training, special ones included: <c>dnabert2_max_tokens</c> of <c>config.json</c>, or else
    /// <c>model_max_length</c> of <c>tokenizer_config.json</c>, or else 512.
    /// </summary>
    public int MaxTokens { get; }

    /// <summary>What says <see cref="MaxTokens"/>: key and file, for people.</summary>
    public string MaxTokensSource { get; }

    /// <summary>Loads a fine-tuned model.</summary>
    /// <param name="folder">
    /// The folder: a model with a classifier, or an adapter that names its base; see <see cref="ModelSource"/>.
    /// </param>
    /// <param name="backend">
    /// Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the model.
    /// </param>
    /// <exception cref="IOException">The folder, or a file of it, is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the model was not fine-tuned.</exception>
    public static ClassifierModel Load(string folder, Backend? backend = null) => Load(ModelSource.Open(folder), backend);

    /// <summary>Loads a fine-tuned model.</summary>
    /// <param name="source">The model.</param>
    /// <param name="backend">See <see cref="Load(string, Backend?)"/>.</param>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the model was not fine-tuned.</exception>
    public static ClassifierModel Load(ModelSource source, Backend? backend = null)
    {
        ArgumentNullException.ThrowIfNull(source);
        CheckHead(source);
        SequenceModel model = source.Load(backend, source.Architecture.Head);
        try
        {
            return new ClassifierModel(
                model, TaskConfig.Read(source, model.NumLabels), source.Architecture.MostTokens(source.ConfigPath));
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Token sequences with this model's tokenizer and limit, to be filled.</summary>
    /// <param name="maxTokens">Another limit than that of training.</param>
    /// <exception cref="ArgumentException">The model does not take so many tokens, or the limit leaves no room for any.</exception>
    public TokenSequences NewSequences(int? maxTokens = null) => maxTokens > _mostTokens
        ? throw new ArgumentException($"{nameof(maxTokens)} is {maxTokens}: this model has positions for {_mostTokens} tokens")
        : new(Model.Tokenizer, maxTokens ?? MaxTokens);

    /// <summary>The logits of sequences, which run in packed batches of like lengths.</summary>
    /// <param name="sequences">The sequences, tokenised with the model's tokenizer.</param>
    /// <param name="batchTokens">
    /// The most tokens that go through the model at once, unless a single sequence has more; to 16,777,216.
    /// </param>
    /// <param name="cancellation">Ends the work, on the CPU also within a batch.</param>
    /// <returns>[sequences, labels], in the order of the sequences; in regression the values.</returns>
    public float[] Logits(TokenSequences sequences, int batchTokens = 8192, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(sequences);
        OptionRange.Check(nameof(batchTokens), batchTokens, 1, OptionRange.MostTogether);
        using var run = new Classification(Model, batchTokens);
        return run.Run(sequences, cancellation);
    }

    /// <summary>Returns the memory.</summary>
    public void Dispose() => Model.Dispose();

    private static void CheckHead(ModelSource source)
    {
        ModelParts head = source.Architecture.Head, lost;
        using (Checkpoint weights = source.OpenWeights()) lost = head & ~source.PartsOf(weights);
        if (source.Adapter is { } adapter && adapter.Config.TaskType is { } type and not "SEQ_CLS" && lost == ModelParts.Encoder)
            throw new InvalidDataException(
                $"{source.Folder}: the adapter's task_type is {type}; only adapters of sequence classifiers (SEQ_CLS) predict");
        if (lost == ModelParts.Encoder) return;
        if (source.Adapter is null || lost == head)
            throw new InvalidDataException(
                $"{source.Folder}: the model has no " +
                $"{(lost == ModelParts.Pooler ? "pooler" : lost == ModelParts.Classifier ? "classifier" : "pooler and classifier")}: " +
                "it was not fine-tuned; 'dnabert2 finetune' does that");
        string part = lost == ModelParts.Pooler ? "pooler" : "classifier";
        throw new InvalidDataException(
            $"{source.Folder}: the {part} is lost: it is neither in {source.Adapter.WeightPath} nor in the base {source.WeightFolder}, " +
            $"so in training it had random weights, and these were not saved; train again with \"{part}\" among modules_to_save, " +
            "or save the trained model whole (merge_and_unload) while it is in memory");
    }
}
