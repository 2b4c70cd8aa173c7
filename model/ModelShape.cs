namespace Dnabert2;

/// <summary>What is otherwise in a new model than in the one whose shape it takes; null: as there.</summary>
/// <param name="HiddenSize">The width of a token's vector.</param>
/// <param name="Layers">The layers of the encoder.</param>
/// <param name="AttentionHeads">The heads of attention: a divisor of the width.</param>
/// <param name="IntermediateSize">The width of the feed-forward layers.</param>
/// <param name="Dropout">Dropout of activations, in training.</param>
public sealed record ModelShape(
    int? HiddenSize = null, int? Layers = null, int? AttentionHeads = null, int? IntermediateSize = null, float? Dropout = null)
{
    /// <summary>The hyper-parameters of a DNABERT-2 with what is otherwise.</summary>
    /// <param name="config">Those of the model whose shape it takes.</param>
    public Dnabert2Config Of(Dnabert2Config config) => config with
    {
        HiddenSize = HiddenSize ?? config.HiddenSize,
        NumHiddenLayers = Layers ?? config.NumHiddenLayers,
        NumAttentionHeads = AttentionHeads ?? config.NumAttentionHeads,
        IntermediateSize = IntermediateSize ?? config.IntermediateSize,
        HiddenDropoutProb = Dropout ?? config.HiddenDropoutProb,
    };

    internal TConfig Of<TConfig>(TConfig config)
        where TConfig : TransformerConfig => config with
        {
            HiddenSize = HiddenSize ?? config.HiddenSize,
            NumHiddenLayers = Layers ?? config.NumHiddenLayers,
            NumAttentionHeads = AttentionHeads ?? config.NumAttentionHeads,
            IntermediateSize = IntermediateSize ?? config.IntermediateSize,
            HiddenDropoutProb = Dropout ?? config.HiddenDropoutProb,
        };
}
