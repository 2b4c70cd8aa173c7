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

/// <summary>The tensors of a pass of masked language modelling that a transformer keeps or needs at once.</summary>
/// <param name="Layers">Layers of the encoder, each of which keeps what follows.</param>
/// <param name="Hidden">The width of what goes from layer to layer.</param>
/// <param name="Attention">What the first half of a layer keeps.</param>
/// <param name="FeedForward">What the second half keeps.</param>
/// <param name="Others">What is kept before the first layer, after the last one and in the head.</param>
internal sealed record PassTensors(int Layers, int Hidden, PassTensor[] Attention, PassTensor[] FeedForward, PassTensor[] Others)
{
    /// <summary>The gradients of activations that are there while the encoder's result is given one.</summary>
    public required PassTensor[] HeadGradients { get; init; }

    /// <summary>Those of the first half of a layer, beside the one that goes from layer to layer.</summary>
    public required PassTensor[] AttentionGradients { get; init; }

    /// <summary>Those of the second half.</summary>
    public required PassTensor[] FeedForwardGradients { get; init; }

    /// <summary>Those of a DNABERT-2.</summary>
    public static PassTensors Of(Dnabert2Config config)
    {
        (int h, int i) = (config.HiddenSize, config.IntermediateSize);
        PassTensor[] attention =
        [
            Token("queries, keys and values", 3 * h), Token("context", h), Token("log-sum-exp", config.NumAttentionHeads, true),
            Token("projection", h), .. Normalised(h),
        ];
        if (config.Attention.ExtraWidth(h) is > 0 and int extra) attention = [.. attention, Token("rotated queries and keys", extra)];
        PassTensor[] feedForward = [Token("activated", i), Token("gates", 2 * i), Token("projection", h), .. Normalised(h)];
        return new PassTensors(config.NumHiddenLayers, h, attention, feedForward, [.. SummedEmbedding(h), .. Head(h, config.VocabSize)])
        {
            HeadGradients = OfHead(h),
            AttentionGradients =
                [Token("context", h), Token("queries, keys and values", 3 * h), .. AfterDropout(config.HiddenDropoutProb, h)],
            FeedForwardGradients = [Token("activated", i)],
        };
    }

    /// <summary>Those of a DNABERT.</summary>
    public static PassTensors Of(Dnabert.DnabertConfig config)
    {
        (int h, int i) = (config.HiddenSize, config.IntermediateSize);
        return new PassTensors(
            config.NumHiddenLayers, h, [.. MultiHeadAttention(config), .. Normalised(h)],
            [Token("activated", i), Token("before activation", i), Token("projection", h), .. Normalised(h)],
            [.. SummedEmbedding(h), .. Head(h, config.VocabSize)])
        {
            HeadGradients = OfHead(h),
            AttentionGradients = [.. OfAttention(h), .. AfterDropout(config.HiddenDropoutProb, h)],
            FeedForwardGradients = [Token("activated", i), .. AfterDropout(config.HiddenDropoutProb, h)],
        };
    }

    /// <summary>Those of a Nucleotide Transformer.</summary>
    public static PassTensors Of(NucleotideTransformer.NucleotideTransformerConfig config)
    {
        (int h, int i) = (config.HiddenSize, config.IntermediateSize);
        bool rotary = config.Version == 2;
        PassTensor[] embedding = [Token("ids", 1, true), Token("embedding", h)], attention = MultiHeadAttention(config);
        if (!rotary) embedding = [.. embedding, Token("with positions", h)];
        if (config.TokenDropout) embedding = [.. embedding, Token("scaled embedding", h)];
        if (rotary) attention = [.. attention, Token("rotated queries and keys", 2 * h)];
        return new PassTensors(
            config.NumHiddenLayers, h, [.. Normalised(h), .. attention],
            [.. Normalised(h), Token("activated", i), Token("before activation", rotary ? 2 * i : i), Token("projection", h)],
            [.. embedding, .. Normalised(h), .. Head(h, config.VocabSize)])
        {
            HeadGradients = OfHead(h),
            AttentionGradients = [.. OfAttention(h), Token("normalised", h), .. AfterDropout(config.HiddenDropoutProb, h)],
            FeedForwardGradients = [Token("activated", i), Token("normalised", h), .. AfterDropout(config.HiddenDropoutProb, h)],
        };
    }

    private static PassTensor[] SummedEmbedding(int h) =>
        [Token("ids", 1, true), Token("embedding", h), Token("sum of embeddings", h), Token("its statistics", 2, true)];

    private static PassTensor[] MultiHeadAttention(TransformerConfig config) =>
    [
        Token("queries", config.HiddenSize), Token("keys", config.HiddenSize), Token("values", config.HiddenSize),
        Token("context", config.HiddenSize), Token("log-sum-exp", config.NumAttentionHeads, true), Token("projection", config.HiddenSize),
    ];

    private static PassTensor[] Normalised(int h) => [Token("normalised", h), Token("its statistics", 2, true)];

    private static PassTensor[] Head(int h, int vocabulary) =>
    [
        Target("rows", 1, true), Target("labels", 1, true), Target("masked tokens", h), Target("activated", h),
        Target("transformed", h), Target("normalised", h), Target("its statistics", 2, true), Target("logits", vocabulary),
        Target("losses", 1, true),
    ];

    private static PassTensor[] OfHead(int h) => [Target("normalised", h), Target("masked tokens", h), Token("encoder's result", h)];

    private static PassTensor[] OfAttention(int h) => [Token("context", h), Token("queries", h), Token("keys", h), Token("values", h)];

    private static PassTensor[] AfterDropout(float dropout, int h) => dropout > 0 ? [Token("projection, after dropout", h)] : [];

    private static PassTensor Token(string name, int width, bool isF32 = false) => new(name, PassRows.Tokens, width, isF32);

    private static PassTensor Target(string name, int width, bool isF32 = false) => new(name, PassRows.Targets, width, isF32);
}
