using Engine.Kernels;

namespace Engine.Runtime;

public abstract partial class Backend
{
    /// <summary>Lays a row-major weight <c>[out, in]</c> out for this backend's matrix product.</summary>
    /// <param name="weight">The weight; it is not needed afterwards.</param>
    /// <param name="activation">What <see cref="Linear"/> will apply: GEGLU interleaves the halves of the weight.</param>
    /// <param name="arena">Where the result lives.</param>
    public Weight Pack(Tensor weight, Activation activation, Arena arena)
    {
        Expect(weight, "weight", TypeOf(weight), weight.Shape);
        return PackCore(new Weight(weight), activation, arena);
    }

    /// <summary>Numbers in another type: from F32 to that of activations, rounded to nearest even, or back.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="y">The shape of x.</param>
    public void Cast(Tensor x, Tensor y)
    {
        Expect(x, "x", TypeOf(x), x.Shape);
        Expect(y, "y", TypeOf(y), x.Shape);
        using OperationTimer timer = Time("cast", y.Shape, 0, x.Bytes + y.Bytes);
        if (x.DType == y.DType) CopyCore(x, y);
        else CastCore(x, y);
    }

    /// <summary>
    /// The embedding layer, <c>y = LN(word[id] + type[typeId])</c>.
    /// </summary>
    /// <param name="ids">I32 [tokens], within the vocabulary.</param>
    /// <param name="typeIds">I32 [tokens], or absent: all 0.</param>
    /// <param name="word">[vocabulary, hidden].</param>
    /// <param name="type">[types, hidden].</param>
    /// <param name="norm">The layer normalisation.</param>
    /// <param name="sum">[tokens, hidden]: receives what is normalised, for the backward pass; or absent.</param>
    /// <param name="statistics">[tokens, 2], as for <see cref="LayerNorm"/>; or absent.</param>
    /// <param name="y">[tokens, hidden].</param>
    public void Embed(Tensor ids, Tensor typeIds, Tensor word, Tensor type, in Norm norm, Tensor sum, Tensor statistics, Tensor y)
    {
        int hidden = word.Shape[1];
        Expect(ids, "ids", DType.I32, new Shape(y.Shape[0]));
        if (!typeIds.IsAbsent) Expect(typeIds, "type ids", DType.I32, ids.Shape);
        Expect(word, "word embeddings", TypeOf(word), word.Shape);
        Expect(type, "type embeddings", word.DType, new Shape(type.Shape[0], hidden));
        Expect(y, "y", word.DType, new Shape(y.Shape[0], hidden));
        if (!sum.IsAbsent) Expect(sum, "sum", word.DType, y.Shape);
        if (!statistics.IsAbsent) Expect(statistics, "statistics", DType.F32, new Shape(y.Shape[0], 2));
        Expect(norm, word.DType, hidden);
        using OperationTimer timer = Time("embedding", y.Shape, 0, 8.0 * y.Count);
        EmbedCore(ids, typeIds, word, type, norm, sum.IsAbsent ? y : sum, statistics, y);
    }

    /// <summary>
    /// A linear layer, <c>y = f(x wᵀ + bias) + residual</c>.
    /// </summary>
    /// <param name="x">[rows, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out], or absent.</param>
    /// <param name="activation">f; GEGLU halves the width.</param>
    /// <param name="residual">The shape of y, or absent.</param>
    /// <param name="y">[rows, out], or [rows, out / 2] with GEGLU.</param>
    public void Linear(Tensor x, in Weight weight, Tensor bias, Activation activation, Tensor residual, Tensor y)
    {
        int rows = y.Shape[0], width = activation == Activation.Geglu ? weight.Outputs / 2 : weight.Outputs;
        if (weight.IsPacked && (weight.PackedFor == Activation.Geglu) != (activation == Activation.Geglu))
            throw new ArgumentException($"the weight was packed for {weight.PackedFor}, not for {activation}");
        Expect(x, "x", TypeOf(x), new Shape(rows, weight.Inputs));
        if (!weight.IsPacked) Expect(weight.Data, "weight", x.DType, weight.Data.Shape);
        if (!bias.IsAbsent) Expect(bias, "bias", x.DType, new Shape(weight.Outputs));
        if (!residual.IsAbsent) Expect(residual, "residual", x.DType, y.Shape);
        Expect(y, "y", x.DType, new Shape(rows, width));
        using OperationTimer timer = Time("linear", new Shape(rows, weight.Outputs, weight.Inputs), 2.0 * rows * weight.Outputs * weight.Inputs, 4.0 * (x.Count + y.Count + ((double)weight.Outputs * weight.Inputs)));
        LinearCore(x, weight, bias, activation, residual, y);
    }

    /// <summary>
    /// Attention over packed sequences, <c>softmax(mod(Q Kᵀ / sqrt(head size))) V</c>.
    /// </summary>
    /// <typeparam name="TMod">The score modification.</typeparam>
    /// <param name="qkv">[tokens, 3 · hidden], laid out (three, head, head size).</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <param name="heads">The number of heads, a divisor of hidden.</param>
    /// <param name="mod">The parameters of the score modification.</param>
    /// <param name="logSumExp">[heads, tokens] for the backward pass, or absent.</param>
    /// <param name="y">[tokens, hidden].</param>
    /// <param name="dropout">What is dropped of the probabilities; nothing unless given.</param>
    public void Attention<TMod>(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y, in AttentionDropout dropout = default)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int tokens = cuSeqlens.Tokens, hidden = y.Shape[1];
        if (heads < 1 || hidden % heads != 0) throw new ArgumentException($"{heads} heads do not divide a width of {hidden}");
        Expect(qkv, "qkv", TypeOf(qkv), new Shape(tokens, 3 * hidden));
        Expect(y, "y", qkv.DType, new Shape(tokens, hidden));
        if (!logSumExp.IsAbsent) Expect(logSumExp, "log-sum-exp", DType.F32, new Shape(heads, tokens));
        Expect(dropout, heads, cuSeqlens);
        // Parameters that do not fit are refused here rather than on a worker.
        TMod.ForHead(mod, 0, heads);
        using OperationTimer timer = Time("attention", y.Shape, 4.0 * hidden * cuSeqlens.SquaredLengths, 16.0 * y.Count);
        AttentionCore(qkv, cuSeqlens, heads, mod, logSumExp, y, dropout);
    }

    /// <summary>Layer normalisation of each row.</summary>
    /// <param name="x">[rows, width].</param>
    /// <param name="norm">Weight, bias [width] and eps.</param>
    /// <param name="statistics">[rows, 2]: receives mean and 1 / sqrt(variance + eps) for the backward pass; or absent.</param>
    /// <param name="y">The shape of x; may be x.</param>
    public void LayerNorm(Tensor x, in Norm norm, Tensor statistics, Tensor y)
    {
        Expect(x, "x", TypeOf(x), new Shape(x.Shape[0], x.Shape[1]));
        if (!statistics.IsAbsent) Expect(statistics, "statistics", DType.F32, new Shape(x.Shape[0], 2));
        Expect(y, "y", x.DType, x.Shape);
        Expect(norm, x.DType, x.Shape[1]);
        using OperationTimer timer = Time("layer norm", y.Shape, 0, 8.0 * y.Count);
        LayerNormCore(x, norm, statistics, y);
    }

    /// <summary>Picks rows: <c>y[i] = x[rows[i]]</c>.</summary>
    /// <param name="x">[n, width].</param>
    /// <param name="rows">I32 [count], below n.</param>
    /// <param name="y">[count, width].</param>
    public void GatherRows(Tensor x, Tensor rows, Tensor y)
    {
        Expect(x, "x", TypeOf(x), new Shape(x.Shape[0], y.Shape[1]));
        Expect(rows, "rows", DType.I32, new Shape(y.Shape[0]));
        Expect(y, "y", x.DType, new Shape(y.Shape[0], y.Shape[1]));
        using OperationTimer timer = Time("gather rows", y.Shape, 0, 8.0 * y.Count);
        GatherRowsCore(x, rows, y);
    }

    /// <summary>Dropout, <c>y = keep ? x / (1 − p) : 0</c>, plus the residual. The mask is a function of stream and site alone.</summary>
    /// <param name="x">Any shape.</param>
    /// <param name="stream">I32 [3]: the lower and the upper word of the seed, and the step; see <see cref="Philox"/>.</param>
    /// <param name="site">Who draws; the backward pass gives the same.</param>
    /// <param name="probability">p, from 0 up to but not including 1.</param>
    /// <param name="residual">The shape of x, or absent.</param>
    /// <param name="y">The shape of x; may be x or the residual.</param>
    public void Dropout(Tensor x, Tensor stream, int site, float probability, Tensor residual, Tensor y)
    {
        if (!(probability >= 0 && probability < 1)) throw new ArgumentException($"a dropout probability of {probability} is not in [0, 1)");
        Expect(x, "x", TypeOf(x), x.Shape);
        Expect(stream, "stream", DType.I32, new Shape(3));
        if (!residual.IsAbsent) Expect(residual, "residual", x.DType, x.Shape);
        Expect(y, "y", x.DType, x.Shape);
        using OperationTimer timer = Time("dropout", y.Shape, 0, (residual.IsAbsent ? 8.0 : 12.0) * y.Count);
        DropoutCore(x, stream, site, probability, residual, y);
    }

    /// <summary>The exact (erf) GELU, element by element; y may be x.</summary>
    public void Gelu(Tensor x, Tensor y)
    {
        Expect(x, "x", TypeOf(x), x.Shape);
        Expect(y, "y", x.DType, x.Shape);
        using OperationTimer timer = Time("gelu", y.Shape, 0, 8.0 * y.Count);
        GeluCore(x, y);
    }

    /// <summary>The gated linear unit, <c>u[:, j] = gelu(g[:, j]) · g[:, I + j]</c>.</summary>
    /// <param name="g">[rows, 2 · I].</param>
    /// <param name="u">[rows, I].</param>
    public void Geglu(Tensor g, Tensor u)
    {
        Expect(u, "u", g.DType, new Shape(u.Shape[0], u.Shape[1]));
        Expect(g, "g", TypeOf(g), new Shape(u.Shape[0], 2 * u.Shape[1]));
        using OperationTimer timer = Time("geglu", u.Shape, 0, 12.0 * u.Count);
        GegluCore(g, u);
    }

    /// <summary>Pools each sequence to one vector.</summary>
    /// <param name="x">[tokens, width].</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <param name="pooling">How; an empty sequence gives zeros.</param>
    /// <param name="y">[sequences, width].</param>
    public void Pool(Tensor x, in CuSeqlens cuSeqlens, Pooling pooling, Tensor y)
    {
        Expect(x, "x", TypeOf(x), new Shape(cuSeqlens.Tokens, y.Shape[1]));
        Expect(y, "y", x.DType, new Shape(cuSeqlens.Sequences, y.Shape[1]));
        using OperationTimer timer = Time("pool", y.Shape, 0, 4.0 * x.Count);
        PoolCore(x, cuSeqlens, pooling, y);
    }

    /// <summary>The padded view of packed sequences, zero where a sequence has ended.</summary>
    /// <param name="x">[tokens, width].</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <param name="y">[sequences, longest, width].</param>
    public void Pad(Tensor x, in CuSeqlens cuSeqlens, Tensor y)
    {
        Expect(x, "x", TypeOf(x), new Shape(cuSeqlens.Tokens, y.Shape[2]));
        Expect(y, "y", x.DType, new Shape(cuSeqlens.Sequences, cuSeqlens.Longest, y.Shape[2]));
        using OperationTimer timer = Time("pad", y.Shape, 0, 8.0 * y.Count);
        PadCore(x, cuSeqlens, y);
    }

    /// <summary>The hyperbolic tangent, element by element; y may be x.</summary>
    public void Tanh(Tensor x, Tensor y)
    {
        Expect(x, "x", TypeOf(x), x.Shape);
        Expect(y, "y", x.DType, x.Shape);
        using OperationTimer timer = Time("tanh", y.Shape, 0, 8.0 * y.Count);
        TanhCore(x, y);
    }

    /// <summary>
    /// The cross-entropy of each row, <c>weight · (logsumexp(logits) − logits[label])</c>; 0 where the label is negative (ignored).
    /// </summary>
    /// <param name="logits">[rows, classes].</param>
    /// <param name="labels">I32 [rows], below classes.</param>
    /// <param name="weights">[rows], or absent: all 1.</param>
    /// <param name="losses">[rows].</param>
    public void CrossEntropy(Tensor logits, Tensor labels, Tensor weights, Tensor losses)
    {
        Shape rows = new(logits.Shape[0]);
        Expect(logits, "logits", TypeOf(logits), new Shape(logits.Shape[0], logits.Shape[1]));
        Expect(labels, "labels", DType.I32, rows);
        if (!weights.IsAbsent) Expect(weights, "weights", DType.F32, rows);
        Expect(losses, "losses", DType.F32, rows);
        using OperationTimer timer = Time("cross-entropy", logits.Shape, 0, 4.0 * logits.Count);
        CrossEntropyCore(logits, labels, weights, losses);
    }

    /// <summary>The binary cross-entropy of each logit, <c>weight · (max(x, 0) − x t + log(1 + exp(−|x|)))</c>.</summary>
    /// <param name="logits">x, of any shape.</param>
    /// <param name="targets">t, of the same shape; from 0 to 1.</param>
    /// <param name="weights">The same shape, or absent: all 1.</param>
    /// <param name="losses">The same shape.</param>
    public void BinaryCrossEntropy(Tensor logits, Tensor targets, Tensor weights, Tensor losses)
    {
        ExpectLike(logits, targets, weights, losses);
        using OperationTimer timer = Time("binary cross-entropy", logits.Shape, 0, 12.0 * logits.Count);
        BinaryCrossEntropyCore(logits, targets, weights, losses);
    }

    /// <summary>The squared error of each prediction, <c>weight · (x − t)²</c>.</summary>
    /// <param name="x">Of any shape.</param>
    /// <param name="targets">t, of the same shape.</param>
    /// <param name="weights">The same shape, or absent: all 1.</param>
    /// <param name="losses">The same shape.</param>
    public void SquaredError(Tensor x, Tensor targets, Tensor weights, Tensor losses)
    {
        ExpectLike(x, targets, weights, losses);
        using OperationTimer timer = Time("squared error", x.Shape, 0, 12.0 * x.Count);
        SquaredErrorCore(x, targets, weights, losses);
    }

    private protected virtual void CastCore(Tensor x, Tensor y) => throw new NotSupportedException($"{Description} has one type of numbers");

    private protected abstract Weight PackCore(in Weight weight, Activation activation, Arena arena);

    private protected abstract void EmbedCore(Tensor ids, Tensor typeIds, Tensor word, Tensor type, in Norm norm, Tensor sum, Tensor statistics, Tensor y);

    private protected abstract void LinearCore(Tensor x, in Weight weight, Tensor bias, Activation activation, Tensor residual, Tensor y);

    private protected abstract void AttentionCore<TMod>(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y, in AttentionDropout dropout)
        where TMod : unmanaged, IScoreModification<TMod>;

    private protected abstract void LayerNormCore(Tensor x, in Norm norm, Tensor statistics, Tensor y);

    private protected abstract void GatherRowsCore(Tensor x, Tensor rows, Tensor y);

    private protected abstract void DropoutCore(Tensor x, Tensor stream, int site, float probability, Tensor residual, Tensor y);

    private protected abstract void GeluCore(Tensor x, Tensor y);

    private protected abstract void GegluCore(Tensor g, Tensor u);

    private protected abstract void PoolCore(Tensor x, in CuSeqlens cuSeqlens, Pooling pooling, Tensor y);

    private protected abstract void PadCore(Tensor x, in CuSeqlens cuSeqlens, Tensor y);

    private protected abstract void TanhCore(Tensor x, Tensor y);

    private protected abstract void CrossEntropyCore(Tensor logits, Tensor labels, Tensor weights, Tensor losses);

    private protected abstract void BinaryCrossEntropyCore(Tensor logits, Tensor targets, Tensor weights, Tensor losses);

    private protected abstract void SquaredErrorCore(Tensor x, Tensor targets, Tensor weights, Tensor losses);

    /// <summary>The type of an operation's numbers: that of its first operand, where the backend computes in it.</summary>
    private DType TypeOf(Tensor x) => x.DType == ActivationType ? ActivationType : DType.F32;

    private static void ExpectLike(Tensor x, Tensor targets, Tensor weights, Tensor result)
    {
        Expect(x, "x", DType.F32, x.Shape);
        Expect(targets, "targets", DType.F32, x.Shape);
        if (!weights.IsAbsent) Expect(weights, "weights", DType.F32, x.Shape);
        Expect(result, "the result", DType.F32, x.Shape);
    }

    private static void Expect(Tensor tensor, string name, DType dtype, Shape shape)
    {
        if (tensor.IsAbsent || tensor.DType != dtype || tensor.Shape != shape)
            throw new ArgumentException($"{name} is {tensor}, expected {dtype} {shape}");
    }

    private static void Expect(in AttentionDropout dropout, int heads, in CuSeqlens cuSeqlens)
    {
        if (!dropout.IsActive || (heads <= AttentionMask.MostHeads && cuSeqlens.Longest <= AttentionMask.MostTokens)) return;
        throw new NotSupportedException(
            $"dropout of attention's probabilities is for at most {AttentionMask.MostHeads} heads and {AttentionMask.MostTokens} tokens a sequence, " +
            $"not {heads} and {cuSeqlens.Longest}");
    }

    private static void Expect(in Norm norm, DType dtype, int width)
    {
        Expect(norm.Weight, "layer norm weight", dtype, new Shape(width));
        Expect(norm.Bias, "layer norm bias", dtype, new Shape(width));
    }
}

/// <summary>The parameters of a layer normalisation.</summary>
/// <param name="Weight">[width].</param>
/// <param name="Bias">[width].</param>
/// <param name="Epsilon">Added to the variance.</param>
public readonly record struct Norm(Tensor Weight, Tensor Bias, float Epsilon);
