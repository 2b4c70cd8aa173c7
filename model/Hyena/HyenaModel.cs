using System.Text.Json.Nodes;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Hyena;

/// <summary>
/// A HyenaDNA with its weights: the backbone and whichever heads it has. It computes in F32. Immutable, so any number of threads may run
/// it; each forward pass needs its own <see cref="Tape"/>.
/// </summary>
/// <remarks>
/// Each token sees those before it alone. The backbone is the encoder of <see cref="ModelParts"/>, <c>hyena.backbone.</c>, and the
/// classifier is <c>score.</c>.
/// </remarks>
public sealed class HyenaModel : SequenceModel
{
    private HyenaModel(HyenaConfig config, Backend? backend, ModelParts parts)
        : base(backend)
    {
        (Config, Parts, Tokenizer) = (config, parts, new HyenaTokenizer(config.MaxSeqLen));
        Backbone = new HyenaBackbone(Parameters, config);
        if (parts.HasFlag(ModelParts.CausalHead)) LmHead = new HyenaLmHead(Parameters, config);
        if (parts.HasFlag(ModelParts.Classifier)) Classifier = new HyenaClassifier(Parameters, config);
    }

    /// <summary>The hyper-parameters.</summary>
    public HyenaConfig Config { get; }

    /// <summary>The tokenizer, which truncates to what the model takes.</summary>
    public override HyenaTokenizer Tokenizer { get; }

    /// <inheritdoc/>
    public override ModelParts Parts { get; }

    /// <inheritdoc/>
    public override int HiddenSize => Config.DModel;

    /// <inheritdoc/>
    public override int NumLabels => Config.NumLabels;

    /// <summary>The longest sequence that the filters are made for, [SEP] included: <c>max_seq_len</c>.</summary>
    public override int? MaxTokens => Config.MaxSeqLen;

    /// <summary>The backbone.</summary>
    public HyenaBackbone Backbone { get; }

    /// <summary>The head of the language model, which predicts the next token, or null.</summary>
    public HyenaLmHead? LmHead { get; }

    /// <summary>The sequence classifier, or null.</summary>
    public HyenaClassifier? Classifier { get; }

    internal override SpecialTokenFrame Frame => Tokenizer.Frame(pair: false);

    // The classifier looks at the last token.
    internal override bool TakesEmptySequences => false;

    internal override IEnumerable<Linear> Linears => Backbone.Linears;

    internal override Architecture Architecture => Architecture.Hyena;

    internal override ParameterSource NewWeights(ulong seed) => Initialization.Normal(seed, Config.InitializerRange);

    internal override TrainingCost Cost => TrainingCost.OfTransformer(this, layers: 0, (long)Config.DModel * Config.VocabRows);

    internal override JsonObject WriteConfig() => Config.Write();

    /// <summary>
    /// Loads a model folder as Hugging Face has it (<c>LongSafari/hyenadna-*-hf</c>): <c>config.json</c>, and <c>model.safetensors</c> or
    /// <c>pytorch_model.bin</c>, also in several files with an index; or that of HyenaDNA's own repository, with <c>weights.ckpt</c>. The
    /// positions and decays that the file stores are held against those that the model computes.
    /// </summary>
    /// <inheritdoc cref="SequenceModel.Load"/>
    public static new HyenaModel Load(string folder, Backend? backend = null, ModelParts? parts = null, bool trainable = false) =>
        ModelSource.Open(folder).Load<HyenaModel>(backend, parts, trainable);

    /// <summary>
    /// A model with initial weights: those from N(0, <see cref="HyenaConfig.InitializerRange"/>), biases 0, norms 1 and 0, frequencies 10.
    /// (The published code draws the skips from N(0, 1), and scales what ends a layer down.)
    /// </summary>
    /// <param name="config">The hyper-parameters.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="backend">
    /// Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the model.
    /// </param>
    /// <param name="parts">What it has besides the backbone.</param>
    /// <param name="trainable">Whether the weights are laid out for training rather than, faster, for inference alone.</param>
    /// <exception cref="ArgumentException">A hyper-parameter is out of its range.</exception>
    public static HyenaModel Initialize(
        HyenaConfig config, ulong seed, Backend? backend = null, ModelParts parts = ModelParts.CausalHead, bool trainable = false)
    {
        ArgumentNullException.ThrowIfNull(config);
        ParameterSource initial = Initialization.Normal(seed, config.InitializerRange);
        return Make(config, backend, parts, set =>
        {
            if (trainable) set.FillFlat(initial);
            else set.FillPacked(initial);
        });
    }

    /// <summary>A model whose parameters the given action fills.</summary>
    internal static HyenaModel Make(
        HyenaConfig config, Backend? backend, ModelParts parts, Action<ParameterSet> fill, Action<HyenaModel>? prepare = null)
    {
        config.Validate();
        return Filled(new HyenaModel(config, backend, parts & (ModelParts.CausalHead | ModelParts.Classifier)), fill, prepare);
    }

    /// <inheritdoc/>
    public override int Layers => Backbone.Layers.Count;

    /// <inheritdoc/>
    public override Variable Encode(Tape tape, in Batch batch) => Backbone.Forward(tape, batch);

    private protected override Variable EncodeLayerCore(Tape tape, in Batch batch, int layer) => Backbone.Forward(tape, batch, layer);

    /// <summary>There is no such head: <see cref="LmHead"/> predicts the next token.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public override Variable PredictTokens(Tape tape, Variable x) =>
        throw Lacks("masked-language-model head: HyenaDNA is causal, and predicts the next token");

    internal override Variable PredictTargets(Tape tape, Variable x) =>
        LmHead is null ? throw Lacks("head of the language model") : LmHead.Forward(tape, x);

    /// <inheritdoc/>
    public override Variable Classify(Tape tape, in Batch batch)
    {
        Variable x = Backbone.Forward(tape, batch);                                 // [tokens, d]
        return ClassifyEncoded(tape, x, batch);                                     // [sequences, labels]
    }

    internal override Variable ClassifyEncoded(Tape tape, Variable x, in Batch batch) =>
        Classifier is null ? throw Lacks("classifier") : Classifier.Forward(tape, x, batch.CuSeqlens);

    internal override IEnumerable<(string Name, Tensor Tensor)> Buffers(Arena arena)
    {
        var buffers = new HyenaBuffers(Config);
        foreach ((string name, Shape shape, float[] values) in buffers.All)
        {
            Tensor tensor = arena.Rent(shape, DType.F32);
            arena.Backend.Upload<float>(values, tensor);
            for (int i = 0; i < Config.NLayer; i++) yield return ($"{HyenaBuffers.Layers}{i}{name}", tensor);
        }
    }

    internal override string? RefusalOf(Pooling? pooling) => pooling == Pooling.Cls
        ? "a causal model has no [CLS], and its first token sees nothing of the sequence; take the mean" : null;
}
