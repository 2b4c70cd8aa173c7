using System.Text.Json.Nodes;
using Dnabert2.Folders;
using Dnabert2.Tokenizers;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Cnn;

/// <summary>
/// The convolutional network of Genomic Benchmarks with its weights. There are no published ones: it is trained from the start, with Adam
/// at a rate of 1e-3 and 64 sequences a step. In inference any number of threads may run it, each with its own <see cref="Tape"/>; a pass
/// in training notes the statistics of its batch.
/// </summary>
/// <remarks>
/// All rows of a batch have <see cref="CnnConfig.InputLength"/> tokens, padding included. There are no vectors of tokens; that of a
/// sequence is what the outputs are made of.
/// </remarks>
public sealed class CnnModel : SequenceModel
{
    private readonly BinaryLogits? _binary;

    private CnnModel(CnnConfig config, LetterVocabulary tokenizer, Backend? backend)
        : base(backend)
    {
        (Config, Tokenizer) = (config, tokenizer);
        Network = new CnnNetwork(Parameters, config);
        if (config.Outputs == 1) _binary = new BinaryLogits(Backend);
    }

    /// <summary>The hyper-parameters.</summary>
    public CnnConfig Config { get; }

    /// <summary>The tokenizer, made of the training set.</summary>
    public override LetterVocabulary Tokenizer { get; }

    /// <summary>The network is a classifier, and always whole.</summary>
    public override ModelParts Parts => ModelParts.Classifier;

    /// <inheritdoc/>
    public override int HiddenSize => Config.HiddenSize;

    /// <inheritdoc/>
    public override int NumLabels => Config.NumLabels;

    /// <summary>The tokens of every row.</summary>
    public override int? MaxTokens => Config.InputLength;

    /// <summary>The network. The running statistics of its normalisations are among the parameters and frozen.</summary>
    public CnnNetwork Network { get; }

    internal override SpecialTokenFrame Frame => Tokenizer.Frame(pair: false);

    internal override RowPadding? Padding => new(Config.InputLength, Tokenizer.PadId);

    internal override IEnumerable<Linear> Linears => [Network.Hidden];

    internal override Architecture Architecture => Architecture.Cnn;

    internal override ParameterSource NewWeights(ulong seed) => Initialization.FanIn(seed, Parameters);

    internal override TrainingCost Cost => default;

    internal override IReadOnlyList<Parameter> Statistics => Network.RunningStatistics;

    internal override JsonObject WriteConfig() => Config.Write();

    /// <summary>
    /// Loads a model folder as this library writes it: <c>config.json</c>, <c>vocab.txt</c> and <c>model.safetensors</c>, or a state dict
    /// of the reference in <c>pytorch_model.bin</c>.
    /// </summary>
    /// <inheritdoc cref="SequenceModel.Load"/>
    public static new CnnModel Load(string folder, Backend? backend = null, ModelParts? parts = null, bool trainable = false) =>
        ModelSource.Open(folder).Load<CnnModel>(backend, parts, trainable);

    /// <summary>
    /// A model with initial weights, drawn as PyTorch does: embeddings from N(0, 1), weights and biases uniform in ±1 / √inputs.
    /// </summary>
    /// <param name="tokenizer">Of the training set; it decides the vocabulary and the length of the input.</param>
    /// <param name="classes">Classes, from 2.</param>
    /// <param name="seed">Decides the weights.</param>
    /// <param name="backend">
    /// Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the model.
    /// </param>
    /// <param name="trainable">Whether the weights are laid out for training rather than, faster, for inference alone.</param>
    /// <exception cref="ArgumentException">The sequences are too short or too long, or there are too few or too many classes.</exception>
    public static CnnModel Initialize(
        LetterVocabulary tokenizer, int classes, ulong seed, Backend? backend = null, bool trainable = false)
    {
        ArgumentNullException.ThrowIfNull(tokenizer);
        var config = new CnnConfig
        {
            VocabSize = tokenizer.VocabularySize,
            InputLength = tokenizer.InputLength,
            NumLabels = classes,
        };
        return Make(config, tokenizer, backend, set =>
        {
            ParameterSource initial = Initialization.FanIn(seed, set);
            if (trainable) set.FillFlat(initial);
            else set.FillPacked(initial);
        });
    }

    /// <summary>A model whose parameters the given action fills.</summary>
    internal static CnnModel Make(
        CnnConfig config, LetterVocabulary tokenizer, Backend? backend, Action<ParameterSet> fill, Action<CnnModel>? prepare = null)
    {
        config.Validate();
        if (tokenizer.VocabularySize != config.VocabSize)
            throw new InvalidDataException(
                $"vocab.txt has {tokenizer.VocabularySize} entries, config.json says vocab_size {config.VocabSize}; they are not of one "
                + "model: take both from the same folder");
        return Filled(new CnnModel(config, tokenizer, backend), fill, prepare);
    }

    /// <inheritdoc/>
    public override int Layers => 0;

    /// <summary>The network has no vectors of tokens.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public override Variable Encode(Tape tape, in Batch batch) => throw Lacks("vectors of tokens; it has those of sequences");

    /// <summary>The vectors of sequences, of the layer before the outputs: ids → [sequences, hidden].</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">Rows of <see cref="CnnConfig.InputLength"/> tokens.</param>
    /// <param name="pooling">The mean, the usual one; it decides nothing, since the network pools by itself.</param>
    /// <exception cref="ArgumentException">A row has another length, or the pooling is another one.</exception>
    public override Variable EncodeSequences(Tape tape, in Batch batch, Pooling pooling)
    {
        if (RefusalOf(pooling) is { } why) throw new ArgumentException($"{nameof(pooling)} is {pooling}: {why}", nameof(pooling));
        return Network.Encode(tape, Rows(batch));                                   // [sequences, hidden]
    }

    /// <summary>There is no such head.</summary>
    /// <exception cref="InvalidOperationException">Always.</exception>
    public override Variable PredictTokens(Tape tape, Variable x) => throw Lacks("masked-language-model head: it is a classifier");

    /// <summary>
    /// The logits: ids → [sequences, labels]. With two classes, of which the network tells the probability of the second, that of the first
    /// is 0.
    /// </summary>
    /// <inheritdoc/>
    public override Variable Classify(Tape tape, in Batch batch)
    {
        Variable logits = Network.Score(tape, Rows(batch));                         // [sequences, outputs]
        return _binary is null ? logits : _binary.Forward(tape, logits);            // [sequences, labels]
    }

    internal override Variable ClassifyEncoded(Tape tape, Variable x, in Batch batch) =>
        throw Lacks("vectors of tokens that its outputs are made of");

    /// <summary>With two classes the loss takes the network's probability for a logit, as the reference does.</summary>
    internal override Variable ClassificationLosses(Tape tape, in Batch batch, Tensor labels, Tensor scale, Tensor weights)
    {
        Variable output = Network.Forward(tape, Rows(batch));                       // [sequences, outputs]
        Variable logits = _binary is null ? output : _binary.Forward(tape, output); // [sequences, labels]
        return CrossEntropy.Instance.Forward(tape, logits, labels, scale, weights); // [sequences]
    }

    internal override float[] LossInputs(float[] logits) =>
        _binary is null ? logits : [.. logits.Select((logit, i) => i % 2 == 0 ? logit : 1 / (1 + MathF.Exp(-logit)))];

    internal override void NoteStatistics() => Network.UpdateRunningStatistics();

    internal override string? RefusalOf(Pooling? pooling) => pooling switch
    {
        null => "the network has no vectors of tokens, only of sequences",
        Pooling.Mean => null,
        _ => "the network pools by itself; leave it out",
    };

    private protected override void DisposeOthers() => _binary?.Dispose();

    private Tensor Rows(in Batch batch)
    {
        int length = Config.InputLength;
        if (batch.CuSeqlens.LongestSequence > length || (long)batch.CuSeqlens.Sequences * length != batch.CuSeqlens.Tokens)
            throw new ArgumentException(
                $"rows of this model have {length} tokens, padding included; there are {batch.CuSeqlens.Tokens} in "
                + $"{batch.CuSeqlens.Sequences}, and {batch.CuSeqlens.LongestSequence} in the longest");
        return batch.Ids;
    }

    /// <summary>Gives two classes a logit each: [sequences, 1] → [sequences, 2], the first 0.</summary>
    private sealed class BinaryLogits : IDisposable
    {
        private readonly ParameterSet _set;
        private readonly Linear _columns;

        public BinaryLogits(Backend backend)
        {
            _set = new ParameterSet(backend);
            _columns = Linear.Declare(_set, "columns", inputs: 1, outputs: 2, bias: false);
            _columns.Weight.IsFrozen = true;
            _set.FillFlat((_, _, weight) => (weight[0], weight[1]) = (0, 1));
        }

        public Variable Forward(Tape tape, Variable x) => _columns.Forward(tape, x);

        public void Dispose() => _set.Dispose();
    }
}
