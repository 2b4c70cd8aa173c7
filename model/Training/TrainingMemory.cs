using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2.Training;

/// <summary>What the rows of a tensor of a training pass are.</summary>
internal enum PassRows
{
    /// <summary>The tokens.</summary>
    Tokens,

    /// <summary>The tokens that the loss looks at.</summary>
    Targets,
}

/// <summary>A tensor of a training pass.</summary>
/// <param name="Name">What it is.</param>
/// <param name="Rows">Its rows.</param>
/// <param name="Width">Elements of a row.</param>
/// <param name="IsF32">Whether it is of 4 bytes an element, whatever the type of activations.</param>
internal readonly record struct PassTensor(string Name, PassRows Rows, int Width, bool IsF32 = false);

/// <summary>
/// The memory that pre-training takes, declared: the activations of a pass, tensor by tensor, the gradients of activations where there are
/// most of them, and what belongs to the parameters. Arenas hold exactly this (a test compares).
/// </summary>
public sealed class TrainingMemory
{
    private const int Alignment = 64;
    private readonly PassTensor[] _embedding, _attention, _feedForward, _head, _gradients, _attentionGradients, _feedForwardGradients;
    private readonly int _layers, _size, _hidden;
    private readonly bool _recompute;

    /// <summary>The memory of a model's passes.</summary>
    /// <param name="config">The model, with a masked-language-model head.</param>
    /// <param name="activations">The type of activations; see <see cref="Backend.ActivationType"/>.</param>
    /// <param name="recompute">See <see cref="PretrainOptions.Recompute"/>.</param>
    public TrainingMemory(Dnabert2Config config, DType activations, bool recompute)
    {
        ArgumentNullException.ThrowIfNull(config);
        (int h, int i, _layers, _size, _recompute) =
            (config.HiddenSize, config.IntermediateSize, config.NumHiddenLayers, activations.Size(), recompute);
        _hidden = h;
        _embedding = [Token("ids", 1, true), Token("embedding", h), Token("sum of embeddings", h), Token("its statistics", 2, true)];
        _attention =
        [
            Token("queries, keys and values", 3 * h), Token("context", h), Token("log-sum-exp", config.NumAttentionHeads, true),
            Token("projection", h), Token("normalised", h), Token("its statistics", 2, true),
        ];
        if (config.Attention.ExtraWidth(h) is > 0 and int extra) _attention = [.. _attention, Token("rotated queries and keys", extra)];
        _feedForward =
        [
            Token("activated", i), Token("gates", 2 * i), Token("projection", h), Token("normalised", h), Token("its statistics", 2, true),
        ];
        _head =
        [
            Target("rows", 1, true), Target("labels", 1, true), Target("masked tokens", h), Target("activated", h),
            Target("transformed", h),
            Target("normalised", h), Target("its statistics", 2, true), Target("logits", config.VocabSize), Target("losses", 1, true),
        ];
        _gradients = [Target("normalised", h), Target("masked tokens", h), Token("encoder's result", h)];

        // Beside the gradient that goes from layer to layer.
        _attentionGradients = [Token("context", h), Token("queries, keys and values", 3 * h)];
        if (config.HiddenDropoutProb > 0) _attentionGradients = [.. _attentionGradients, Token("projection, after dropout", h)];
        _feedForwardGradients = [Token("activated", i)];
    }

    /// <summary>Bytes of the activations of a pass.</summary>
    /// <param name="sequences">Sequences.</param>
    /// <param name="tokens">Tokens of all of them.</param>
    /// <param name="targets">Tokens that the loss looks at.</param>
    public long Activations(int sequences, int tokens, int targets)
    {
        // The borders of the sequences, and three small tensors: the random state, the place of the loss, and its scale.
        long bytes = Align(4L * (sequences + 1)) + (3 * Alignment) + Sum(_embedding, tokens, targets) + Sum(_head, tokens, targets);
        long attention = Sum(_attention, tokens, targets), feedForward = Sum(_feedForward, tokens, targets);
        return _recompute
            ? bytes + (2 * _layers * Align((long)tokens * _hidden * _size)) + (_layers > 0 ? Math.Max(attention, feedForward) : 0)
            : bytes + (_layers * (attention + feedForward));
    }

    /// <summary>Bytes of the gradients of activations of a pass, where there are most.</summary>
    /// <param name="tokens">Tokens.</param>
    /// <param name="targets">Tokens that the loss looks at.</param>
    public long Gradients(int tokens, int targets) => Sum(_gradients, tokens, targets)
        + (_layers > 0 ? Math.Max(Sum(_attentionGradients, tokens, targets), Sum(_feedForwardGradients, tokens, targets)) : 0);

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

    private static PassTensor Token(string name, int width, bool isF32 = false) => new(name, PassRows.Tokens, width, isF32);

    private static PassTensor Target(string name, int width, bool isF32 = false) => new(name, PassRows.Targets, width, isF32);

    private static long Align(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private long Sum(PassTensor[] tensors, int tokens, int targets)
    {
        long bytes = 0;
        foreach (PassTensor t in tensors)
            bytes += Align((long)(t.Rows == PassRows.Tokens ? tokens : targets) * t.Width * (t.IsF32 ? sizeof(float) : _size));
        return bytes;
    }
}
