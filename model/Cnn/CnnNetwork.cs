using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Cnn;

/// <summary>
/// The convolutional network of Genomic Benchmarks (github.com/ML-Bioinfo-CEITEC/genomic_benchmarks, <c>models/torch.py</c>), as it is
/// there: no rectifier after the second and third convolution, none between the linear layers, and with two classes a sigmoid at the end,
/// whose result the loss takes for a logit. Sequences have one length; a row holds the channels of one position.
/// </summary>
public sealed class CnnNetwork
{
    private const int Window = 8, Pooled = 2;
    private const float Epsilon = 1e-5f, Momentum = 0.1f;
    private readonly TokenEmbedding _embedding;
    private readonly Convolution _first, _second, _third;
    private readonly BatchNorm _firstNorm, _secondNorm, _thirdNorm;
    private readonly MaxPool _firstPool, _secondPool, _thirdPool;
    private readonly FlattenChannels _flatten;
    private readonly Linear _hidden, _output;
    private readonly bool _endsInSigmoid;

    /// <summary>Declares the network's parameters under <c>embeddings.</c>, <c>cnn_model.</c> and <c>dense_model.</c></summary>
    public CnnNetwork(ParameterSet set, CnnConfig config)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(config);
        _endsInSigmoid = config.Outputs == 1;
        _embedding = TokenEmbedding.Declare(set, "embeddings", config.VocabSize, config.EmbeddingDim);
        _first = Convolution.Declare(set, "cnn_model.0", config.EmbeddingDim, 16, Window, config.InputLength);
        _firstNorm = BatchNorm.Declare(set, "cnn_model.1", 16, Epsilon);
        _firstPool = new MaxPool(_first.ResultLength, Pooled);
        _second = Convolution.Declare(set, "cnn_model.4", 16, 8, Window, _firstPool.ResultLength);
        _secondNorm = BatchNorm.Declare(set, "cnn_model.5", 8, Epsilon);
        _secondPool = new MaxPool(_second.ResultLength, Pooled);
        _third = Convolution.Declare(set, "cnn_model.7", 8, 4, Window, _secondPool.ResultLength);
        _thirdNorm = BatchNorm.Declare(set, "cnn_model.8", 4, Epsilon);
        _thirdPool = new MaxPool(_third.ResultLength, Pooled);
        _flatten = new FlattenChannels(_thirdPool.ResultLength);
        _hidden = Linear.Declare(set, "dense_model.0", 4 * _thirdPool.ResultLength, config.HiddenSize);
        _output = Linear.Declare(set, "dense_model.1", config.HiddenSize, config.Outputs);
    }

    /// <summary>The layer before the outputs.</summary>
    internal Linear Hidden => _hidden;

    /// <summary>The running means and variances of the normalisations.</summary>
    internal IReadOnlyList<Parameter> RunningStatistics =>
        [.. new[] { _firstNorm, _secondNorm, _thirdNorm }.SelectMany(norm => new[] { norm.RunningMean, norm.RunningVariance })];

    /// <summary>ids I32 [batch · length] → [batch, outputs]: with two classes the sigmoid of the logit, else logits.</summary>
    public Variable Forward(Tape tape, Tensor ids)
    {
        Variable x = Score(tape, ids);                                              // [batch, outputs]
        return _endsInSigmoid ? Sigmoid.Instance.ForwardInPlace(tape, x) : x;       // [batch, outputs]
    }

    /// <summary>ids I32 [batch · length] → logits [batch, outputs].</summary>
    internal Variable Score(Tape tape, Tensor ids) => _output.Forward(tape, Encode(tape, ids));

    /// <summary>ids I32 [batch · length] → [batch, hidden], what the outputs are made of.</summary>
    internal Variable Encode(Tape tape, Tensor ids)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Variable x = _embedding.Forward(tape, ids);                                 // [batch · length, embedding]
        x = _first.Forward(tape, x);                                                // [batch · (length − 7), 16]
        x = _firstNorm.ForwardInPlace(tape, x);                                     // [batch · (length − 7), 16]
        x = Relu.Instance.ForwardInPlace(tape, x);                                  // [batch · (length − 7), 16]
        x = _firstPool.Forward(tape, x);                                            // [batch · length₁, 16], half as many positions
        x = _second.Forward(tape, x);                                               // [batch · (length₁ − 7), 8]
        x = _secondNorm.ForwardInPlace(tape, x);                                    // [batch · (length₁ − 7), 8]
        x = _secondPool.Forward(tape, x);                                           // [batch · length₂, 8]
        x = _third.Forward(tape, x);                                                // [batch · (length₂ − 7), 4]
        x = _thirdNorm.ForwardInPlace(tape, x);                                     // [batch · (length₂ − 7), 4]
        x = _thirdPool.Forward(tape, x);                                            // [batch · length₃, 4]
        x = _flatten.Forward(tape, x);                                              // [batch, 4 · length₃], channel by channel
        return _hidden.Forward(tape, x);                                            // [batch, hidden]
    }

    /// <summary>
    /// The loss of each sequence; the mean is the loss of the batch. With two classes the binary cross-entropy that takes the network's
    /// output, a probability, for a logit (so the best that it reaches is log(1 + 1/e) = 0.313); else the cross-entropy.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="output">Of <see cref="Forward"/>.</param>
    /// <param name="labels">With two classes F32 [batch, 1], 0 or 1; else I32 [batch].</param>
    /// <param name="scale">[1], the factor of the gradient: one over the batch for the mean.</param>
    /// <returns>[batch, 1] or [batch].</returns>
    public Variable Loss(Tape tape, Variable output, Tensor labels, Tensor scale) => _endsInSigmoid
        ? BinaryCrossEntropy.Instance.Forward(tape, output, labels, scale)
        : CrossEntropy.Instance.Forward(tape, output, labels, scale);

    /// <summary>
    /// Moves the running statistics of all normalisations towards those of the last pass in training: once after each pass.
    /// </summary>
    public void UpdateRunningStatistics()
    {
        _firstNorm.UpdateRunningStatistics(Momentum);
        _secondNorm.UpdateRunningStatistics(Momentum);
        _thirdNorm.UpdateRunningStatistics(Momentum);
    }
}
