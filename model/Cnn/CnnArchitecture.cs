using System.Text.Json.Nodes;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Cnn;

/// <summary>Folders of the convolutional network of Genomic Benchmarks.</summary>
internal sealed class CnnArchitecture : Architecture
{
    public override string Name => "the CNN of Genomic Benchmarks";

    public override Type Model => typeof(CnnModel);

    public override Type TokenizerClass => typeof(LetterVocabulary);

    public override string ClassifierWeight => "dense_model.1.weight";

    public override ModelParts? LanguageModel => null;

    public override ModelParts Head => ModelParts.Classifier;

    /// <summary>The one there is; see <see cref="SequenceModel.Statistics"/> for why it is not used.</summary>
    public override IReadOnlyList<string> LoraTargets { get; } = ["dense_model.0"];

    /// <summary>That of the reference, in PyTorch.</summary>
    public override string ClassOf(ModelParts parts) => "CNN";

    public override int LabelsOf(ModelSource source) => CnnConfig.Load(source.ConfigPath).NumLabels;

    public override int? MostTokens(StoredFile config) => CnnConfig.Load(config).InputLength;

    /// <summary>The length of all rows.</summary>
    public override int UsualTokens(int? most) => most ?? FineTuneOptions.UsualMaxTokens;

    /// <summary>A token a base and the two around them.</summary>
    public override int TokensOf(GueTask task) => task.BasesOfRow + 2;

    /// <summary>That of the reference, Adam at one rate for 10 epochs, but for the schedule, which falls in a straight line here.</summary>
    public override FineTuneOptions Recipe => new()
    {
        LearningRate = 1e-3,
        Batch = 64,
        Epochs = 10,
        WeightDecay = 0,
        ClipNorm = null,
        WarmupSteps = 0,
    };

    public override string? RefusalOf(LabelledTask task) =>
        task.Kind != TaskKind.SingleLabel ? $"{Name} tells one class of several, and this task is of another kind"
        : task.Pairs ? $"{Name} takes single sequences, not pairs" : null;

    /// <summary>The paper does not say how large its network is.</summary>
    public override string? OtherThanInPaper(ModelSource source) => null;

    public override ISequenceTokenizer LoadTokenizer(ModelSource source) => Tokenizer(source);

    /// <summary>None: the network is not of Hugging Face.</summary>
    public override JsonObject TokenizerSettings(ISequenceTokenizer tokenizer) => [];

    public override string DescribeConfig(StoredFile file)
    {
        CnnConfig c = CnnConfig.Load(file);
        return $"{Name}, vocabulary {c.VocabSize}, embeddings {c.EmbeddingDim}, rows of {c.InputLength} tokens, hidden {c.HiddenSize}, "
            + $"{c.NumLabels} classes";
    }

    public override string DescribeTokenizer(StoredFile config, StoredFile? tokenizer)
    {
        LetterVocabulary t = LetterVocabulary.Load(tokenizer!.Value, CnnConfig.Load(config).InputLength);
        return $"{t.VocabularySize} ids, a token a letter, " + Special(t, "<unk>", "<bos>", "<eos>", "<pad>", "<mask>");
    }

    public override SequenceModel Initialize(
        ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable) =>
        throw new ArgumentException($"{Name} is a classifier: fine-tuning makes one of a task's training set");

    public override SequenceModel Make(
        ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
        Action<SequenceModel>? prepare)
    {
        CnnConfig config = CnnConfig.Load(source.ConfigPath);
        // There is no dropout to change.
        return CnnModel.Make(
            config with { NumLabels = changes.Labels ?? config.NumLabels }, Tokenizer(source), backend, fill, prepare);
    }

    private static LetterVocabulary Tokenizer(ModelSource source) =>
        LetterVocabulary.Load(source.TokenizerPath, CnnConfig.Load(source.ConfigPath).InputLength);
}
