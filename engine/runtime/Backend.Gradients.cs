using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>The backward passes and the optimizer. Gradients of parameters are always added to what is there.</summary>
public abstract partial class Backend
{
    /// <summary>The gradient of a linear layer's operand, <c>dx (+)= dy w</c>.</summary>
    /// <param name="dy">[rows, out].</param>
    /// <param name="weight">[out, in], row-major.</param>
    /// <param name="accumulate">Whether to add to dx.</param>
    /// <param name="dx">[rows, in].</param>
    public void LinearInputGradient(Tensor dy, Tensor weight, bool accumulate, Tensor dx)
    {
        Expect(dy, "dy", TypeOf(dy), new Shape(dx.Shape[0], weight.Shape[0]));
        Expect(weight, "weight", dy.DType, new Shape(weight.Shape[0], dx.Shape[1]));
        Expect(dx, "dx", dy.DType, new Shape(dx.Shape[0], dx.Shape[1]));
        using OperationTimer timer = Time("linear, input gradient", new Shape(dy.Shape[0], weight.Shape[1], weight.Shape[0]), 2.0 * dy.Count * weight.Shape[1], 4.0 * (dy.Count + dx.Count + weight.Count));
        LinearInputGradientCore(dy, weight, accumulate, dx);
    }

    /// <summary>The gradient of a linear layer's weight, <c>dw += dyᵀ x</c>.</summary>
    /// <param name="dy">[rows, out].</param>
    /// <param name="x">[rows, in].</param>
    /// <param name="dw">[out, in].</param>
    public void LinearWeightGradient(Tensor dy, Tensor x, Tensor dw)
    {
        Expect(dy, "dy", TypeOf(dy), new Shape(x.Shape[0], dw.Shape[0]));
        Expect(x, "x", dy.DType, new Shape(x.Shape[0], dw.Shape[1]));
        Expect(dw, "dw", DType.F32, new Shape(dw.Shape[0], dw.Shape[1]));
        using OperationTimer timer = Time("linear, weight gradient", new Shape(dw.Shape[0], dw.Shape[1], x.Shape[0]), 2.0 * dy.Count * dw.Shape[1], 4.0 * (dy.Count + x.Count + (2.0 * dw.Count)));
        LinearWeightGradientCore(dy, x, dw);
    }

    /// <summary>Adds the sum over the rows: <c>y += Σ x[r]</c>, the gradient of a bias.</summary>
    /// <param name="x">[rows, width].</param>
    /// <param name="y">[width].</param>
    public void SumRows(Tensor x, Tensor y)
    {
        Expect(x, "x", TypeOf(x), new Shape(x.Shape[0], y.Shape[0]));
        Expect(y, "y", DType.F32, new Shape(y.Shape[0]));
        using OperationTimer timer = Time("sum of rows", x.Shape, 0, 4.0 * x.Count);
        SumRowsCore(x, y);
    }

    /// <summary>The gradient of GELU.</summary>
    /// <param name="x">What was activated.</param>
    /// <param name="dy">The gradient of the result.</param>
    /// <param name="dx">May be dy or x.</param>
    public void GeluGradient(Tensor x, Tensor dy, Tensor dx)
    {
        Expect(dy, "dy", TypeOf(dy), x.Shape);
        Expect(x, "x", dy.DType, x.Shape);
        Expect(dx, "dx", dy.DType, x.Shape);
        using OperationTimer timer = Time("gelu, gradient", dx.Shape, 0, 12.0 * dx.Count);
        GeluGradientCore(x, dy, dx);
    }

    /// <summary>The gradient of GEGLU.</summary>
    /// <param name="g">[rows, 2 · I], what was gated.</param>
    /// <param name="du">[rows, I].</param>
    /// <param name="dg">[rows, 2 · I]; may be g.</param>
    public void GegluGradient(Tensor g, Tensor du, Tensor dg)
    {
        Expect(du, "du", TypeOf(du), new Shape(du.Shape[0], du.Shape[1]));
        Expect(g, "g", du.DType, new Shape(du.Shape[0], 2 * du.Shape[1]));
        Expect(dg, "dg", du.DType, g.Shape);
        using OperationTimer timer = Time("geglu, gradient", du.Shape, 0, 20.0 * du.Count);
        GegluGradientCore(g, du, dg);
    }

    /// <summary>The gradient of tanh.</summary>
    /// <param name="y">The result of the forward pass.</param>
    /// <param name="dy">Its gradient.</param>
    /// <param name="accumulate">Whether to add to dx.</param>
    /// <param name="dx">The gradient of the operand.</param>
    public void TanhGradient(Tensor y, Tensor dy, bool accumulate, Tensor dx)
    {
        Expect(dy, "dy", TypeOf(dy), y.Shape);
        Expect(y, "y", dy.DType, y.Shape);
        Expect(dx, "dx", dy.DType, y.Shape);
        using OperationTimer timer = Time("tanh, gradient", dx.Shape, 0, 12.0 * dx.Count);
        TanhGradientCore(y, dy, accumulate, dx);
    }

    /// <summary>The gradient of <see cref="Attention"/>; scores are recomputed tile by tile.</summary>
    /// <param name="qkv">[tokens, 3 · hidden].</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <param name="heads">The number of heads.</param>
    /// <param name="mod">The score modification.</param>
    /// <param name="logSumExp">[heads, tokens], of the forward pass.</param>
    /// <param name="y">[tokens, hidden], of the forward pass.</param>
    /// <param name="dy">[tokens, hidden].</param>
    /// <param name="dqkv">[tokens, 3 · hidden]; overwritten.</param>
    /// <param name="dropout">That of the forward pass.</param>
    /// <param name="dtable">[heads, 2 · R + 1], to which the gradient of the table of a <see cref="RelativeBias"/> is added; or absent.</param>
    /// <exception cref="ArgumentException">A gradient of a table is wanted of another modification, or of a table of another shape.</exception>
    public void AttentionGradient<TMod>(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y, Tensor dy, Tensor dqkv,
        in AttentionDropout dropout = default, Tensor dtable = default)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int tokens = cuSeqlens.Tokens, hidden = y.Shape[1];
        Expect(qkv, "qkv", TypeOf(qkv), new Shape(tokens, 3 * hidden));
        Expect(logSumExp, "log-sum-exp", DType.F32, new Shape(heads, tokens));
        Expect(y, "y", qkv.DType, new Shape(tokens, hidden));
        Expect(dy, "dy", qkv.DType, y.Shape);
        Expect(dqkv, "dqkv", qkv.DType, qkv.Shape);
        Expect(dropout, heads, cuSeqlens);
        if (!dtable.IsAbsent)
        {
            if (mod is not RelativeBias bias) throw new ArgumentException($"{typeof(TMod).Name} has no table whose gradient could be computed; RelativeBias has");
            Expect(dtable, "the table's gradient", DType.F32, new Shape(heads, (2 * bias.Radius) + 1));
        }

        using OperationTimer timer = Time("attention, gradient", y.Shape, 8.0 * y.Shape[1] * cuSeqlens.SquaredLengths, 32.0 * y.Count);
        AttentionGradientCore(qkv, cuSeqlens, heads, mod, logSumExp, y, dy, dqkv, dropout, dtable);
    }

    /// <summary>The gradient of layer normalisation; those of weight and bias are added to what is there.</summary>
    /// <param name="x">[rows, width], what was normalised.</param>
    /// <param name="dy">[rows, width].</param>
    /// <param name="weight">[width].</param>
    /// <param name="statistics">[rows, 2], of the forward pass.</param>
    /// <param name="dweight">[width], or absent.</param>
    /// <param name="dbias">[width], or absent with dweight.</param>
    /// <param name="accumulate">Whether to add to dx.</param>
    /// <param name="dx">[rows, width], may be dy; or absent.</param>
    public void LayerNormGradient(Tensor x, Tensor dy, Tensor weight, Tensor statistics, Tensor dweight, Tensor dbias, bool accumulate, Tensor dx)
    {
        int width = x.Shape[1];
        Expect(dy, "dy", TypeOf(dy), x.Shape);
        Expect(x, "x", dy.DType, x.Shape);
        Expect(weight, "weight", dy.DType, new Shape(width));
        Expect(statistics, "statistics", DType.F32, new Shape(x.Shape[0], 2));
        if (!dweight.IsAbsent) Expect(dweight, "dweight", DType.F32, weight.Shape);
        if (!dweight.IsAbsent) Expect(dbias, "dbias", DType.F32, weight.Shape);
        if (!dx.IsAbsent) Expect(dx, "dx", dy.DType, x.Shape);
        using OperationTimer timer = Time("layer norm, gradient", dy.Shape, 0, 12.0 * dy.Count);
        LayerNormGradientCore(x, dy, weight, statistics, dweight, dbias, accumulate, dx);
    }

    /// <summary>Adds the gradient of summed embeddings to the rows that were gathered.</summary>
    /// <param name="ids">I32 [tokens].</param>
    /// <param name="typeIds">I32 [tokens], or absent.</param>
    /// <param name="dy">[tokens, hidden].</param>
    /// <param name="dword">[vocabulary, hidden], or absent.</param>
    /// <param name="dtype">[types, hidden], or absent.</param>
    public void EmbedGradient(Tensor ids, Tensor typeIds, Tensor dy, Tensor dword, Tensor dtype)
    {
        Expect(ids, "ids", DType.I32, new Shape(dy.Shape[0]));
        Expect(dy, "dy", TypeOf(dy), dy.Shape);
        if (!typeIds.IsAbsent) Expect(typeIds, "type ids", DType.I32, ids.Shape);
        if (!dword.IsAbsent) Expect(dword, "dword", DType.F32, new Shape(dword.Shape[0], dy.Shape[1]));
        if (!dtype.IsAbsent) Expect(dtype, "dtype", DType.F32, new Shape(dtype.Shape[0], dy.Shape[1]));
        using OperationTimer timer = Time("embedding, gradient", dy.Shape, 0, 12.0 * dy.Count);
        EmbedGradientCore(ids, typeIds, dy, dword, dtype);
    }

    /// <summary>Adds rows to those they were gathered from: <c>dx[rows[i]] += dy[i]</c>.</summary>
    /// <param name="dy">[count, width].</param>
    /// <param name="rows">I32 [count].</param>
    /// <param name="dx">[n, width].</param>
    public void ScatterRows(Tensor dy, Tensor rows, Tensor dx)
    {
        Expect(dy, "dy", TypeOf(dy), new Shape(rows.Shape[0], dx.Shape[1]));
        Expect(rows, "rows", DType.I32, new Shape(rows.Shape[0]));
        Expect(dx, "dx", dy.DType, new Shape(dx.Shape[0], dx.Shape[1]));
        using OperationTimer timer = Time("scatter rows", dy.Shape, 0, 12.0 * dy.Count);
        ScatterRowsCore(dy, rows, dx);
    }

    /// <summary>The gradient of mean or CLS pooling.</summary>
    /// <param name="dy">[sequences, width].</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <param name="pooling">Not the maximum, which has none.</param>
    /// <param name="accumulate">Whether to add to dx.</param>
    /// <param name="dx">[tokens, width].</param>
    public void PoolGradient(Tensor dy, in CuSeqlens cuSeqlens, Pooling pooling, bool accumulate, Tensor dx)
    {
        if (pooling == Pooling.Max) throw new ArgumentException("the pooling of the maximum has no gradient");
        Expect(dy, "dy", TypeOf(dy), new Shape(cuSeqlens.Sequences, dx.Shape[1]));
        Expect(dx, "dx", dy.DType, new Shape(cuSeqlens.Tokens, dx.Shape[1]));
        using OperationTimer timer = Time("pool, gradient", dx.Shape, 0, 4.0 * dx.Count);
        PoolGradientCore(dy, cuSeqlens, pooling, accumulate, dx);
    }

    /// <summary>The gradient of the weighted cross-entropies, each times <paramref name="scale"/>; 0 where the label is negative.</summary>
    /// <param name="logits">[rows, classes].</param>
    /// <param name="labels">I32 [rows].</param>
    /// <param name="weights">[rows], or absent: all 1.</param>
    /// <param name="scale">[1]: one over the number of labels, for the gradient of their mean.</param>
    /// <param name="dlogits">The shape of logits; may be logits.</param>
    public void CrossEntropyGradient(Tensor logits, Tensor labels, Tensor weights, Tensor scale, Tensor dlogits)
    {
        Expect(labels, "labels", DType.I32, new Shape(logits.Shape[0]));
        Expect(dlogits, "dlogits", TypeOf(dlogits), logits.Shape);
        Expect(logits, "logits", dlogits.DType, logits.Shape);
        if (!weights.IsAbsent) Expect(weights, "weights", DType.F32, labels.Shape);
        Expect(scale, "scale", DType.F32, new Shape(1));
        using OperationTimer timer = Time("cross-entropy, gradient", logits.Shape, 0, 8.0 * logits.Count);
        CrossEntropyGradientCore(logits, labels, weights, scale, dlogits);
    }

    /// <summary>The gradient of <see cref="BinaryCrossEntropy"/>, <c>scale · weight · (σ(x) − t)</c>.</summary>
    /// <param name="logits">x, of any shape.</param>
    /// <param name="targets">t, of the same shape.</param>
    /// <param name="weights">The same shape, or absent: all 1.</param>
    /// <param name="scale">[1], the factor of all.</param>
    /// <param name="dlogits">The same shape; may be logits.</param>
    public void BinaryCrossEntropyGradient(Tensor logits, Tensor targets, Tensor weights, Tensor scale, Tensor dlogits)
    {
        ExpectLike(logits, targets, weights, dlogits);
        Expect(scale, "scale", DType.F32, new Shape(1));
        using OperationTimer timer = Time("binary cross-entropy, gradient", logits.Shape, 0, 12.0 * logits.Count);
        BinaryCrossEntropyGradientCore(logits, targets, weights, scale, dlogits);
    }

    /// <summary>The gradient of <see cref="SquaredError"/>, <c>scale · weight · 2 (x − t)</c>.</summary>
    /// <param name="x">Of any shape.</param>
    /// <param name="targets">t, of the same shape.</param>
    /// <param name="weights">The same shape, or absent: all 1.</param>
    /// <param name="scale">[1], the factor of all.</param>
    /// <param name="dx">The same shape; may be x.</param>
    public void SquaredErrorGradient(Tensor x, Tensor targets, Tensor weights, Tensor scale, Tensor dx)
    {
        ExpectLike(x, targets, weights, dx);
        Expect(scale, "scale", DType.F32, new Shape(1));
        using OperationTimer timer = Time("squared error, gradient", x.Shape, 0, 12.0 * x.Count);
        SquaredErrorGradientCore(x, targets, weights, scale, dx);
    }

    /// <summary><c>y = factor · x</c>; y may be x.</summary>
    public void Scale(Tensor x, float factor, Tensor y)
    {
        Expect(x, "x", TypeOf(x), x.Shape);
        Expect(y, "y", x.DType, x.Shape);
        using OperationTimer timer = Time("scale", x.Shape, 0, 8.0 * x.Count);
        ScaleCore(x, factor, y);
    }

    /// <summary><c>y = x + z</c>; y may be either.</summary>
    public void Add(Tensor x, Tensor z, Tensor y)
    {
        Expect(z, "z", TypeOf(z), x.Shape);
        Expect(x, "x", z.DType, x.Shape);
        Expect(y, "y", z.DType, x.Shape);
        using OperationTimer timer = Time("add", y.Shape, 0, 12.0 * y.Count);
        AddCore(x, z, y);
    }

    /// <summary>Sets all bytes of a tensor to 0.</summary>
    public abstract void Clear(Tensor y);

    /// <summary>The sum of squares in float64; the same for every number of threads.</summary>
    public double SumOfSquares(Tensor x)
    {
        Expect(x, "x", DType.F32, x.Shape);
        using OperationTimer timer = Time("gradient norm", x.Shape, 0, 4.0 * x.Count);
        return SumOfSquaresCore(x);
    }

    /// <summary>Writes the sum of losses to a place among those of other passes.</summary>
    /// <param name="losses">Of any shape.</param>
    /// <param name="place">I32 [1]: where; inside of sums.</param>
    /// <param name="sums">F64 [passes].</param>
    public void SumOfLosses(Tensor losses, Tensor place, Tensor sums)
    {
        Expect(losses, "losses", DType.F32, losses.Shape);
        Expect(place, "place", DType.I32, new Shape(1));
        Expect(sums, "sums", DType.F64, new Shape(sums.Shape[0]));
        SumOfLossesCore(losses, place, sums);
    }

    /// <summary>
    /// A step of AdamW over flat tensors: the norm of the gradients, clipping, the update, unless the norm or a loss is not finite, and
    /// in any case gradients of 0. Its numbers are read from memory, where its report is written too: nothing is waited for.
    /// </summary>
    /// <param name="numbers">F32 [<see cref="AdamWStep.Count"/>]; see <see cref="AdamWStep"/>.</param>
    /// <param name="runs">What is updated.</param>
    /// <param name="w">Parameters; at least as long as the runs say.</param>
    /// <param name="g">Gradients, [length].</param>
    /// <param name="m">First moments, [length]; updated.</param>
    /// <param name="v">Second moments, [length]; updated.</param>
    /// <param name="losses">F64 [passes]: sums of losses, or absent.</param>
    /// <param name="rounded">BF16, as long as w: receives what is updated, rounded; or absent.</param>
    /// <param name="report">F64 [2]: the norm before clipping, NaN where a loss is not finite; 1 if the step was taken, or else 0.</param>
    public void AdamW(Tensor numbers, AdamWRuns runs, Tensor w, Tensor g, Tensor m, Tensor v, Tensor losses, Tensor rounded, Tensor report)
    {
        ArgumentNullException.ThrowIfNull(runs);
        var flat = new Shape(checked((int)runs.Length));
        Expect(numbers, "numbers", DType.F32, new Shape(AdamWStep.Count));
        Expect(g, "g", DType.F32, flat);
        Expect(m, "m", DType.F32, flat);
        Expect(v, "v", DType.F32, flat);
        if (!losses.IsAbsent) Expect(losses, "losses", DType.F64, new Shape(losses.Shape[0]));
        if (!rounded.IsAbsent) Expect(rounded, "rounded", DType.BF16, w.Shape);
        Expect(report, "report", DType.F64, new Shape(2));
        using OperationTimer timer = Time("AdamW", g.Shape, 0, 36.0 * g.Count);
        AdamWCore(numbers, runs, w.Slice(0, flat), g, m, v, losses, rounded.IsAbsent ? rounded : rounded.Slice(0, flat), report);
    }

    private protected abstract void LinearInputGradientCore(Tensor dy, Tensor weight, bool accumulate, Tensor dx);

    private protected abstract void LinearWeightGradientCore(Tensor dy, Tensor x, Tensor dw);

    private protected abstract void SumRowsCore(Tensor x, Tensor y);

    private protected abstract void GeluGradientCore(Tensor x, Tensor dy, Tensor dx);

    private protected abstract void GegluGradientCore(Tensor g, Tensor du, Tensor dg);

    private protected abstract void TanhGradientCore(Tensor y, Tensor dy, bool accumulate, Tensor dx);

    private protected abstract void AttentionGradientCore<TMod>(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y, Tensor dy, Tensor dqkv,
        in AttentionDropout dropout, Tensor dtable)
        where TMod : unmanaged, IScoreModification<TMod>;

    private protected abstract void LayerNormGradientCore(
        Tensor x, Tensor dy, Tensor weight, Tensor statistics, Tensor dweight, Tensor dbias, bool accumulate, Tensor dx);

    private protected abstract void EmbedGradientCore(Tensor ids, Tensor typeIds, Tensor dy, Tensor dword, Tensor dtype);

    private protected abstract void ScatterRowsCore(Tensor dy, Tensor rows, Tensor dx);

    private protected abstract void PoolGradientCore(Tensor dy, in CuSeqlens cuSeqlens, Pooling pooling, bool accumulate, Tensor dx);

    private protected abstract void CrossEntropyGradientCore(Tensor logits, Tensor labels, Tensor weights, Tensor scale, Tensor dlogits);

    private protected abstract void BinaryCrossEntropyGradientCore(Tensor logits, Tensor targets, Tensor weights, Tensor scale, Tensor dlogits);

    private protected abstract void SquaredErrorGradientCore(Tensor x, Tensor targets, Tensor weights, Tensor scale, Tensor dx);

    private protected abstract void ScaleCore(Tensor x, float factor, Tensor y);

    private protected abstract void AddCore(Tensor x, Tensor z, Tensor y);

    private protected abstract double SumOfSquaresCore(Tensor x);

    private protected abstract void SumOfLossesCore(Tensor losses, Tensor place, Tensor sums);

    private protected abstract void AdamWCore(Tensor numbers, AdamWRuns runs, Tensor w, Tensor g, Tensor m, Tensor v, Tensor losses, Tensor rounded, Tensor report);
}
