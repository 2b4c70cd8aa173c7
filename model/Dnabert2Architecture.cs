using System.Text.Json.Nodes;
using Dnabert2.Files;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>Folders of DNABERT-2.</summary>
internal sealed class Dnabert2Architecture : Architecture
{
    private const int PaperKmers = 4101;

    public override string Name => "DNABERT-2";

    public override Type Model => typeof(Dnabert2Model);

    public override Type TokenizerClass => typeof(BpeTokenizer);

    /// <summary>Its tokens may be k-mers, too: what byte-pair encoding is worth shows beside the same model on these.</summary>
    public override bool Takes(ISequenceTokenizer tokenizer) =>
        tokenizer is BpeTokenizer or DnabertTokenizer or NucleotideTransformerTokenizer;

    public override SequenceModel Initialize(
        ISequenceTokenizer tokenizer, string? config, ModelShape shape, ulong seed, Backend? backend, ModelParts parts, bool trainable)
    {
        Dnabert2Config c = config is null ? new Dnabert2Config() : Dnabert2Config.Load(config);
        // A config says the size of the vocabulary of byte-pair encoding.
        if (config is null || tokenizer is not BpeTokenizer) c = c with { VocabSize = tokenizer.VocabularySize };
        return Dnabert2Model.Initialize(shape.Of(c), tokenizer, seed, backend, parts, trainable);
    }

    public override IReadOnlyList<string> LoraTargets { get; } = ["attention.self.Wqkv"];

    public override IReadOnlyList<string> TokenizerFiles { get; } = [ModelSource.TokenizerFile, ModelSource.VocabularyFile];

    public override string ClassOf(ModelParts parts) => ClassOf("Bert", parts);

    public override int LabelsOf(ModelSource source) => source.LoadConfig().NumLabels;

    public override int? MostTokens(StoredFile config) => null;

    public override string? OtherThanInPaper(ModelSource source)
    {
        Dnabert2Config paper = new(), c = source.LoadConfig();
        // Of table 10, on 6-mers.
        int vocabulary = c.VocabSize == PaperKmers ? PaperKmers : paper.VocabSize;
        return (c.VocabSize, c.HiddenSize, c.NumHiddenLayers, c.NumAttentionHeads, c.IntermediateSize)
            == (vocabulary, paper.HiddenSize, paper.NumHiddenLayers, paper.NumAttentionHeads, paper.IntermediateSize)
            ? null : "117 million";
    }

    public override ISequenceTokenizer LoadTokenizer(ModelSource source) => Tokenizer(source.TokenizerPath);

    public override JsonObject TokenizerSettings(ISequenceTokenizer tokenizer)
    {
        if (tokenizer is not BpeTokenizer) return Of(tokenizer).TokenizerSettings(tokenizer);
        JsonObject json = Settings("PreTrainedTokenizerFast");
        if (tokenizer.UnknownId is { } unknown) json["unk_token"] = tokenizer.Token(unknown);
        if (tokenizer.ClsId is not null) json["cls_token"] = "[CLS]";
        if (tokenizer.SepId is not null) json["sep_token"] = "[SEP]";
        if (tokenizer.PadId is not null) json["pad_token"] = "[PAD]";
        if (tokenizer.MaskId is not null) json["mask_token"] = "[MASK]";
        return json;
    }

    public override string DescribeConfig(StoredFile file)
    {
        var c = Dnabert2Config.Load(file, attention: null);
        return $"vocabulary {c.VocabSize}, hidden {c.HiddenSize}, {c.NumHiddenLayers} {(c.NumHiddenLayers == 1 ? "layer" : "layers")}, "
            + $"{c.NumAttentionHeads} {(c.NumAttentionHeads == 1 ? "head" : "heads")} of {c.HiddenSize / c.NumAttentionHeads}, "
            + $"feed-forward {c.IntermediateSize}, token types {c.TypeVocabSize}, attention {c.Attention}";
    }

    public override string DescribeTokenizer(StoredFile config, StoredFile? tokenizer)
    {
        ISequenceTokenizer own = Tokenizer(tokenizer!.Value);
        if (own is not BpeTokenizer t) return Of(own).DescribeTokenizer(config, tokenizer);
        int[] lengths = [.. Enumerable.Range(0, t.VocabularySize).Where(id => !t.IsSpecial(id)).Select(id => t.Token(id).Length)];
        return $"{t.VocabularySize} ids, tokens of {lengths.DefaultIfEmpty().Average():F1} bases on average and "
            + $"{lengths.DefaultIfEmpty().Max()} at most, {Special(t, "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")}";
    }

    public override SequenceModel Make(
        ModelSource source, ConfigChanges changes, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
        Action<SequenceModel>? prepare)
    {
        Dnabert2Config config = source.LoadConfig();
        config = config with
        {
            NumLabels = changes.Labels ?? config.NumLabels,
            ClassifierPooling = changes.Pooling ?? config.ClassifierPooling,
        };
        if (changes.Dropout is { } dropout) config = config with { HiddenDropoutProb = dropout, ClassifierDropout = null };
        return Dnabert2Model.Make(config, Tokenizer(source.TokenizerPath), backend, parts, fill, prepare);
    }

    private static ISequenceTokenizer Tokenizer(StoredFile file) =>
        Path.GetFileName(file.Path) == ModelSource.TokenizerFile ? BpeTokenizer.Load(file) : TokenizerFile.Load(file);
}
