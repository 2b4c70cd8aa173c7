using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

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
    public Tensor Forward(Tape tape, Tensor x)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor t = tape.LayerNorm(tape.Linear(x, _dense), _norm);                   // [tokens, hidden]
        return tape.Linear(t, _decoder);                                            // [tokens, vocabulary]
    }
}

/// <summary>The pooler: <c>tanh(W x[CLS] + b)</c>. The published checkpoint has none; fine-tuning starts from a random one.</summary>
public sealed class Pooler
{
    private readonly Linear _dense;

    internal Pooler(ParameterSet set, Dnabert2Config config)
    {
        _dense = Linear.Declare(set, "bert.pooler.dense", config.HiddenSize, config.HiddenSize);
    }

    /// <summary>[tokens, hidden] → [sequences, hidden].</summary>
    public Tensor Forward(Tape tape, Tensor x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor first = tape.Pool(x, cuSeqlens, Pooling.Cls);                        // [sequences, hidden]
        return tape.Tanh(tape.Linear(first, _dense));                               // [sequences, hidden]
    }
}

/// <summary>The sequence classifier on the pooler's output.</summary>
public sealed class Classifier
{
    private readonly Linear _linear;

    internal Classifier(ParameterSet set, Dnabert2Config config)
    {
        _linear = Linear.Declare(set, "classifier", config.HiddenSize, config.NumLabels);
    }

    /// <summary>[sequences, hidden] → logits [sequences, labels].</summary>
    public Tensor Forward(Tape tape, Tensor pooled)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return tape.Linear(pooled, _linear);                                        // [sequences, labels]
    }
}
