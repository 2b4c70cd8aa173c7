using System.Text.Json.Nodes;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Dnabert;

/// <summary>
/// A DNABERT of 3- to 6-mers with its weights: the encoder and whichever heads it has. For inference the linear weights are laid out for
/// the backend. Immutable, so any number of threads may run it; each forward pass needs its own <see cref="Tape"/>.
/// </summary>
public sealed class DnabertModel : SequenceModel
{
    private static readonly Pool MeanOfWindows = new(Pooling.Mean);

    private DnabertModel(DnabertConfig config, DnabertTokenizer tokenizer, Backend? backend, ModelParts parts)
        : base(backend)
    {
        (Config, Tokenizer, Parts) = (config, tokenizer, parts);
        Encoder = new DnabertEncoder(Parameters, config);
        if (parts.HasFlag(ModelParts.Pooler)) Pooler = new Pooler(Parameters, config.HiddenSize);
        if (parts.HasFlag(ModelParts.MlmHead)) MlmHead = new MlmHead(Parameters, Encoder.WordEmbeddings, config.LayerNormEps);
        if (parts.HasFlag(ModelParts.Classifier))
            Classifier = new Classifier(
                Parameters, config.HiddenSize, config.NumLabels, config.ClassifierDropout ?? config.HiddenDropoutProb);
    }

    /// <summary>The hyper-parameters.</summary>
    public DnabertConfig Config { get; }

    /// <inheritdoc/>
    public override DnabertTokenizer Tokenizer { get; }

    /// <inheritdoc/>
    public override ModelParts Parts { get; }

    /// <inheritdoc/>
    public override int HiddenSize => Config.HiddenSize;

    /// <inheritdoc/>
    public override int NumLabels => Config.NumLabels;

    /// <summary>The number of learned positions: 512 in the published models.</summary>
    public override int? MaxTokens => Config.MaxPositionEmbeddings;

    /// <summary>The encoder.</summary>
    public DnabertEncoder Encoder { get; }

    /// <summary>The pooler, or null.</summary>
    public Pooler? Pooler { get; }

    /// <summary>
    /// The masked-language-model head, or null. It adds the output bias once, as Hugging Face's class does; DNABERT's own program, with
    /// which the published models were pre-trained, adds it twice.
    /// </summary>
    public MlmHead? MlmHead { get; }

    /// <summary>The sequence classifier, or null.</summary>
    public Classifier? Classifier { get; }

    internal override bool ClassifiesWindows => true;

    internal override SpecialTokenFrame Frame => Tokenizer.Frame(pair: false);

    internal override IEnumerable<Linear> Linears => Encoder.Linears;

    internal override Architecture Architecture => Architecture.Dnabert;

    /// <summary>The bias of the language-model head, which newer versions would take for missing and set to 0.</summary>
    internal override IEnumerable<(string Name, Parameter Parameter)> SecondNames =>
        Parameters.Parameters.Where(p => p.Name == WeightNames.DecoderBias).Select(p => (WeightNames.HeadBias, p));

    internal override ParameterSource NewWeights(ulong seed) => Initialization.Normal(seed, Config.InitializerRange);

    internal override TrainingCost Cost => TrainingCost.OfTransformer(this, Config.NumHiddenLayers, MlmHead?.Weights ?? 0);

    internal override PassTensors PassTensors => PassTensors.Of(Config);

    internal override JsonObject WriteConfig() => Config.Write();

    /// <summary>
    /// Loads a model folder as Hugging Face has it on disk: <c>config.json</c>, <c>vocab.txt</c>, and <c>pytorch_model.bin</c> or
    /// <c>model.safetensors</c>.
    /// </summary>
    /// <inheritdoc cref="SequenceModel.Load"/>
    public static new DnabertModel Load(string folder, Backend? backend = null, ModelParts? parts = null, bool trainable = false) =>
        ModelSource.Open(folder).Load<DnabertModel>(backend, parts, trainable);

    /// <summary>A model with initial weights, drawn from N(0, <see cref="TransformerConfig.InitializerRange"/>).</summary>
    /// <param name="config">The hyper-parameters.</param>
    /// <param name="tokenizer">The tokenizer, of as many entries as the model.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="backend">Where to run; null: the CPU, on all cores.</param>
    /// <param name="parts">What it has besides the encoder.</param>
    /// <param name="trainable">Whether the weights are laid out for training rather than for inference alone.</param>
    /// <exception cref="ArgumentException">A hyper-parameter is out of its range.</exception>
    /// <exception cref="InvalidDataException">The tokenizer has more or fewer entries than the model.</exception>
    public static DnabertModel Initialize(
        DnabertConfig config, DnabertTokenizer tokenizer, ulong seed, Backend? backend = null, ModelParts parts = ModelParts.MlmHead,
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
    internal static DnabertModel Make(
        DnabertConfig config, DnabertTokenizer tokenizer, Backend? backend, ModelParts parts, Action<ParameterSet> fill,
        Action<DnabertModel>? prepare = null)
    {
        config.Validate();
        if (tokenizer.VocabularySize != config.VocabSize)
            throw new InvalidDataException(
                $"vocab.txt is of {tokenizer.K}-mers and has {tokenizer.VocabularySize} entries, config.json says vocab_size " +
                $"{config.VocabSize}{OfKmers(config.VocabSize)}; they are not of one model: take both from the same folder");
        if (config.PadTokenId != tokenizer.PadId)
            throw new InvalidDataException(
                $"config.json says pad_token_id {config.PadTokenId}, in vocab.txt it is {tokenizer.PadId}; they are not of one model: take "
                + "both from the same folder");
        return Filled(new DnabertModel(config, tokenizer, backend, parts), fill, prepare);
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
        _ = Heads;
        return ClassifyEncoded(tape, Encoder.Forward(tape, batch), batch);          // [sequences, labels]
    }

    internal override Variable ClassifyEncoded(Tape tape, Variable x, in Batch batch)
    {
        (Pooler pooler, Classifier classifier) = Heads;
        Variable pooled = pooler.Forward(tape, x, batch.CuSeqlens);                 // [sequences, hidden]
        if (batch.IsCut) pooled = MeanOfWindows.Forward(tape, pooled, batch.Windows);     // [rows, hidden]
        return classifier.Forward(tape, pooled);                                    // [sequences or rows, labels]
    }

    /// <summary>
    /// Encoder and classifier for rows of any length, as in the published model's own class: each window runs alone, and the pooled outputs
    /// of all windows of a row are averaged, those of windows of nothing but padding, too. Fine-tuning and prediction leave these out, so
    /// that a row's result does not depend on the others of its batch; where all rows have as many windows there are none.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The rows, cut into windows of at most <see cref="MaxTokens"/>.</param>
    /// <returns>Logits [rows, labels].</returns>
    /// <exception cref="InvalidOperationException">The model has no pooler and classifier.</exception>
    public Variable Classify(Tape tape, WindowedBatch batch)
    {
        ArgumentNullException.ThrowIfNull(batch);
        Variable pooled = PoolWindows(tape, batch);                                 // [rows · windows, hidden]
        Variable mean = MeanOfWindows.Forward(tape, pooled, batch.Rows);            // [rows, hidden]
        return Heads.Classifier.Forward(tape, mean);                                // [rows, labels]
    }

    /// <summary>The pooled outputs of all windows, row by row: [rows · windows, hidden].</summary>
    internal Variable PoolWindows(Tape tape, WindowedBatch batch)
    {
        Pooler pooler = Heads.Pooler;
        Variable x = Encoder.Forward(tape, batch.Windows);                          // [tokens, hidden]
        Variable pooled = pooler.Forward(tape, x, batch.Windows.CuSeqlens);         // [windows of tokens, hidden]
        if (batch.Padding is not { } padding) return pooled;
        Variable y = Encoder.Forward(tape, padding, Layers, ofPadding: true);               // [tokens, hidden]
        Variable ofPadding = pooler.Forward(tape, y, padding.CuSeqlens);            // [windows of padding, hidden]
        Variable all = ConcatRows.Instance.Forward(tape, pooled, ofPadding);        // [rows · windows, hidden]
        return GatherRows.Instance.Forward(tape, all, batch.Order);                 // [rows · windows, hidden]
    }

    private (Pooler Pooler, Classifier Classifier) Heads =>
        Pooler is null || Classifier is null ? throw Lacks("pooler and classifier") : (Pooler, Classifier);

    private static string OfKmers(int entries)
    {
        for (int k = 1; k <= 8; k++)
            if (entries == new DnabertTokenizer(k).VocabularySize) return $", which is that of {k}-mers";
        return "";
    }
}
