using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.NucleotideTransformer;

/// <summary>
/// The encoder of the Nucleotide Transformer (Dalla-Torre et al., doi 10.1038/s41592-024-02523-z), in the form of ESM: normalisation before
/// each half of a layer and after the last; in version 1 learned positions, scaled embeddings and GELU, in version 2 rotary positions and
/// SwiGLU. Sequences are packed: every tensor is <c>[total tokens, width]</c>, without padding.
/// </summary>
public sealed class NucleotideTransformerEncoder
{
    private readonly TokenEmbedding _word;
    private readonly TokenDropout? _tokenDropout;
    private readonly PositionEmbedding? _position;
    private readonly Layer[] _layers;
    private readonly LayerNorm _norm;

    /// <summary>Declares the encoder's parameters under <c>esm.</c></summary>
    internal NucleotideTransformerEncoder(ParameterSet set, NucleotideTransformerConfig c)
    {
        _word = TokenEmbedding.Declare(set, "esm.embeddings.word_embeddings", c.VocabSize, c.HiddenSize);
        if (c.TokenDropout) _tokenDropout = new TokenDropout(c.MaskTokenId);
        Positions = c.Positions;
        const string positions = "esm.embeddings.position_embeddings";
        Rotary? rotary = null;
        if (c.Version == 1)
            _position = PositionEmbedding.Declare(set, positions, c.MaxPositionEmbeddings, c.HiddenSize, c.FirstPosition);
        else
        {
            // The published models have the table all the same; nothing reads it.
            set.Declare(positions + ".weight", ParameterKind.Embedding, c.MaxPositionEmbeddings, c.HiddenSize).IsFrozen = true;
            rotary = Rotary.Declare(set, c.Positions, c.HiddenSize / c.NumAttentionHeads, c.NumAttentionHeads);
        }

        _layers = new Layer[c.NumHiddenLayers];
        for (int i = 0; i < _layers.Length; i++) _layers[i] = new Layer(set, c, rotary, $"esm.encoder.layer.{i}.");
        _norm = LayerNorm.Declare(set, "esm.encoder.emb_layer_norm_after", c.HiddenSize, c.LayerNormEps);
    }

    /// <summary>The number of layers.</summary>
    public int Layers => _layers.Length;

    /// <summary>The most tokens of a sequence.</summary>
    public int Positions { get; }

    /// <summary>Its linear layers, in the order of their declaration.</summary>
    internal IEnumerable<Linear> Linears => _layers.SelectMany(layer => layer.Linears);

    /// <summary>The whole encoder: ids → [tokens, hidden].</summary>
    /// <exception cref="ArgumentException">A sequence has more tokens than there are positions.</exception>
    public Variable Forward(Tape tape, in Batch batch) => Forward(tape, batch, _layers.Length);

    /// <summary>The encoder up to so many layers, behind the last of which is a normalisation: ids → [tokens, hidden].</summary>
    internal Variable Forward(Tape tape, in Batch batch, int layers)
    {
        Variable x = Embed(tape, batch);                                            // [tokens, hidden]
        for (int i = 0; i < layers; i++) x = RunLayerInPlace(i, tape, x, batch.CuSeqlens);
        return layers < _layers.Length ? x : _norm.ForwardInPlace(tape, x);         // [tokens, hidden]
    }

    /// <summary>The embedding layer: ids → [tokens, hidden].</summary>
    internal Variable Embed(Tape tape, in Batch batch)
    {
        Variable x = _word.Forward(tape, batch.Ids);                                // [tokens, hidden]
        if (_tokenDropout is not null) x = _tokenDropout.ForwardInPlace(tape, x, batch.Ids, batch.CuSeqlens);
        return _position is null ? x : _position.ForwardInPlace(tape, x, batch.CuSeqlens);      // [tokens, hidden]
    }

    /// <summary>One layer: [tokens, hidden] → [tokens, hidden]; in inference the result takes the place of x.</summary>
    internal Variable RunLayerInPlace(int layer, Tape tape, Variable x, in CuSeqlens cuSeqlens) =>
        _layers[layer].ForwardInPlace(tape, x, cuSeqlens);

    /// <summary>One layer.</summary>
    private sealed class Layer(ParameterSet set, NucleotideTransformerConfig c, Rotary? rotary, string name)
    {
        private readonly AttentionBlock _attention = new(
            LayerNorm.Declare(set, name + "attention.LayerNorm", c.HiddenSize, c.LayerNormEps),
            new MultiHeadAttention(set, name + "attention.self", c, rotary),
            Linear.Declare(set, name + "attention.output.dense", c.HiddenSize, c.HiddenSize, dropout: c.HiddenDropoutProb));

        private readonly FeedForwardBlock _feedForward = new(
            LayerNorm.Declare(set, name + "LayerNorm", c.HiddenSize, c.LayerNormEps),
            Linear.Declare(
                set, name + "intermediate.dense", c.HiddenSize, c.IntermediateSize,
                c.Version == 1 ? Activation.Gelu : Activation.Swiglu, bias: c.Version == 1),
            Linear.Declare(
                set, name + "output.dense", c.IntermediateSize, c.HiddenSize, bias: c.Version == 1, dropout: c.HiddenDropoutProb));

        public Linear[] Linears => [.. _attention.Attention.Linears, _attention.Output, _feedForward.Intermediate, _feedForward.Output];

        public Variable ForwardInPlace(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            x = tape.RunInPlace(_attention, x, cuSeqlens);                          // [tokens, hidden]
            return tape.RunInPlace(_feedForward, x, cuSeqlens);                     // [tokens, hidden]
        }
    }

    private sealed record AttentionBlock(LayerNorm Norm, MultiHeadAttention Attention, Linear Output) : ISegment
    {
        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable normalised = Norm.Forward(tape, x);                            // [tokens, hidden]
            Variable context = Attention.Forward(tape, normalised, cuSeqlens);      // [tokens, hidden]
            return Output.ForwardInPlace(tape, context, residual: x);               // [tokens, hidden]
        }
    }

    private sealed record FeedForwardBlock(LayerNorm Norm, Linear Intermediate, Linear Output) : ISegment
    {
        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable normalised = Norm.Forward(tape, x);                            // [tokens, hidden]
            Variable inner = Intermediate.Forward(tape, normalised);                // [tokens, intermediate]
            return Output.ForwardInPlace(tape, inner, residual: x);                 // [tokens, hidden]
        }
    }
}
