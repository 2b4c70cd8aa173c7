using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Dnabert;

/// <summary>
/// The encoder of DNABERT (Ji et al., doi 10.1093/bioinformatics/btab083): a BERT (Devlin et al., arXiv 1810.04805) with learned positions,
/// GELU, and normalisation after each residual sum. Sequences are packed: every tensor is <c>[total tokens, width]</c>, without padding.
/// </summary>
public sealed class DnabertEncoder
{
    private readonly Embedding _embedding;
    private readonly Layer[] _layers;

    /// <summary>Declares the encoder's parameters under <c>bert.</c></summary>
    internal DnabertEncoder(ParameterSet set, DnabertConfig c)
    {
        _embedding = Embedding.Declare(
            set, "bert.embeddings.", c.VocabSize, c.TypeVocabSize, c.HiddenSize, c.LayerNormEps, c.HiddenDropoutProb,
            c.MaxPositionEmbeddings, c.PadTokenId);
        _layers = new Layer[c.NumHiddenLayers];
        for (int i = 0; i < _layers.Length; i++) _layers[i] = new Layer(set, c, $"bert.encoder.layer.{i}.");
    }

    /// <summary>The number of layers.</summary>
    public int Layers => _layers.Length;

    /// <summary>The word embeddings, to which the decoder of the MLM head is tied.</summary>
    public Parameter WordEmbeddings => _embedding.Word;

    /// <summary>Its linear layers, in the order of their declaration.</summary>
    internal IEnumerable<Linear> Linears => _layers.SelectMany(layer => layer.Linears);

    /// <summary>The whole encoder: ids → [tokens, hidden].</summary>
    /// <exception cref="ArgumentException">A sequence has more tokens than there are positions.</exception>
    public Variable Forward(Tape tape, in Batch batch) => Forward(tape, batch, _layers.Length);

    /// <summary>The encoder up to so many layers: ids → [tokens, hidden].</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The sequences.</param>
    /// <param name="layers">How many run.</param>
    /// <param name="ofPadding">Whether the sequences are windows of nothing but padding, whose attention is uniform.</param>
    internal Variable Forward(Tape tape, in Batch batch, int layers, bool ofPadding = false)
    {
        Variable x = Embed(tape, batch);                                                    // [tokens, hidden]
        for (int i = 0; i < layers; i++) x = RunLayerInPlace(i, tape, x, batch.CuSeqlens, ofPadding);
        return x;                                                                           // [tokens, hidden]
    }

    /// <summary>The embedding layer: ids → [tokens, hidden].</summary>
    internal Variable Embed(Tape tape, in Batch batch) => _embedding.Forward(tape, batch.Ids, batch.TypeIds, batch.CuSeqlens);

    /// <summary>One layer: [tokens, hidden] → [tokens, hidden]; in inference the result takes the place of x.</summary>
    internal Variable RunLayerInPlace(int layer, Tape tape, Variable x, in CuSeqlens cuSeqlens, bool ofPadding = false) =>
        _layers[layer].ForwardInPlace(tape, x, cuSeqlens, ofPadding);

    /// <summary>One layer.</summary>
    private sealed class Layer
    {
        private readonly AttentionBlock _attention, _ofPadding;
        private readonly FeedForwardBlock _feedForward;

        public Layer(ParameterSet set, DnabertConfig c, string name)
        {
            _attention = new AttentionBlock(
                new MultiHeadAttention(set, name + "attention.self", c),
                Linear.Declare(set, name + "attention.output.dense", c.HiddenSize, c.HiddenSize, dropout: c.HiddenDropoutProb),
                LayerNorm.Declare(set, name + "attention.output.LayerNorm", c.HiddenSize, c.LayerNormEps), Uniform: false);
            _ofPadding = _attention with { Uniform = true };
            _feedForward = new FeedForwardBlock(
                Linear.Declare(set, name + "intermediate.dense", c.HiddenSize, c.IntermediateSize, Activation.Gelu),
                Linear.Declare(set, name + "output.dense", c.IntermediateSize, c.HiddenSize, dropout: c.HiddenDropoutProb),
                LayerNorm.Declare(set, name + "output.LayerNorm", c.HiddenSize, c.LayerNormEps));
        }

        public Linear[] Linears => [.. _attention.Attention.Linears, _attention.Output, _feedForward.Intermediate, _feedForward.Output];

        public Variable ForwardInPlace(Tape tape, Variable x, in CuSeqlens cuSeqlens, bool ofPadding)
        {
            x = tape.RunInPlace(ofPadding ? _ofPadding : _attention, x, cuSeqlens);         // [tokens, hidden]
            return tape.RunInPlace(_feedForward, x, cuSeqlens);                             // [tokens, hidden]
        }
    }

    private sealed record AttentionBlock(MultiHeadAttention Attention, Linear Output, LayerNorm Norm, bool Uniform) : ISegment
    {
        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable context = Attention.Forward(tape, x, cuSeqlens, Uniform);              // [tokens, hidden]
            Variable sum = Output.ForwardInPlace(tape, context, residual: x);               // [tokens, hidden]
            return Norm.ForwardInPlace(tape, sum);                                          // [tokens, hidden]
        }
    }

    private sealed record FeedForwardBlock(Linear Intermediate, Linear Output, LayerNorm Norm) : ISegment
    {
        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable inner = Intermediate.Forward(tape, x);                                 // [tokens, intermediate]
            Variable sum = Output.ForwardInPlace(tape, inner, residual: x);                 // [tokens, hidden]
            return Norm.ForwardInPlace(tape, sum);                                          // [tokens, hidden]
        }
    }
}
