using System.Text.Json.Nodes;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>
/// A DNABERT-2 with its weights: the encoder and whichever heads it has. For inference the linear weights are laid out for the backend.
/// Immutable, so any number of threads may run it; each forward pass needs its own <see cref="Tape"/>.
/// </summary>
public sealed class Dnabert2Model : SequenceModel
{
    private Dnabert2Model(Dnabert2Config config, ISequenceTokenizer tokenizer, Backend? backend, ModelParts parts)
        : base(backend)
    {
        (Config, Tokenizer, Parts) = (config, tokenizer, parts);
        Encoder = new Encoder(Parameters, config);
        if (parts.HasFlag(ModelParts.Pooler)) Pooler = new Pooler(Parameters, config.HiddenSize, config.ClassifierPooling);
        if (parts.HasFlag(ModelParts.MlmHead)) MlmHead = new MlmHead(Parameters, Encoder.WordEmbeddings, config.LayerNormEps);
        if (parts.HasFlag(ModelParts.Classifier))
            Classifier = new Classifier(
                Parameters, config.HiddenSize, config.NumLabels, config.ClassifierDropout ?? config.HiddenDropoutProb);
    }

    /// <summary>The hyper-parameters.</summary>
    public Dnabert2Config Config { get; }

    /// <summary>
    /// The tokenizer: byte-pair encoding in published models; the k-mers of <see cref="DnabertTokenizer"/> or
    /// <see cref="NucleotideTransformerTokenizer"/> in those that show what it is worth.
    /// </summary>
    public override ISequenceTokenizer Tokenizer { get; }

    /// <inheritdoc/>
    public override ModelParts Parts { get; }

    /// <inheritdoc/>
    public override int HiddenSize => Config.HiddenSize;

    /// <inheritdoc/>
    public override int NumLabels => Config.NumLabels;

    /// <summary>Null: there are no learned positions.</summary>
    public override int? MaxTokens => null;

    /// <summary>The encoder.</summary>
    public Encoder Encoder { get; }

    /// <summary>The pooler, or null.</summary>
    public Pooler? Pooler { get; }

    /// <summary>The masked-language-model head, or null.</summary>
    public MlmHead? MlmHead { get; }

    /// <summary>The sequence classifier, or null.</summary>
    public Classifier? Classifier { get; }

    internal override SpecialTokenFrame Frame => Tokenizer is BpeTokenizer
        ? new(new[] { Special(Tokenizer.ClsId, "[CLS]") }, default, new[] { Special(Tokenizer.SepId, "[SEP]") })
        : Tokenizer.Frame(pair: false);

    internal override IEnumerable<Linear> Linears => Encoder.Linears;

    internal override Architecture Architecture => Architecture.Dnabert2;

    /// <summary>They know ALiBi, and the classification of the first token, alone.</summary>
    internal override bool IsOfPublishedCode => Config.IsOfPublishedCode;

    internal override ParameterSource NewWeights(ulong seed) => Initialization.Normal(seed, Config.InitializerRange);

    internal override TrainingCost Cost => TrainingCost.OfTransformer(this, Config.NumHiddenLayers, MlmHead?.Weights ?? 0);

    internal override PassTensors PassTensors => PassTensors.Of(Config);

    internal override JsonObject WriteConfig() => ModelFolder.Keys(Config);

    /// <summary>
    /// Loads a model folder as Hugging Face has it on disk (<c>config.json</c>, <c>tokenizer.json</c>, and <c>model.safetensors</c> or
    /// <c>pytorch_model.bin</c>, also in several files with an index), an adapter with the base that it names, or the last checkpoint of a
    /// run of pre-training; see <see cref="ModelSource"/>.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="backend">
    /// Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the model.
    /// </param>
    /// <param name="parts">What is needed besides the encoder; null: all that the weights hold.</param>
    /// <param name="trainable">Whether the weights are laid out for training rather than, faster, for inference alone.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">The folder lacks a file.</exception>
    /// <exception cref="InvalidDataException">
    /// A file is damaged, or the weights are not exactly those that the config describes; everything missing, extra or mis-shaped is
    /// listed.
    /// </exception>
    public static new Dnabert2Model Load(string folder, Backend? backend = null, ModelParts? parts = null, bool trainable = false) =>
        ModelSource.Open(folder).Load<Dnabert2Model>(backend, parts, trainable);

    /// <summary>
    /// Loads the model that comes with this library, in the package <c>Dnabert2.BuiltInModel</c>: a small DNABERT-2 trained by this engine
    /// on whole genomes, <see cref="ModelSource.BuiltIn"/>.
    /// </summary>
    /// <param name="backend">See <see cref="Load"/>.</param>
    /// <param name="parts">See <see cref="Load"/>.</param>
    /// <exception cref="FileNotFoundException">The program has no reference to that package.</exception>
    public static Dnabert2Model LoadDefault(Backend? backend = null, ModelParts? parts = null) =>
        Load(ModelSource.BuiltIn, backend, parts);

    /// <summary>A model with initial weights, drawn from N(0, <see cref="Dnabert2Config.InitializerRange"/>).</summary>
    /// <param name="config">The hyper-parameters.</param>
    /// <param name="tokenizer">The tokenizer; its vocabulary is not larger than the model's.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="backend">See <see cref="Load"/>.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    /// <param name="trainable">See <see cref="Load"/>.</param>
    /// <exception cref="ArgumentException">A hyper-parameter is out of its range.</exception>
    /// <exception cref="InvalidDataException">The tokenizer has more entries than the model, or is of another kind.</exception>
    public static Dnabert2Model Initialize(
        Dnabert2Config config, ISequenceTokenizer tokenizer, ulong seed, Backend? backend = null, ModelParts parts = ModelParts.MlmHead,
        bool trainable = false)
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
    /// <param name="config">The hyper-parameters.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="backend">See <see cref="Load"/>.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    /// <param name="fill">Fills the declared parameters.</param>
    /// <param name="prepare">Adds to the declared parameters, or freezes some, before they are filled.</param>
    internal static Dnabert2Model Make(
        Dnabert2Config config, ISequenceTokenizer tokenizer, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
        Action<Dnabert2Model>? prepare = null)
    {
        config.Validate();
        if (!Architecture.Dnabert2.Takes(tokenizer))
            throw new InvalidDataException("the tokenizer is neither of byte-pair encoding nor of k-mers");
        if (tokenizer.VocabularySize > config.VocabSize)
            throw new InvalidDataException(
                $"the tokenizer has {tokenizer.VocabularySize} entries, the model's vocab_size is {config.VocabSize}; "
                + $"{TokenizerFile.NameOf(tokenizer)} and config.json are not of one model");
        return Filled(new Dnabert2Model(config, tokenizer, backend, parts), fill, prepare);
    }

    internal override int AttentionHeads => Config.NumAttentionHeads;

    /// <inheritdoc/>
    public override int Layers => Encoder.Layers.Count;

    /// <inheritdoc/>
    public override Variable Encode(Tape tape, in Batch batch) => Encoder.Forward(tape, batch);

    private protected override Variable EncodeLayerCore(Tape tape, in Batch batch, int layer) => Encoder.Forward(tape, batch, layer);

    /// <inheritdoc/>
    public override Variable PredictTokens(Tape tape, Variable x) =>
        (MlmHead ?? throw Lacks("masked-language-model head")).Forward(tape, x);

    /// <inheritdoc/>
    public override Variable Classify(Tape tape, in Batch batch)
    {
        if (Pooler is null || Classifier is null) throw Lacks("pooler and classifier");
        return ClassifyEncoded(tape, Encoder.Forward(tape, batch), batch);          // [sequences, labels]
    }

    internal override Variable ClassifyEncoded(Tape tape, Variable x, in Batch batch)
    {
        if (Pooler is null || Classifier is null) throw Lacks("pooler and classifier");
        Variable pooled = Pooler.Forward(tape, x, batch.CuSeqlens);                 // [sequences, hidden]
        return Classifier.Forward(tape, pooled);                                    // [sequences, labels]
    }

    private static int Special(int? id, string token) =>
        id ?? throw new InvalidDataException($"the tokenizer has no {token}, which sequences of this model begin or end with");
}
