using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Dnabert2;

/// <summary>
/// The encoder of DNABERT-2 (arXiv 2306.15006): a BERT with ALiBi in place of position embeddings, gated feed-forward layers, and
/// normalisation after each residual sum. Sequences are packed: every tensor is <c>[total tokens, width]</c>, without padding.
/// </summary>
public sealed class Encoder
{
    private readonly Parameter _word, _type;
    private readonly LayerNorm _norm;
    private readonly EncoderLayer[] _layers;

    /// <summary>Declares the encoder's parameters under <c>bert.</c></summary>
    public Encoder(ParameterSet set, Dnabert2Config config)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(config);
        _word = set.Declare("bert.embeddings.word_embeddings.weight", ParameterKind.Embedding, config.VocabSize, config.HiddenSize);
        _type = set.Declare("bert.embeddings.token_type_embeddings.weight", ParameterKind.Embedding, config.TypeVocabSize, config.HiddenSize);
        _norm = LayerNorm.Declare(set, "bert.embeddings.LayerNorm", config.HiddenSize, config.LayerNormEps);
        _layers = new EncoderLayer[config.NumHiddenLayers];
        for (int i = 0; i < _layers.Length; i++) _layers[i] = new EncoderLayer(set, config, $"bert.encoder.layer.{i}.");
    }

    /// <summary>The layers, first to last.</summary>
    public IReadOnlyList<EncoderLayer> Layers => _layers;

    /// <summary>The word embeddings, to which the decoder of the MLM head is tied.</summary>
    public Parameter WordEmbeddings => _word;

    /// <summary>The embedding layer: ids → [tokens, hidden].</summary>
    public Tensor Embed(Tape tape, in Batch batch)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return tape.Embed(batch.Ids, batch.TypeIds, _word, _type, _norm);
    }

    /// <summary>The whole encoder: ids → [tokens, hidden].</summary>
    public Tensor Forward(Tape tape, in Batch batch)
    {
        Tensor x = Embed(tape, batch);                                              // [tokens, hidden]
        foreach (EncoderLayer layer in _layers) x = layer.Forward(tape, x, batch.CuSeqlens);
        return x;                                                                   // [tokens, hidden]
    }
}

/// <summary>One layer of the encoder.</summary>
public sealed class EncoderLayer
{
    private readonly AttentionBlock _attention;
    private readonly FeedForwardBlock _feedForward;

    internal EncoderLayer(ParameterSet set, Dnabert2Config config, string name)
    {
        _attention = new AttentionBlock(set, config, name);
        _feedForward = new FeedForwardBlock(set, config, name);
    }

    /// <summary>[tokens, hidden] → [tokens, hidden].</summary>
    public Tensor Forward(Tape tape, Tensor x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        x = tape.Run(_attention, x, cuSeqlens);                                     // [tokens, hidden]
        return tape.Run(_feedForward, x, cuSeqlens);                                // [tokens, hidden]
    }

    private sealed class AttentionBlock(ParameterSet set, Dnabert2Config config, string name) : ISegment
    {
        private readonly int _heads = config.NumAttentionHeads;
        private readonly Linear _qkv = Linear.Declare(set, name + "attention.self.Wqkv", config.HiddenSize, 3 * config.HiddenSize);
        private readonly Linear _output = Linear.Declare(set, name + "attention.output.dense", config.HiddenSize, config.HiddenSize);
        private readonly LayerNorm _norm = LayerNorm.Declare(set, name + "attention.output.LayerNorm", config.HiddenSize, config.LayerNormEps);

        public Tensor Forward(Tape tape, Tensor x, in CuSeqlens cuSeqlens)
        {
            Tensor qkv = tape.Linear(x, _qkv);                                      // [tokens, 3 · hidden]
            Tensor context = tape.Attention(qkv, cuSeqlens, _heads, default(Alibi)); // [tokens, hidden]
            return tape.LayerNorm(tape.Linear(context, _output, residual: x), _norm); // [tokens, hidden]
        }
    }

    private sealed class FeedForwardBlock(ParameterSet set, Dnabert2Config config, string name) : ISegment
    {
        private readonly Linear _gated =
            Linear.Declare(set, name + "mlp.gated_layers", config.HiddenSize, config.IntermediateSize, Activation.Geglu, bias: false);
        private readonly Linear _output = Linear.Declare(set, name + "mlp.wo", config.IntermediateSize, config.HiddenSize);
        private readonly LayerNorm _norm = LayerNorm.Declare(set, name + "mlp.layernorm", config.HiddenSize, config.LayerNormEps);

        public Tensor Forward(Tape tape, Tensor x, in CuSeqlens cuSeqlens)
        {
            Tensor gated = tape.Linear(x, _gated);                                  // [tokens, intermediate]
            return tape.LayerNorm(tape.Linear(gated, _output, residual: x), _norm); // [tokens, hidden]
        }
    }
}
