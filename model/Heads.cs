using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>The masked-language-model head: a transform and a decoder tied to the word embeddings.</summary>
public sealed class MlmHead
{
    private readonly Linear _dense, _decoder;
    private readonly LayerNorm _norm;

    internal MlmHead(ParameterSet set, Dnabert2Config config, Encoder encoder)
    {
        _dense = Linear.Declare(set, "cls.predictions.transform.dense", config.HiddenSize, config.HiddenSize, Activation.Gelu);
        _norm = LayerNorm.Declare(set, "cls.predictions.transform.LayerNorm", config.HiddenSize, config.LayerNormEps);
        _decoder = Linear.Tie(set, "cls.predictions.decoder", encoder.WordEmbeddings);
    }

    /// <summary>[tokens, hidden] → logits [tokens, vocabulary].</summary>
    public Variable Forward(Tape tape, Variable x)
    {
        Variable t = _norm.ForwardInPlace(tape, _dense.Forward(tape, x));           // [tokens, hidden]
        return _decoder.Forward(tape, t);                                           // [tokens, vocabulary]
    }
}

/// <summary>The pooler: <c>tanh(W x[CLS] + b)</c>. The published checkpoint has none; fine-tuning starts from a random one.</summary>
public sealed class Pooler
{
    private readonly Pool _first = new(Pooling.Cls);
    private readonly Linear _dense;

    internal Pooler(ParameterSet set, Dnabert2Config config)
    {
        _dense = Linear.Declare(set, "bert.pooler.dense", config.HiddenSize, config.HiddenSize);
    }

    /// <summary>[tokens, hidden] → [sequences, hidden].</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        Variable first = _first.Forward(tape, x, cuSeqlens);                        // [sequences, hidden]
        return Tanh.Instance.ForwardInPlace(tape, _dense.Forward(tape, first));     // [sequences, hidden]
    }
}

/// <summary>The sequence classifier on the pooler's output.</summary>
public sealed class Classifier
{
    private readonly Dropout _dropout;
    private readonly Linear _linear;

    internal Classifier(ParameterSet set, Dnabert2Config config)
    {
        _dropout = new Dropout(set, config.ClassifierDropout ?? config.HiddenDropoutProb);
        _linear = Linear.DeclareF32(set, "classifier", config.HiddenSize, config.NumLabels);
    }

    /// <summary>[sequences, hidden] → logits [sequences, labels].</summary>
    public Variable Forward(Tape tape, Variable pooled)
    {
        Variable inF32 = ToFloat32.Instance.ForwardInPlace(tape, pooled);           // [sequences, hidden], F32
        Variable dropped = _dropout.ForwardInPlace(tape, inF32);                    // [sequences, hidden]
        return _linear.Forward(tape, dropped);                                      // [sequences, labels]
    }
}
