using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.NucleotideTransformer;

/// <summary>The masked-language-model head of the Nucleotide Transformer: a transform and a decoder of its own.</summary>
public sealed class NucleotideTransformerMlmHead
{
    private readonly Linear _dense, _decoder;
    private readonly LayerNorm _norm;

    internal NucleotideTransformerMlmHead(ParameterSet set, NucleotideTransformerConfig c)
    {
        _dense = Linear.Declare(set, "lm_head.dense", c.HiddenSize, c.HiddenSize, Activation.Gelu);
        _norm = LayerNorm.Declare(set, "lm_head.layer_norm", c.HiddenSize, c.LayerNormEps);
        Parameter weight = set.Declare("lm_head.decoder.weight", ParameterKind.Linear, c.VocabSize, c.HiddenSize);
        _decoder = Linear.Of(set, weight, set.Declare("lm_head.bias", ParameterKind.Bias, c.VocabSize));
    }

    /// <summary>Elements of its matrices.</summary>
    internal long Weights => _dense.Weight.Shape.Count + _decoder.Weight.Shape.Count;

    /// <summary>[tokens, hidden] → logits [tokens, vocabulary].</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        Variable t = _norm.ForwardInPlace(tape, _dense.Forward(tape, x));           // [tokens, hidden]
        return _decoder.Forward(tape, t);                                           // [tokens, vocabulary]
    }
}

/// <summary>The sequence classifier of the Nucleotide Transformer: <c>W₂ tanh(W₁ x[CLS] + b₁) + b₂</c>.</summary>
public sealed class NucleotideTransformerClassifier
{
    private readonly Pool _first = new(Pooling.Cls);
    private readonly Dropout _dropout, _innerDropout;
    private readonly Linear _dense, _output;

    internal NucleotideTransformerClassifier(ParameterSet set, NucleotideTransformerConfig c)
    {
        (_dropout, _innerDropout) = (new Dropout(set, c.HiddenDropoutProb), new Dropout(set, c.HiddenDropoutProb));
        _dense = Linear.Declare(set, "classifier.dense", c.HiddenSize, c.HiddenSize);
        _output = Linear.DeclareF32(set, "classifier.out_proj", c.HiddenSize, c.NumLabels);
    }

    /// <summary>The layer that may have a low-rank addition.</summary>
    internal Linear Dense => _dense;

    /// <summary>[tokens, hidden] → logits [sequences, labels].</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        Variable first = _dropout.ForwardInPlace(tape, _first.Forward(tape, x, cuSeqlens));     // [sequences, hidden]
        Variable inner = Tanh.Instance.ForwardInPlace(tape, _dense.Forward(tape, first));       // [sequences, hidden]
        Variable inF32 = ToFloat32.Instance.ForwardInPlace(tape, inner);                        // [sequences, hidden], F32
        return _output.Forward(tape, _innerDropout.ForwardInPlace(tape, inF32));                // [sequences, labels]
    }
}
