using System.Text.Json.Nodes;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.NucleotideTransformer;

/// <summary>Folders of the Nucleotide Transformer.</summary>
internal sealed class NucleotideTransformerArchitecture : Architecture
{
    public override string Name => "the Nucleotide Transformer";

    public override Type Model => typeof(NucleotideTransformerModel);

    public override Type TokenizerClass => typeof(NucleotideTransformerTokenizer);

    public override SequenceModel Initialize(
        ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable)
    {
        var own = (NucleotideTransformerTokenizer)tokenizer;
        NucleotideTransformerConfig published = own.Version == 1 ? new NucleotideTransformerConfig() : NucleotideTransformerConfig.Version2;
        NucleotideTransformerConfig c = config is null
            ? published with { VocabSize = own.SequenceIds } : NucleotideTransformerConfig.Load(config);
        return NucleotideTransformerModel.Initialize(shape.Of(c), own, seed, backend, parts, trainable);
    }

    public override string DescribeConfig(StoredFile file)
    {
        NucleotideTransformerConfig c = NucleotideTransformerConfig.Load(file);
        return $"{NucleotideTransformerConfig.NameOf(c.Version)}, {Describe(c)}, token dropout {(c.TokenDropout ? "on" : "off")}";
    }

    public override string DescribeTokenizer(StoredFile config, StoredFile? tokenizer)
    {
        NucleotideTransformerTokenizer t = NucleotideTransformerTokenizer.Load(tokenizer!.Value);
        return $"{t.VocabularySize} ids, {t.K}-mers one after the other and single bases, "
            + Special(t, "<unk>", "<cls>", "<eos>", "<pad>", "<mask>");
    }

    public override string ClassifierWeight => "classifier.out_proj.weight";

    public override ModelParts Head => ModelParts.Classifier;

    /// <summary>
    /// Those of the recipe of the paper of DNABERT-2 in the encoder. Its <c>dense</c> is the classifier's as well, which is trained
    /// wholly anyway, and whose addition versions of PEFT read differently.
    /// </summary>
    public override IReadOnlyList<string> LoraTargets { get; } = ["query", "key", "value", "intermediate.dense", "output.dense"];

    public override string ClassOf(ModelParts parts) => ClassOf("Esm", parts);

    public override int LabelsOf(ModelSource source) => NucleotideTransformerConfig.Load(source.ConfigPath).NumLabels;

    public override int? MostTokens(StoredFile config) => NucleotideTransformerConfig.Load(config).Positions;

    /// <summary>Those of DNABERT-2, but for sequences of 500 bases; in GUE+ a token for four bases, as for DNABERT-2.</summary>
    public override int TokensOf(GueTask task) => task.Bases == 500 ? 100 : task.MaxTokens;

    public override FineTuneMethod PaperMethod => FineTuneMethod.Lora;

    public override string? OtherThanInPaper(ModelSource source)
    {
        NucleotideTransformerConfig small = new(), large = small with
        {
            HiddenSize = 2560,
            NumHiddenLayers = 32,
            IntermediateSize = 10240,
        };
        return OtherThan(
            "480 and 2,537 million", NucleotideTransformerConfig.Load(source.ConfigPath), (small, [small.VocabSize]),
            (large, [large.VocabSize]));
    }

    public override ISequenceTokenizer LoadTokenizer(ModelSource source) => NucleotideTransformerTokenizer.Load(source.TokenizerPath);

    public override JsonObject TokenizerSettings(ISequenceTokenizer tokenizer) => Settings("EsmTokenizer");

    public override SequenceModel Make(
        ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
        Action<SequenceModel>? prepare)
    {
        NucleotideTransformerConfig config = NucleotideTransformerConfig.Load(source.ConfigPath);
        config = config with
        {
            NumLabels = changes.Labels ?? config.NumLabels,
            HiddenDropoutProb = changes.Dropout ?? config.HiddenDropoutProb,
        };
        return NucleotideTransformerModel.Make(
            config, NucleotideTransformerTokenizer.Load(source.TokenizerPath), backend, parts, fill, prepare);
    }

    public override Func<ModelWeight, ModelWeights, string?> BesidesParameters(ModelSource source) =>
        new RotaryFrequencies(NucleotideTransformerConfig.Load(source.ConfigPath)).FaultOf;
}
