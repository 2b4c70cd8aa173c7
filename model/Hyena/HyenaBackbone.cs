using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Hyena;

/// <summary>
/// HyenaDNA without its heads (arXiv 2306.15794; the operator: arXiv 2302.10866), as the published <c>modeling_hyena.py</c> computes it: in
/// place of attention, convolutions and gates that look back over the whole sequence. Causal, without positions added and without dropout.
/// Sequences are packed: every tensor is <c>[tokens, width]</c>, without padding.
/// </summary>
public sealed class HyenaBackbone
{
    private readonly TokenEmbedding _embedding;
    private readonly HyenaLayer[] _layers;
    private readonly LayerNorm _norm;
    private readonly int _longest;

    /// <summary>Declares the parameters under <c>hyena.backbone.</c></summary>
    public HyenaBackbone(ParameterSet set, HyenaConfig config)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentNullException.ThrowIfNull(config);
        const string name = "hyena.backbone.";
        _longest = config.MaxSeqLen;
        _embedding = TokenEmbedding.Declare(set, name + "embeddings.word_embeddings", config.VocabRows, config.DModel);
        _layers = new HyenaLayer[config.NLayer];
        for (int i = 0; i < _layers.Length; i++) _layers[i] = new HyenaLayer(set, config, $"{name}layers.{i}.");
        _norm = LayerNorm.Declare(set, name + "ln_f", config.DModel, config.LayerNormEpsilon);
    }

    /// <summary>The layers, first to last.</summary>
    public IReadOnlyList<HyenaLayer> Layers => _layers;

    /// <summary>The linear layers of all layers but those that make the filters, in the order of their declaration.</summary>
    internal IEnumerable<Linear> Linears => _layers.SelectMany(layer => layer.Linears);

    /// <summary>The embeddings: ids → [tokens, d].</summary>
    /// <exception cref="ArgumentException">A sequence is longer than the model takes.</exception>
    public Variable Embed(Tape tape, in Batch batch)
    {
        if (batch.CuSeqlens.LongestSequence > _longest)
            throw new ArgumentException(
                $"a sequence has {batch.CuSeqlens.LongestSequence} tokens, and the model takes {_longest} (max_seq_len)");
        return _embedding.Forward(tape, batch.Ids);                                 // [tokens, d]
    }

    /// <summary>The normalisation behind the last layer; in inference the result takes the place of x.</summary>
    public Variable NormaliseInPlace(Tape tape, Variable x) => _norm.ForwardInPlace(tape, x);

    /// <summary>ids → [tokens, d].</summary>
    /// <exception cref="ArgumentException">A sequence is longer than the model takes.</exception>
    public Variable Forward(Tape tape, in Batch batch) => Forward(tape, batch, _layers.Length);

    /// <summary>The backbone up to so many layers, behind the last of which is a normalisation: ids → [tokens, d].</summary>
    internal Variable Forward(Tape tape, in Batch batch, int layers)
    {
        Variable x = Embed(tape, batch);                                            // [tokens, d]
        for (int i = 0; i < layers; i++) x = _layers[i].ForwardInPlace(tape, x, batch.CuSeqlens);
        return layers < _layers.Length ? x : NormaliseInPlace(tape, x);             // [tokens, d]
    }
}

/// <summary>One layer: <c>x += mixer(LN x)</c>, then <c>x += fc2(gelu(fc1(LN x)))</c>.</summary>
public sealed class HyenaLayer
{
    private readonly MixerBlock _mixer;
    private readonly FeedForwardBlock _feedForward;

    internal HyenaLayer(ParameterSet set, HyenaConfig config, string name)
    {
        _mixer = new MixerBlock(set, config, name);
        _feedForward = new FeedForwardBlock(set, config, name);
    }

    /// <summary>The operator that mixes positions, with the normalisation before it left out.</summary>
    internal HyenaMixer Mixer => _mixer.Mixer;

    internal LayerNorm MixerNorm => _mixer.Norm;

    internal IEnumerable<Linear> Linears => [.. Mixer.Linears, .. _feedForward.Linears];

    /// <summary>[tokens, d] → [tokens, d].</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        x = tape.Run(_mixer, x, cuSeqlens);                                         // [tokens, d]
        return tape.RunInPlace(_feedForward, x, cuSeqlens);                         // [tokens, d]
    }

    /// <summary>
    /// The same as <see cref="Forward"/>; in inference the result takes the place of x, which nothing may read afterwards.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        x = tape.RunInPlace(_mixer, x, cuSeqlens);                                  // [tokens, d]
        return tape.RunInPlace(_feedForward, x, cuSeqlens);                         // [tokens, d]
    }

    private sealed class MixerBlock(ParameterSet set, HyenaConfig c, string name) : ISegment
    {
        public HyenaMixer Mixer { get; } = new(set, c, name + "mixer.");

        public LayerNorm Norm { get; } = LayerNorm.Declare(set, name + "norm1", c.DModel, c.LayerNormEpsilon);

        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable u = Norm.Forward(tape, x);                                     // [tokens, d]
            return Mixer.ForwardInPlace(tape, u, x, cuSeqlens);                     // [tokens, d]
        }
    }

    private sealed class FeedForwardBlock(ParameterSet set, HyenaConfig c, string name) : ISegment
    {
        private readonly Linear _up = Linear.Declare(set, name + "mlp.fc1", c.DModel, c.DInner);
        private readonly Linear _down = Linear.Declare(set, name + "mlp.fc2", c.DInner, c.DModel);
        private readonly LayerNorm _norm = LayerNorm.Declare(set, name + "norm2", c.DModel, c.LayerNormEpsilon);

        public IEnumerable<Linear> Linears => [_up, _down];

        public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
        {
            Variable u = _norm.Forward(tape, x);                                    // [tokens, d]
            Variable inner = _up.Forward(tape, u);                                  // [tokens, inner]
            inner = GeluTanh.Instance.ForwardInPlace(tape, inner);                  // [tokens, inner]
            return _down.ForwardInPlace(tape, inner, residual: x);                  // [tokens, d]
        }
    }
}
