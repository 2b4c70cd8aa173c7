using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>
/// The memory that pre-training takes, declared: the activations of a pass, tensor by tensor, the gradients of activations where there are
/// most of them, and what belongs to the parameters. Arenas hold exactly this (a test compares).
/// </summary>
public sealed class TrainingMemory
{
    private const int Alignment = 64;
    private readonly PassTensors _tensors;
    private readonly int _size;
    private readonly bool _recompute;

    /// <summary>The memory of a model's passes.</summary>
    /// <param name="config">The model, with a masked-language-model head.</param>
    /// <param name="activations">The type of activations; see <see cref="Backend.ActivationType"/>.</param>
    /// <param name="recompute">See <see cref="PretrainOptions.Recompute"/>.</param>
    public TrainingMemory(Dnabert2Config config, DType activations, bool recompute)
        : this(PassTensors.Of(config ?? throw new ArgumentNullException(nameof(config))), activations, recompute)
    {
    }

    private TrainingMemory(PassTensors tensors, DType activations, bool recompute) =>
        (_tensors, _size, _recompute) = (tensors, activations.Size(), recompute);

    /// <summary>The memory of a model's passes; null where its architecture does not declare it.</summary>
    /// <param name="model">The model, of any architecture; of a masked-language-model head it need not have the weights.</param>
    /// <param name="activations">As above.</param>
    /// <param name="recompute">As above.</param>
    public static TrainingMemory? Of(SequenceModel model, DType activations, bool recompute)
    {
        ArgumentNullException.ThrowIfNull(model);
        return model.PassTensors is { } tensors ? new TrainingMemory(tensors, activations, recompute) : null;
    }

    /// <summary>Bytes of the activations of a pass.</summary>
    /// <param name="sequences">Sequences.</param>
    /// <param name="tokens">Tokens of all of them.</param>
    /// <param name="targets">Tokens that the loss looks at.</param>
    public long Activations(int sequences, int tokens, int targets)
    {
        // The borders of the sequences, and three small tensors: the random state, the place of the loss, and its scale.
        int layers = _tensors.Layers;
        long bytes = Align(4L * (sequences + 1)) + (3 * Alignment) + Sum(_tensors.Others, tokens, targets);
        long attention = Sum(_tensors.Attention, tokens, targets), feedForward = Sum(_tensors.FeedForward, tokens, targets);
        return _recompute
            ? bytes + (2 * layers * Align((long)tokens * _tensors.Hidden * _size)) + (layers > 0 ? Math.Max(attention, feedForward) : 0)
            : bytes + (layers * (attention + feedForward));
    }

    /// <summary>Bytes of the gradients of activations of a pass, where there are most.</summary>
    /// <param name="tokens">Tokens.</param>
    /// <param name="targets">Tokens that the loss looks at.</param>
    public long Gradients(int tokens, int targets) => Sum(_tensors.HeadGradients, tokens, targets) + (_tensors.Layers > 0
        ? Math.Max(Sum(_tensors.AttentionGradients, tokens, targets), Sum(_tensors.FeedForwardGradients, tokens, targets)) : 0);

    /// <summary>Bytes that a token more takes, of which a share is masked.</summary>
    public double BytesPerToken(double maskProbability)
    {
        const int Many = 1 << 16;
        int targets = (int)(Many * maskProbability);
        return (Activations(0, Many, targets) + Gradients(Many, targets)) / (double)Many;
    }

    /// <summary>
    /// Bytes that belong to a parameter: value, gradient and two moments, and where activations are narrower a rounded copy.
    /// </summary>
    public int BytesPerParameter => 16 + (_size < 4 ? _size : 0);

    private static long Align(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private long Sum(PassTensor[] tensors, int tokens, int targets)
    {
        long bytes = 0;
        foreach (PassTensor t in tensors)
            bytes += Align((long)(t.Rows == PassRows.Tokens ? tokens : targets) * t.Width * (t.IsF32 ? sizeof(float) : _size));
        return bytes;
    }
}
