using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>
/// The encoder of DNABERT-2 (arXiv 2306.15006): a BERT with ALiBi, or another attention of the config, in place of position
/// embeddings, gated feed-forward layers, and normalisation after each residual sum. Sequences are packed: every tensor is
/// <c>[total tokens, width]</c>, without padding.
/// </summary>
public sealed class Encoder
{
    private readonly Embedding _embedding;
    private readonly EncoderLayer[] _layers;

    /// <summary>Declares the encoder's parameters under <c>bert.</c></summary>
    public Encoder(ParameterSet set, Dnabert2Config config)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(config);
        _embedding = Embedding.Declare(
            set, "bert.embeddings.", config.VocabSize, config.TypeVocabSize, config.HiddenSize, config.LayerNormEps,
            config.HiddenDropoutProb);
        _layers = new EncoderLayer[config.NumHiddenLayers];
        Func<string, ISelfAttention> attention = config.Attention.Declare(set, config);
        for (int i = 0; i < _layers.Length; i++) _layers[i] = new EncoderLayer(set, config, attention, $"bert.encoder.layer.{i}.");
    }

    /// <summary>The layers, first to last.</summary>
    public IReadOnlyList<EncoderLayer> Layers => _layers;

    /// <summary>Its linear layers, in the order of their declaration.</summary>
    internal IEnumerable<Linear> Linears => _layers.SelectMany(layer => layer.Linears);

    /// <summary>The word embeddings, to which the decoder of the MLM head is tied.</summary>
    public Parameter WordEmbeddings => _embedding.Word;

    /// <summary>The embedding layer: ids → [tokens, hidden].</summary>
    public Variable Embed(Tape tape, in Batch batch) => _embedding.Forward(tape, batch.Ids, batch.TypeIds);

    /// <summary>The whole encoder: ids → [tokens, hidden].</summary>
    public Variable Forward(Tape tape, in Batch batch) => Forward(tape, batch, _layers.Length);

    /// <summary>The encoder up to so many layers: ids → [tokens, hidden].</summary>
    internal Variable Forward(Tape tape, in Batch batch, int layers)
    {
        Variable x = Embed(tape, batch);                                            // [tokens, hidden]
        for (int i = 0; i < layers; i++) x = _layers[i].ForwardInPlace(tape, x, batch.CuSeqlens);
        return x;                                                                   // [tokens, hidden]
    }
}

/// <summary>One layer of the encoder.</summary>
public sealed class EncoderLayer
{
    private readonly AttentionBlock _attention;
    private readonly FeedForwardBlock _feedForward;

    internal EncoderLayer(ParameterSet set, Dnabert2Config config, Func<string, ISelfAttention> attention, string name)
    {
        _attention = new AttentionBlock(set, config, attention, name);
        _feedForward = new FeedForwardBlock(set, config, name);
    }

    internal IEnumerable<Linear> Linears => [.. _attention.Linears, .. _feedForward.Linears];

    /// <summary>[tokens, hidden] → [tokens, hidden].</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        x = tape.Run(_attention, x, cuSeqlens);                                     // [tokens, hidden]
        return tape.RunInPlace(_feedForward, x, cuSeqlens);                         // [tokens, hidden]
    }

    /// <summary>
    /// The same as <see cref="Forward"/>; in inference the result takes the place of x, which nothing may read afterwards.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        x = tape.RunInPlace(_attention, x, cuSeqlens);                              // [tokens, hidden]
        return tape.RunInPlace(_feedForward, x, cuSeqlens);                         // [tokens, hidden]
    }

    private sealed class AttentionBlock(ParameterSet set, Dnabert2Config c, Func<string, ISelfAttention> attention, string name) : ISegment
    {
        private readonly Linear _qkv = Linear.Declare(set, name + "attention.self.Wqkv", c.HiddenSize, 3 * c.HiddenSize);
        private readonly ISelfAttention _attention = attention(name);
        private readonly Linear _output =
            Linear.Declare(set, name + "attention.output.dense", c.HiddenSize, c.HiddenSize, dropout: c.HiddenDropoutProb);
        private readonly LayerNorm _norm = LayerNorm.Declare(set, name + "attention.output.LayerNorm", c.HiddenSize, c.LayerNormEps);

        public Linear[] Linears => [_qkv, _output];

        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable qkv = _qkv.Forward(tape, x);                                   // [tokens, 3 · hidden]
            Variable context = _attention.Forward(tape, qkv, cuSeqlens);            // [tokens, hidden]
            Variable sum = _output.ForwardInPlace(tape, context, residual: x);      // [tokens, hidden]
            return _norm.ForwardInPlace(tape, sum);                                 // [tokens, hidden]
        }
    }

    private sealed class FeedForwardBlock(ParameterSet set, Dnabert2Config c, string name) : ISegment
    {
        private readonly Linear _gated =
            Linear.Declare(
                set, name + "mlp.gated_layers", c.HiddenSize, c.IntermediateSize, Activation.Geglu, bias: false, c.HiddenDropoutProb);
        private readonly Linear _output = Linear.Declare(set, name + "mlp.wo", c.IntermediateSize, c.HiddenSize);
        private readonly LayerNorm _norm = LayerNorm.Declare(set, name + "mlp.layernorm", c.HiddenSize, c.LayerNormEps);

        public Linear[] Linears => [_gated, _output];

        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable gated = _gated.Forward(tape, x);                               // [tokens, intermediate]
            Variable sum = _output.ForwardInPlace(tape, gated, residual: x);        // [tokens, hidden]
            return _norm.ForwardInPlace(tape, sum);                                 // [tokens, hidden]
        }
    }
}
