using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>A stretch of a model, from one activation to one of the same shape, whose intermediate results need not be kept.</summary>
public interface ISegment
{
    /// <summary>Runs the stretch.</summary>
    /// <param name="tape">Runs the operations.</param>
    /// <param name="x">[tokens, hidden].</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <returns>[tokens, hidden].</returns>
    Tensor Forward(Tape tape, Tensor x, in CuSeqlens cuSeqlens);
}

/// <summary>
/// Runs a model's operations, one method each. Results are rented from the activations' arena and live until it is reset.
/// </summary>
/// <param name="activations">Where results live.</param>
public sealed class Tape(Arena activations)
{
    private readonly Backend _backend = activations.Backend;

    /// <summary>Where results live.</summary>
    public Arena Activations { get; } = activations;

    /// <summary>Word and token-type embeddings, summed and normalised.</summary>
    /// <param name="ids">I32 [tokens].</param>
    /// <param name="typeIds">I32 [tokens], or absent: all 0.</param>
    /// <param name="word">[vocabulary, hidden].</param>
    /// <param name="type">[types, hidden].</param>
    /// <param name="norm">The normalisation.</param>
    /// <returns>[tokens, hidden].</returns>
    public Tensor Embed(Tensor ids, Tensor typeIds, Parameter word, Parameter type, LayerNorm norm)
    {
        ArgumentNullException.ThrowIfNull(word);
        ArgumentNullException.ThrowIfNull(type);
        ArgumentNullException.ThrowIfNull(norm);
        Tensor y = Rent(ids.Shape[0], word.Shape[1]);
        _backend.Embed(ids, typeIds, word.Value, type.Value, norm.Operand, y);
        return y;
    }

    /// <summary><c>f(x wᵀ + bias) + residual</c>.</summary>
    /// <param name="x">[rows, in].</param>
    /// <param name="linear">The layer, with its activation f.</param>
    /// <param name="residual">[rows, out], or absent.</param>
    /// <returns>[rows, out].</returns>
    public Tensor Linear(Tensor x, Linear linear, Tensor residual = default)
    {
        ArgumentNullException.ThrowIfNull(linear);
        Tensor y = Rent(x.Shape[0], linear.Outputs);
        _backend.Linear(x, linear.Weight.Weight, linear.Bias?.Value ?? default, linear.Activation, residual, y);
        return y;
    }

    /// <summary>Attention over packed sequences.</summary>
    /// <param name="qkv">[tokens, 3 · hidden].</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <param name="heads">The number of heads.</param>
    /// <param name="mod">The score modification.</param>
    /// <returns>[tokens, hidden].</returns>
    public Tensor Attention<TMod>(Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        Tensor y = Rent(qkv.Shape[0], qkv.Shape[1] / 3);
        _backend.Attention(qkv, cuSeqlens, heads, mod, logSumExp: default, y);
        return y;
    }

    /// <summary>Layer normalisation of each row, in x's place.</summary>
    /// <param name="x">[rows, width]; overwritten.</param>
    /// <param name="norm">The normalisation.</param>
    /// <returns>[rows, width].</returns>
    public Tensor LayerNorm(Tensor x, LayerNorm norm)
    {
        ArgumentNullException.ThrowIfNull(norm);
        _backend.LayerNorm(x, residual: default, norm.Operand, x);
        return x;
    }

    /// <summary>One vector a sequence.</summary>
    /// <param name="x">[tokens, width].</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <param name="pooling">How.</param>
    /// <returns>[sequences, width].</returns>
    public Tensor Pool(Tensor x, in CuSeqlens cuSeqlens, Pooling pooling)
    {
        Tensor y = Rent(cuSeqlens.Sequences, x.Shape[1]);
        _backend.Pool(x, cuSeqlens, pooling, y);
        return y;
    }

    /// <summary>The hyperbolic tangent of each element, in x's place.</summary>
    public Tensor Tanh(Tensor x)
    {
        _backend.Tanh(x, x);
        return x;
    }

    /// <summary>The cross-entropy of each row; 0 where the label is negative.</summary>
    /// <param name="logits">[rows, classes].</param>
    /// <param name="labels">I32 [rows].</param>
    /// <returns>[rows].</returns>
    public Tensor CrossEntropy(Tensor logits, Tensor labels)
    {
        Tensor losses = Activations.Rent(labels.Shape, DType.F32);
        _backend.CrossEntropy(logits, labels, losses);
        return losses;
    }

    /// <summary>
    /// Runs a segment and takes back the memory of its intermediate results; its result takes the place of <paramref name="x"/>.
    /// </summary>
    public Tensor Run(ISegment segment, Tensor x, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(segment);
        ArenaMark mark = Activations.Mark();
        Tensor y = segment.Forward(this, x, cuSeqlens);
        _backend.Copy(y, x);
        Activations.Reset(mark);
        return x;
    }

    private Tensor Rent(int rows, int width) => Activations.Rent(new Shape(rows, width), DType.F32);
}
