using System.Text.Json.Nodes;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>
/// A model of sequences with its weights, whatever its architecture: an encoder and whichever heads it has. For inference the linear
/// weights are laid out for the backend. Immutable, so any number of threads may run it; each forward pass needs its own
/// <see cref="Tape"/>.
/// </summary>
public abstract class SequenceModel : IDisposable
{
    private static readonly Pool[] Pools = [.. Enum.GetValues<Pooling>().Select(pooling => new Pool(pooling))];
    private readonly Backend? _owned;

    private protected SequenceModel(Backend? backend)
    {
        _owned = backend is null ? CpuBackend.Create() : null;
        Parameters = new ParameterSet(backend ?? _owned!);
    }

    /// <summary>The parameters, by their names in checkpoints.</summary>
    public ParameterSet Parameters { get; }

    /// <summary>The backend it runs on.</summary>
    public Backend Backend => Parameters.Backend;

    /// <summary>The tokenizer.</summary>
    public abstract ISequenceTokenizer Tokenizer { get; }

    /// <summary>What it has besides the encoder.</summary>
    public abstract ModelParts Parts { get; }

    /// <summary>The width of a token's vector, and of a sequence's.</summary>
    public abstract int HiddenSize { get; }

    /// <summary>The outputs of the classifier, where there is one.</summary>
    public abstract int NumLabels { get; }

    /// <summary>The most tokens of a sequence, special ones included; null where there is no limit.</summary>
    public abstract int? MaxTokens { get; }

    /// <summary>
    /// Whether <see cref="Classify"/> takes rows of more tokens, cut into windows of <see cref="MaxTokens"/>; see
    /// <see cref="Batch.Windows"/>.
    /// </summary>
    internal virtual bool ClassifiesWindows => false;

    /// <summary>The special tokens around a sequence.</summary>
    /// <exception cref="InvalidDataException">The tokenizer has none that the model wants.</exception>
    internal abstract SpecialTokenFrame Frame { get; }

    /// <summary>What rows are filled up to, where all have one length; null: rows have any length up to <see cref="MaxTokens"/>.</summary>
    internal virtual RowPadding? Padding => null;

    /// <summary>Whether a batch may hold sequences without a token.</summary>
    internal virtual bool TakesEmptySequences => true;

    /// <summary>Its linear layers that may have low-rank additions, in the order of their declaration.</summary>
    internal abstract IEnumerable<Linear> Linears { get; }

    /// <summary>What a folder's <c>config.json</c> says that such a model is.</summary>
    internal abstract Architecture Architecture { get; }

    /// <summary>
    /// What goes along from the folder that it was loaded from when it is written again; null where it was not loaded for training.
    /// </summary>
    internal ModelOrigin? Origin { get; set; }

    /// <summary>
    /// The identity of the folder's encoder, where additions are trained beside it; null otherwise, or where no folder holds these weights.
    /// </summary>
    internal string? BaseIdentity { get; set; }

    /// <summary>
    /// Whether the published Python classes compute what this model does, so that an <c>auto_map</c> to them stays in its
    /// <c>config.json</c>.
    /// </summary>
    internal virtual bool IsOfPublishedCode => true;

    /// <summary>Names under which Hugging Face's classes have a parameter a second time, and which their files hold, too.</summary>
    internal virtual IEnumerable<(string Name, Parameter Parameter)> SecondNames => [];

    /// <summary>New weights, as its <c>Initialize</c> draws them.</summary>
    /// <param name="seed">Decides them.</param>
    internal abstract ParameterSource NewWeights(ulong seed);

    /// <summary>What a training step costs.</summary>
    internal abstract TrainingCost Cost { get; }

    /// <summary>
    /// Frozen parameters that a pass in training changes all the same, by <see cref="NoteStatistics"/>: running statistics.
    /// </summary>
    internal virtual IReadOnlyList<Parameter> Statistics => [];

    /// <summary>Notes in <see cref="Statistics"/> what the last pass in training saw.</summary>
    internal virtual void NoteStatistics()
    {
    }

    /// <summary>What published files of the architecture hold besides parameters, though it follows from the config.</summary>
    /// <param name="arena">Where it is put.</param>
    internal virtual IEnumerable<(string Name, Tensor Tensor)> Buffers(Arena arena) => [];

    /// <summary>The tensors of a pass of pre-training, by which its memory is known beforehand; null where they are not declared.</summary>
    internal virtual PassTensors? PassTensors => null;

    /// <summary>The keys of a <c>config.json</c> that this library knows.</summary>
    internal abstract JsonObject WriteConfig();

    /// <summary>
    /// Loads a model folder of any architecture that this library knows, which is recognised from its <c>config.json</c>; see
    /// <see cref="ModelSource"/>.
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
    /// A file is damaged, the architecture is another one, or the weights are not exactly those that the config describes; everything
    /// missing, extra or mis-shaped is listed.
    /// </exception>
    public static SequenceModel Load(string folder, Backend? backend = null, ModelParts? parts = null, bool trainable = false) =>
        ModelSource.Open(folder).Load(backend, parts, trainable);

    /// <summary>
    /// A model with initial weights, of the architecture of the config or, without one, of that whose published models have such a
    /// tokenizer.
    /// </summary>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="shape">What is otherwise than in the model whose shape it takes; null: nothing.</param>
    /// <param name="config">The <c>config.json</c> of that model; null: it is a published one of the architecture.</param>
    /// <param name="backend">See <see cref="Load"/>.</param>
    /// <param name="parts">What it has besides the encoder; null: the head of its language model.</param>
    /// <param name="trainable">See <see cref="Load"/>.</param>
    /// <exception cref="ArgumentException">A hyper-parameter is out of its range.</exception>
    /// <exception cref="InvalidDataException">The config is damaged, or not of a model that has such a tokenizer.</exception>
    /// <exception cref="IOException">The config cannot be read.</exception>
    public static SequenceModel Initialize(
        ISequenceTokenizer tokenizer, ulong seed, ModelShape? shape = null, string? config = null, Backend? backend = null,
        ModelParts? parts = null, bool trainable = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        Architecture ofTokenizer = Architecture.Of(tokenizer), architecture = config is null ? ofTokenizer : Architecture.Of(config);
        if (!architecture.Takes(tokenizer))
            throw new InvalidDataException(
                $"{config}: is of {architecture.Name}, the tokenizer of {ofTokenizer.Name}; take both from the same model");
        return architecture.Initialize(
            tokenizer, config, shape ?? new ModelShape(), seed, backend,
            parts ?? architecture.LanguageModel ?? ModelParts.Encoder, trainable);
    }

    /// <summary>The layers of the encoder; 0 where there are none to choose from: the convolutional network.</summary>
    public abstract int Layers { get; }

    /// <summary>The heads of its attention; 0 where it has none.</summary>
    internal virtual int AttentionHeads => 0;

    /// <summary>The encoder: ids → the last hidden states, [tokens, hidden].</summary>
    /// <exception cref="ArgumentException">A sequence has more tokens than <see cref="MaxTokens"/>.</exception>
    /// <exception cref="InvalidOperationException">The model has no vectors of tokens: the convolutional network.</exception>
    public abstract Variable Encode(Tape tape, in Batch batch);

    /// <summary>
    /// The hidden states behind a layer, [tokens, hidden], as Hugging Face counts them: 0 is the embedding layer, <see cref="Layers"/> the
    /// last, with the normalisation that may follow it, as in <see cref="Encode"/>.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="layer">The layer.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such layer.</exception>
    /// <exception cref="ArgumentException">A sequence has more tokens than <see cref="MaxTokens"/>.</exception>
    public Variable EncodeLayer(Tape tape, in Batch batch, int layer)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(layer);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(layer, Layers);
        return EncodeLayerCore(tape, batch, layer);
    }

    private protected virtual Variable EncodeLayerCore(Tape tape, in Batch batch, int layer) => Encode(tape, batch);

    /// <summary>The vectors of sequences: ids → [sequences, hidden].</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="pooling">How the vectors of a sequence's tokens become one.</param>
    /// <exception cref="ArgumentException">
    /// A sequence has more tokens than <see cref="MaxTokens"/>, or the model's vectors do not come about in that way.
    /// </exception>
    public virtual Variable EncodeSequences(Tape tape, in Batch batch, Pooling pooling)
    {
        if (RefusalOf(pooling) is { } why) throw new ArgumentException($"{nameof(pooling)} is {pooling}: {why}", nameof(pooling));
        return PoolTokens(tape, Encode(tape, batch), batch, pooling);                           // [sequences, hidden]
    }

    /// <summary>[tokens, hidden] → [sequences, hidden].</summary>
    internal static Variable PoolTokens(Tape tape, Variable x, in Batch batch, Pooling pooling) =>
        Pools[(int)pooling].Forward(tape, x, batch.CuSeqlens);

    /// <summary>Why the model has no such vectors; null where it has.</summary>
    /// <param name="pooling">How the vectors of a sequence's tokens become one; null: each token has one.</param>
    internal virtual string? RefusalOf(Pooling? pooling) => null;

    /// <summary>The masked-language-model head: [tokens, hidden] → logits [tokens, vocabulary].</summary>
    /// <exception cref="InvalidOperationException">The model has none; that of a causal model predicts the next token.</exception>
    public abstract Variable PredictTokens(Tape tape, Variable x);

    /// <summary>The head of the language model, masked or causal: [tokens, hidden] → logits [tokens, vocabulary].</summary>
    internal virtual Variable PredictTargets(Tape tape, Variable x) => PredictTokens(tape, x);

    /// <summary>Whether it has the head of its language model.</summary>
    internal bool HasLanguageModel => Architecture.LanguageModel is { } head && Parts.HasFlag(head);

    /// <summary>Whether that head is of the next token, so that the likelihood of a whole sequence can be had of it.</summary>
    internal bool IsCausal => Architecture.LanguageModel == ModelParts.CausalHead;

    /// <summary>Encoder and classifier: ids → logits [sequences, labels].</summary>
    /// <exception cref="ArgumentException">A sequence has more tokens than <see cref="MaxTokens"/>.</exception>
    /// <exception cref="InvalidOperationException">The model has no classifier.</exception>
    public abstract Variable Classify(Tape tape, in Batch batch);

    /// <summary>The losses of a single-label classifier, for <see cref="Training.Objectives.Classification"/>.</summary>
    internal virtual Variable ClassificationLosses(Tape tape, in Batch batch, Tensor labels, Tensor scale, Tensor weights) =>
        CrossEntropy.Instance.Forward(tape, Classify(tape, batch), labels, scale, weights);     // [sequences]

    /// <summary>The classifier on what <see cref="Encode"/> gives: [tokens, hidden] → logits [sequences, labels].</summary>
    /// <exception cref="InvalidOperationException">The model has none.</exception>
    internal abstract Variable ClassifyEncoded(Tape tape, Variable x, in Batch batch);

    /// <summary>What the loss of <see cref="ClassificationLosses"/> takes, made of logits.</summary>
    /// <param name="logits">[sequences, labels].</param>
    internal virtual float[] LossInputs(float[] logits) => logits;

    /// <summary>Returns the memory of the weights.</summary>
    public void Dispose()
    {
        Parameters.Dispose();
        DisposeOthers();
        _owned?.Dispose();
        GC.SuppressFinalize(this);
    }

    /// <summary>Fills the parameters of a model that is declared; one that cannot be filled is disposed.</summary>
    /// <param name="model">The model.</param>
    /// <param name="fill">Fills the declared parameters.</param>
    /// <param name="prepare">Adds to the declared parameters, or freezes some, before they are filled.</param>
    private protected static TModel Filled<TModel>(TModel model, Action<ParameterSet> fill, Action<TModel>? prepare)
        where TModel : SequenceModel
    {
        try
        {
            prepare?.Invoke(model);
            fill(model.Parameters);
            return model;
        }
        catch
        {
            model.Dispose();
            throw;
        }
    }

    /// <summary>Returns what a model has besides its weights.</summary>
    private protected virtual void DisposeOthers()
    {
    }

    private protected static InvalidOperationException Lacks(string part) => new($"the model has no {part}");
}
