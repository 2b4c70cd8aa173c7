using System.Text.Json.Nodes;
using Dnabert2.Files;
using Dnabert2.FineTuning;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.Dnabert;

/// <summary>Folders of DNABERT.</summary>
internal sealed class DnabertArchitecture : Architecture
{
    public override string Name => "DNABERT";

    public override Type Model => typeof(DnabertModel);

    public override Type TokenizerClass => typeof(DnabertTokenizer);

    public override SequenceModel Initialize(
        ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable)
    {
        DnabertConfig c = config is null ? new DnabertConfig { VocabSize = tokenizer.VocabularySize } : DnabertConfig.Load(config);
        return DnabertModel.Initialize(shape.Of(c), (DnabertTokenizer)tokenizer, seed, backend, parts, trainable);
    }

    public override IReadOnlyList<string> LoraTargets { get; } = ["query", "value"];

    public override string ClassOf(ModelParts parts) => ClassOf("Bert", parts);

    public override int LabelsOf(ModelSource source) => DnabertConfig.Load(source.ConfigPath).NumLabels;

    /// <summary>Rows are cut into windows of as many tokens as there are positions.</summary>
    public override int? MostTokens(StoredFile config) => null;

    /// <summary>
    /// The scripts' limits for the lengths that GUE has; in GUE+, of which they say nothing, as many as bases, which no row exceeds.
    /// </summary>
    public override int TokensOf(GueTask task) => task.Bases switch
    {
        70 => 80,
        100 => 110,
        300 => 310,
        400 => 410,
        500 => 512,
        1000 => 1024,
        _ => task.BasesOfRow,
    };

    public override string? OtherThanInPaper(ModelSource source) => OtherThan(
        "86 to 89 million", DnabertConfig.Load(source.ConfigPath), (new DnabertConfig(), [69, 261, 1029, 4101]));

    public override ISequenceTokenizer LoadTokenizer(ModelSource source) => DnabertTokenizer.Load(source.TokenizerPath);

    public override JsonObject TokenizerSettings(ISequenceTokenizer tokenizer) =>
        Settings("BertTokenizer", ("do_lower_case", false), ("tokenize_chinese_chars", false));

    public override string DescribeConfig(StoredFile file)
    {
        DnabertConfig c = DnabertConfig.Load(file);
        return $"{Name}, {Describe(c)}, token types {c.TypeVocabSize}";
    }

    public override string DescribeTokenizer(StoredFile config, StoredFile? tokenizer)
    {
        DnabertTokenizer t = DnabertTokenizer.Load(tokenizer!.Value);
        return $"{t.VocabularySize} ids, {t.K}-mers that begin at each base, "
            + Special(t, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]");
    }

    public override SequenceModel Make(
        ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
        Action<SequenceModel>? prepare)
    {
        DnabertConfig config = DnabertConfig.Load(source.ConfigPath);
        config = config with { NumLabels = changes.Labels ?? config.NumLabels };
        if (changes.Dropout is { } dropout)
            config = config with
            {
                HiddenDropoutProb = dropout,
                AttentionProbsDropoutProb = config.AttentionProbsDropoutProb > 0 ? dropout : 0,
                ClassifierDropout = null,
            };
        return DnabertModel.Make(config, DnabertTokenizer.Load(source.TokenizerPath), backend, parts, fill, prepare);
    }
}
