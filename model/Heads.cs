using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2;

/// <summary>The masked-language-model head of a BERT: a transform and a decoder tied to the word embeddings.</summary>
public sealed class MlmHead
{
    private readonly Linear _dense, _decoder;
    private readonly LayerNorm _norm;

    internal MlmHead(ParameterSet set, Parameter wordEmbeddings, float epsilon)
    {
        int hidden = wordEmbeddings.Shape[1];
        _dense = Linear.Declare(set, "cls.predictions.transform.dense", hidden, hidden, Activation.Gelu);
        _norm = LayerNorm.Declare(set, "cls.predictions.transform.LayerNorm", hidden, epsilon);
        _decoder = Linear.Tie(set, "cls.predictions.decoder", wordEmbeddings);
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

/// <summary>
/// The pooler of a BERT: <c>tanh(W x[CLS] + b)</c>, or of the mean of all tokens in place of [CLS]. The published checkpoint of
/// DNABERT-2 has none; fine-tuning starts from a random one.
/// </summary>
public sealed class Pooler
{
    private readonly Pool _pool;
    private readonly Linear _dense;

    internal Pooler(ParameterSet set, int hidden, Pooling pooling = Pooling.Cls) =>
        (_pool, _dense) = (new Pool(pooling), Linear.Declare(set, "bert.pooler.dense", hidden, hidden));

    /// <summary>[tokens, hidden] → [sequences, hidden].</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        Variable pooled = _pool.Forward(tape, x, cuSeqlens);                        // [sequences, hidden]
        return Tanh.Instance.ForwardInPlace(tape, _dense.Forward(tape, pooled));    // [sequences, hidden]
    }
}

/// <summary>The sequence classifier on the pooler's output.</summary>
public sealed class Classifier
{
    private readonly Dropout _dropout;
    private readonly Linear _linear;

    internal Classifier(ParameterSet set, int hidden, int labels, float dropout)
    {
        _dropout = new Dropout(set, dropout);
        _linear = Linear.DeclareF32(set, "classifier", hidden, labels);
    }

    /// <summary>[sequences, hidden] → logits [sequences, labels].</summary>
    public Variable Forward(Tape tape, Variable pooled)
    {
        Variable inF32 = ToFloat32.Instance.ForwardInPlace(tape, pooled);           // [sequences, hidden], F32
        Variable dropped = _dropout.ForwardInPlace(tape, inF32);                    // [sequences, hidden]
        return _linear.Forward(tape, dropped);                                      // [sequences, labels]
    }
}
