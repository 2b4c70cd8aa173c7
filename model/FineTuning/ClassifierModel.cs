using Dnabert2.Tokenizers;
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
    private const ModelParts Head = ModelParts.Pooler | ModelParts.Classifier;

    // Of a model that does not say how it was trained: the largest of the paper's limits.
    private const int DefaultMaxTokens = 512;

    private ClassifierModel(Dnabert2Model model, TaskConfig task)
    {
        (Model, Kind, Names, MaxTokens) = (model, task.Kind, task.Names, task.MaxTokens);
        if (model.Config.NumLabels != task.Outputs)
            throw new InvalidDataException($"config.json has {model.Config.NumLabels} outputs for a task of {task.Outputs}");
    }

    /// <summary>The model, with pooler and classifier, laid out for inference.</summary>
    public Dnabert2Model Model { get; }

    /// <summary>What a label says.</summary>
    public TaskKind Kind { get; }

    /// <summary>The classes; empty in regression.</summary>
    public LabelNames Names { get; }

    /// <summary>The most tokens of a sequence in training, special ones included.</summary>
    public int MaxTokens { get; }

    /// <summary>Loads a fine-tuned model.</summary>
    /// <param name="folder">
    /// The folder: <c>config.json</c>, <c>tokenizer.json</c>, and <c>model.safetensors</c> (or <c>pytorch_model.bin</c>) with pooler and
    /// classifier, or <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>, which names its base.
    /// </param>
    /// <param name="backend">Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the model.</param>
    /// <exception cref="IOException">The folder, or a file of it, is missing.</exception>
    /// <exception cref="InvalidDataException">A file is damaged, or the model was not fine-tuned.</exception>
    public static ClassifierModel Load(string folder, Backend? backend = null)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{folder}: no such folder; a fine-tuned model is a folder as 'dnabert2 finetune' writes it");
        string path = Dnabert2Model.Existing(folder, "config.json");
        Dnabert2Config config = Dnabert2Config.Load(path);
        TaskConfig task = TaskConfig.Read(path, config.NumLabels, DefaultMaxTokens);
        Dnabert2Model model = LoraAdapter.IsIn(folder) ? LoadAdapter(folder, config, backend) : LoadWhole(folder, backend);
        try
        {
            return new ClassifierModel(model, task);
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Token sequences with this model's tokenizer and limit, to be filled.</summary>
    /// <param name="maxTokens">Another limit than that of training.</param>
    public TokenSequences NewSequences(int? maxTokens = null) => new(Model.Tokenizer, maxTokens ?? MaxTokens);

    /// <summary>The logits of sequences, which run in packed batches of like lengths.</summary>
    /// <param name="sequences">The sequences, tokenised with the model's tokenizer.</param>
    /// <param name="batchTokens">The most tokens that go through the model at once, unless a single sequence has more; to 16,777,216.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
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

    private static Dnabert2Model LoadWhole(string folder, Backend? backend)
    {
        using (Checkpoint checkpoint = Checkpoint.Open(folder))
            if ((checkpoint.Parts & Head) != Head)
                throw new InvalidDataException($"{folder}: the model has no pooler and classifier: it was not fine-tuned; 'dnabert2 finetune' does that");
        return Dnabert2Model.Load(folder, backend, Head);
    }

    private static Dnabert2Model LoadAdapter(string folder, Dnabert2Config config, Backend? backend)
    {
        LoraAdapter adapter = LoraAdapter.Read(folder);
        if (!adapter.Parts.HasFlag(ModelParts.Classifier))
            throw new InvalidDataException($"{folder}: the adapter has no classifier (modules_to_save): it was not made for classification");
        BpeTokenizer tokenizer = BpeTokenizer.Load(Dnabert2Model.Existing(folder, "tokenizer.json"));
        return LoraMerge.Load(adapter, config, tokenizer, Head, backend, trainable: false);
    }
}
