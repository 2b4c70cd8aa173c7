using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.Hyena;

/// <summary>The head of the language model, which is not tied to the embeddings and has no bias.</summary>
public sealed class HyenaLmHead
{
    private readonly Linear _decoder;

    internal HyenaLmHead(ParameterSet set, HyenaConfig config) =>
        _decoder = Linear.Declare(set, "lm_head", config.DModel, config.VocabRows, bias: false);

    /// <summary>[tokens, d] → logits of the next token [tokens, vocabulary rows].</summary>
    public Variable Forward(Tape tape, Variable x) => _decoder.Forward(tape, x);

    /// <summary>
    /// The labels of the language model: of each token the next one of its sequence, of the last one −1, which has no loss.
    /// </summary>
    /// <param name="ids">The token ids of all sequences, one after the other.</param>
    /// <param name="lengths">The number of tokens of each sequence.</param>
    /// <exception cref="ArgumentException">The lengths do not sum to the number of ids.</exception>
    public static int[] NextTokens(ReadOnlySpan<int> ids, ReadOnlySpan<int> lengths)
    {
        var labels = new int[ids.Length];
        int start = 0;
        foreach (int length in lengths)
        {
            if (length < 0 || length > ids.Length - start) throw new ArgumentException($"the lengths do not sum to {ids.Length} ids");
            if (length == 0) continue;
            ids.Slice(start + 1, length - 1).CopyTo(labels.AsSpan(start));
            labels[start + length - 1] = -1;
            start += length;
        }

        return start == ids.Length ? labels : throw new ArgumentException($"the lengths sum to {start}, there are {ids.Length} ids");
    }
}

/// <summary>The classifier of sequences, on the last token or the mean; see <see cref="HyenaPooling"/>.</summary>
public sealed class HyenaClassifier
{
    private readonly Pool _mean = new(Engine.Kernels.Pooling.Mean);
    private readonly Linear _score;
    private readonly bool _ofLast;

    internal HyenaClassifier(ParameterSet set, HyenaConfig config)
    {
        _ofLast = config.Pooling == HyenaPooling.LastToken;
        _score = Linear.Declare(set, "score", config.DModel, config.NumLabels, bias: !_ofLast);
    }

    /// <summary>[tokens, d] → logits [sequences, labels]; no sequence is empty.</summary>
    public Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Variable pooled = _ofLast ? Last(tape, x, cuSeqlens) : _mean.Forward(tape, x, cuSeqlens);   // [sequences, d]
        return _score.Forward(tape, pooled);                                        // [sequences, labels]
    }

    private static Variable Last(Tape tape, Variable x, in CuSeqlens cuSeqlens)
    {
        Tensor rows = tape.Activations.Rent(new Shape(cuSeqlens.Sequences), DType.I32);
        tape.Backend.Run(new LastRows(cuSeqlens, rows));
        return GatherRows.Instance.Forward(tape, x, rows);                          // [sequences, d]
    }
}
