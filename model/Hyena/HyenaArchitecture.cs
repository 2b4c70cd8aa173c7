using System.Text.Json.Nodes;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Hyena;

/// <summary>Folders of HyenaDNA, which have no file of a vocabulary.</summary>
internal sealed class HyenaArchitecture : Architecture
{
    public override string Name => "HyenaDNA";

    public override Type Model => typeof(HyenaModel);

    public override Type TokenizerClass => typeof(HyenaTokenizer);

    public override IReadOnlyList<string> TokenizerFiles => [];

    public override string ClassifierWeight => "score.weight";

    public override ModelParts? LanguageModel => ModelParts.CausalHead;

    public override ModelParts Head => ModelParts.Classifier;

    /// <summary>The projections into the operator and out of it.</summary>
    public override IReadOnlyList<string> LoraTargets { get; } = ["in_proj", "out_proj"];

    public override string ClassOf(ModelParts parts) => parts.HasFlag(ModelParts.Classifier) ? "HyenaDNAForSequenceClassification"
        : parts.HasFlag(ModelParts.CausalHead) ? "HyenaDNAForCausalLM" : "HyenaDNAModel";

    public override int LabelsOf(ModelSource source) => HyenaConfig.Load(source.ConfigPath).NumLabels;

    public override int? MostTokens(StoredFile config) => HyenaConfig.Load(config).MaxSeqLen;

    /// <summary>A token a base, so that no row is truncated; HyenaDNA is not in the paper's scripts.</summary>
    public override int TokensOf(GueTask task) => task.BasesOfRow + 2;

    /// <summary>That of HyenaDNA's repository, but for the schedule: there a cosine after 1 % of the steps.</summary>
    public override FineTuneOptions Recipe => new() { LearningRate = 6e-4, WeightDecay = 0.1, Batch = 128, Epochs = 100 };

    public override string? OtherThanInPaper(ModelSource source)
    {
        HyenaConfig paper = new(), c = HyenaConfig.Load(source.ConfigPath);
        return (c.DModel, c.DInner, c.NLayer) == (paper.DModel, paper.DInner, paper.NLayer) ? null : "6.6 million";
    }

    public override ISequenceTokenizer LoadTokenizer(ModelSource source) =>
        new HyenaTokenizer(HyenaConfig.Load(source.ConfigPath).MaxSeqLen);

    /// <summary>The file that the tokenizer is written as.</summary>
    public override JsonObject TokenizerSettings(ISequenceTokenizer tokenizer)
    {
        using var stream = new MemoryStream();
        tokenizer.Save(stream);
        stream.Position = 0;
        return JsonNode.Parse(stream)!.AsObject();
    }

    public override string DescribeConfig(StoredFile file)
    {
        HyenaConfig c = HyenaConfig.Load(file);
        return $"{Name}, vocabulary {c.VocabSize}, width {c.DModel}, {c.NLayer} layers, feed-forward {c.DInner}, filters of "
            + $"{c.FilterOrder}, at most {c.MaxSeqLen} tokens";
    }

    public override string DescribeTokenizer(StoredFile config, StoredFile? tokenizer)
    {
        var t = new HyenaTokenizer();
        return $"{t.VocabularySize} ids, a token a letter, " + Special(t, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]");
    }

    public override SequenceModel Initialize(
        ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable)
    {
        if (shape.AttentionHeads is not null || shape.Dropout is not null)
            throw new ArgumentException($"{Name} has neither heads of attention nor dropout", nameof(shape));
        int most = ((HyenaTokenizer)tokenizer).MaxTokens;
        HyenaConfig c = config is null ? new HyenaConfig { MaxSeqLen = most } : HyenaConfig.Load(config);
        if (c.MaxSeqLen != most)
            throw new InvalidDataException(
                $"{config}: max_seq_len is {c.MaxSeqLen}, and the tokenizer's model_max_length {most}; take both from the same model");
        c = c with
        {
            DModel = shape.HiddenSize ?? c.DModel,
            NLayer = shape.Layers ?? c.NLayer,
            DInner = shape.IntermediateSize ?? c.DInner,
        };
        return HyenaModel.Initialize(c, seed, backend, parts, trainable);
    }

    public override SequenceModel Make(
        ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
        Action<SequenceModel>? prepare)
    {
        HyenaConfig config = HyenaConfig.Load(source.ConfigPath);
        int ids = new HyenaTokenizer().VocabularySize;
        if (config.VocabRows < ids)
            throw new InvalidDataException(
                $"{source.ConfigPath}: vocab_size is {config.VocabSize}, in rows {config.VocabRows}; HyenaDNA's tokenizer has {ids} ids: "
                + "it is the config.json of another model");
        // There is no dropout to change.
        return HyenaModel.Make(config with { NumLabels = changes.Labels ?? config.NumLabels }, backend, parts, fill, prepare);
    }

    public override Func<ModelWeight, ModelWeights, string?> BesidesParameters(ModelSource source) =>
        new HyenaBuffers(HyenaConfig.Load(source.ConfigPath)).FaultOf;
}
