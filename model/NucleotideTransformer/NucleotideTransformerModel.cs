using System.Text.Json.Nodes;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.NucleotideTransformer;

/// <summary>
/// A Nucleotide Transformer, version 1 or 2, with its weights: the encoder and whichever heads it has. For inference the linear weights are
/// laid out for the backend. Immutable, so any number of threads may run it; each forward pass needs its own <see cref="Tape"/>.
/// </summary>
/// <remarks>
/// Padding that other programs put between the sequences of a pair and at the end of a row is no part of a batch: the model never sees it.
/// </remarks>
public sealed class NucleotideTransformerModel : SequenceModel
{
    private NucleotideTransformerModel(
        NucleotideTransformerConfig config, NucleotideTransformerTokenizer tokenizer, Backend? backend, ModelParts parts)
        : base(backend)
    {
        (Config, Tokenizer, Parts) = (config, tokenizer, parts);
        Encoder = new NucleotideTransformerEncoder(Parameters, config);
        if (parts.HasFlag(ModelParts.MlmHead)) MlmHead = new NucleotideTransformerMlmHead(Parameters, config);
        if (parts.HasFlag(ModelParts.Classifier)) Classifier = new NucleotideTransformerClassifier(Parameters, config);
    }

    /// <summary>The hyper-parameters.</summary>
    public NucleotideTransformerConfig Config { get; }

    /// <inheritdoc/>
    public override NucleotideTransformerTokenizer Tokenizer { get; }

    /// <inheritdoc/>
    public override ModelParts Parts { get; }

    /// <inheritdoc/>
    public override int HiddenSize => Config.HiddenSize;

    /// <inheritdoc/>
    public override int NumLabels => Config.NumLabels;

    /// <summary>The number of positions that tokens have: 1000 in the published models of version 1, 2048 in those of version 2.</summary>
    public override int? MaxTokens => Encoder.Positions;

    /// <summary>The encoder.</summary>
    public NucleotideTransformerEncoder Encoder { get; }

    /// <summary>The masked-language-model head, or null.</summary>
    public NucleotideTransformerMlmHead? MlmHead { get; }

    /// <summary>The sequence classifier, or null.</summary>
    public NucleotideTransformerClassifier? Classifier { get; }

    internal override SpecialTokenFrame Frame => Tokenizer.Frame(pair: false);

    internal override IEnumerable<Linear> Linears => Classifier is null ? Encoder.Linears : [.. Encoder.Linears, Classifier.Dense];

    internal override Architecture Architecture => Architecture.NucleotideTransformer;

    internal override ParameterSource NewWeights(ulong seed) => Initialization.Normal(seed, Config.InitializerRange);

    internal override TrainingCost Cost => TrainingCost.OfTransformer(this, Config.NumHiddenLayers, MlmHead?.Weights ?? 0);

    internal override PassTensors PassTensors => PassTensors.Of(Config);

    internal override JsonObject WriteConfig() => Config.Write();

    /// <summary>
    /// Loads a model folder as Hugging Face has it on disk: <c>config.json</c>, <c>vocab.txt</c>, and <c>pytorch_model.bin</c> or
    /// <c>model.safetensors</c>, also in several files with an index.
    /// </summary>
    /// <inheritdoc cref="SequenceModel.Load"/>
    public static new NucleotideTransformerModel Load(
        string folder, Backend? backend = null, ModelParts? parts = null, bool trainable = false) =>
        ModelSource.Open(folder).Load<NucleotideTransformerModel>(backend, parts, trainable);

    /// <summary>A model with initial weights, drawn from N(0, <see cref="TransformerConfig.InitializerRange"/>).</summary>
    /// <param name="config">The hyper-parameters.</param>
    /// <param name="tokenizer">The tokenizer, of as many entries as the model, or with two ends that published models leave out.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="backend">Where to run; null: the CPU, on all cores.</param>
    /// <param name="parts">What it has besides the encoder; there is no pooler.</param>
    /// <param name="trainable">Whether the weights are laid out for training rather than for inference alone.</param>
    /// <exception cref="ArgumentException">A hyper-parameter is out of its range.</exception>
    /// <exception cref="InvalidDataException">The tokenizer is not of this model.</exception>
    public static NucleotideTransformerModel Initialize(
        NucleotideTransformerConfig config, NucleotideTransformerTokenizer tokenizer, ulong seed, Backend? backend = null,
        ModelParts parts = ModelParts.MlmHead, bool trainable = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        ArgumentNullException.ThrowIfNull(tokenizer);
        ParameterSource initial = Initialization.Normal(seed, config.InitializerRange);
        return Make(config, tokenizer, backend, parts, set =>
        {
            if (trainable) set.FillFlat(initial);
            else set.FillPacked(initial);
        });
    }

    /// <summary>A model whose parameters the given action fills.</summary>
    internal static NucleotideTransformerModel Make(
        NucleotideTransformerConfig config, NucleotideTransformerTokenizer tokenizer, Backend? backend, ModelParts parts,
        Action<ParameterSet> fill, Action<NucleotideTransformerModel>? prepare = null)
    {
        config.Validate();
        if (config.VocabSize < tokenizer.SequenceIds || config.VocabSize > tokenizer.VocabularySize)
            throw new InvalidDataException(
                $"vocab.txt is of {tokenizer.K}-mers and has {tokenizer.VocabularySize} entries, {tokenizer.SequenceIds} of which "
                + $"sequences are made of; config.json says vocab_size {config.VocabSize}; they are not of one model: take both from the "
                + "same folder");
        if (config.Version != tokenizer.Version)
            throw new InvalidDataException(
                $"config.json is of version {config.Version} of the Nucleotide Transformer, and the tokens of vocab.txt are in the order "
                + $"of version {tokenizer.Version}; they are not of one model: take both from the same folder");
        if (config.PadTokenId != tokenizer.PadId || config.MaskTokenId != tokenizer.MaskId)
            throw new InvalidDataException(
                $"config.json says pad_token_id {config.PadTokenId} and mask_token_id {config.MaskTokenId}, in vocab.txt they are "
                + $"{tokenizer.PadId} and {tokenizer.MaskId}; they are not of one model: take both from the same folder");
        return Filled(new NucleotideTransformerModel(config, tokenizer, backend, parts & ~ModelParts.Pooler), fill, prepare);
    }

    internal override int AttentionHeads => Config.NumAttentionHeads;

    /// <inheritdoc/>
    public override int Layers => Encoder.Layers;

    /// <inheritdoc/>
    public override Variable Encode(Tape tape, in Batch batch) => Encoder.Forward(tape, batch);

    private protected override Variable EncodeLayerCore(Tape tape, in Batch batch, int layer) => Encoder.Forward(tape, batch, layer);

    /// <inheritdoc/>
    public override Variable PredictTokens(Tape tape, Variable x) =>
        (MlmHead ?? throw Lacks("masked-language-model head")).Forward(tape, x);

    /// <inheritdoc/>
    public override Variable Classify(Tape tape, in Batch batch)
    {
        if (Classifier is null) throw Lacks("classifier");
        return ClassifyEncoded(tape, Encoder.Forward(tape, batch), batch);          // [sequences, labels]
    }

    internal override Variable ClassifyEncoded(Tape tape, Variable x, in Batch batch) =>
        (Classifier ?? throw Lacks("classifier")).Forward(tape, x, batch.CuSeqlens);// [sequences, labels]
}
