using Engine.Kernels;

namespace Engine.Runtime;

internal unsafe partial class CpuBackend<T>
{
    private protected override void EmbedCore(
        Tensor ids, Tensor typeIds, Tensor word, Tensor type, in Norm norm, Tensor sum, Tensor statistics, Tensor y)
    {
        CheckRange(ids, word.Shape[0], "token id");
        if (!typeIds.IsAbsent) CheckRange(typeIds, type.Shape[0], "token type");
        Run(new EmbeddingJob<T>(I32(ids), I32(typeIds), F32(word), F32(type), F32(norm.Weight), F32(norm.Bias),
            norm.Epsilon, F32(sum), F32(y), F32(statistics), y.Shape[0], y.Shape[1]));
    }

    private protected override void LinearCore(Tensor x, in Weight weight, Tensor bias, Activation activation, Tensor residual, Tensor y)
    {
        lock (_operation)
        {
            Weight packed = weight.IsPacked ? weight : PackInto(weight, activation, Scratch);
            MatMulTile tile = TileFor(activation, weight.Outputs);
            Product(new MatMulArguments
            {
                Rows = x.Shape[0],
                Columns = weight.Outputs,
                Depth = weight.Inputs,
                Left = F32(x),
                Right = MatMulRight.At((uint*)packed.Data.Address, tile, weight.Outputs, weight.Inputs, activation),
                Bias = F32(bias),
                Residual = F32(residual),
                Result = F32(y),
                LeadingResult = y.Shape[1],
                Activation = activation,
                Tile = tile,
            });
        }
    }

    private protected override void AttentionCore<TMod>(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y, in AttentionDropout dropout)
    {
        lock (_operation)
        {
            // The backward pass, which the log-sum-exp is for, computes the scores again in floats.
            AttentionArguments arguments = AttentionOf(qkv, cuSeqlens, heads, logSumExp, y, dropout, AttentionTile(logSumExp.IsAbsent));
            float* scratch = Rent(AttentionJob<T, TMod>.ScratchPerWorker(arguments) * _pool.Workers);
            _pool.Run(new AttentionJob<T, TMod>(arguments, mod, scratch));
            Scratch.Reset();
        }
    }

    private protected override void LayerNormCore(Tensor x, in Norm norm, Tensor statistics, Tensor y) =>
        Run(new LayerNormJob<T>(F32(x), F32(norm.Weight), F32(norm.Bias), norm.Epsilon, F32(y), F32(statistics), x.Shape[0], x.Shape[1]));

    private protected override void GatherRowsCore(Tensor x, Tensor rows, Tensor y)
    {
        CheckRange(rows, x.Shape[0], "row");
        Run(new GatherRowsJob(F32(x), I32(rows), F32(y), y.Shape[0], y.Shape[1]));
    }

    private protected override void DropoutCore(Tensor x, Tensor stream, int site, float probability, Tensor residual, Tensor y)
    {
        uint* words = (uint*)I32(stream);
        var random = new Philox(words[0] | ((ulong)words[1] << 32), words[2], (uint)site);
        Run(new DropoutJob<T>(random, probability, F32(x), F32(residual), F32(y), x.Count));
    }

    private protected override void GeluCore(Tensor x, Tensor y) => Map<GeluFunction>(x, x, y);

    private protected override void GegluCore(Tensor g, Tensor u) => Run(new GegluJob<T>(F32(g), F32(u), u.Shape[0], u.Shape[1]));

    private protected override void PoolCore(Tensor x, in CuSeqlens cuSeqlens, Pooling pooling, Tensor y) =>
        Run(new PoolingJob<T>(F32(x), I32(cuSeqlens.Borders), cuSeqlens.Sequences, y.Shape[1], pooling, F32(y)));

    private protected override void PadCore(Tensor x, in CuSeqlens cuSeqlens, Tensor y) =>
        Run(new PadJob(F32(x), I32(cuSeqlens.Borders), cuSeqlens.Sequences, cuSeqlens.Longest, y.Shape[2], F32(y)));

    private protected override void TanhCore(Tensor x, Tensor y) => Map<TanhFunction>(x, x, y);

    private protected override void CrossEntropyCore(Tensor logits, Tensor labels, Tensor weights, Tensor losses)
    {
        CheckRange(labels, logits.Shape[1], "label", lowest: int.MinValue);
        Run(new CrossEntropyJob<T>(F32(logits), I32(labels), F32(weights), F32(losses), logits.Shape[0], logits.Shape[1]));
    }

    private protected override void BinaryCrossEntropyCore(Tensor logits, Tensor targets, Tensor weights, Tensor losses) =>
        Run(new ElementLossJob<BinaryCrossEntropyLoss>(F32(logits), F32(targets), F32(weights), F32(losses), logits.Count));

    private protected override void SquaredErrorCore(Tensor x, Tensor targets, Tensor weights, Tensor losses) =>
        Run(new ElementLossJob<SquaredErrorLoss>(F32(x), F32(targets), F32(weights), F32(losses), x.Count));

    /// <summary>A matrix product whose right factor is packed; takes back the scratch memory.</summary>
    private void Product(MatMulArguments a)
    {
        a.Prepared = new MatMulLeft { Words = (uint*)a.Left, Leading = a.Depth };
        if ((precision != Precision.F32 || a.TransposeLeft) && !a.TransposesInBlocks) PrepareLeft(ref a);
        long perWorker = MatMulJob<T>.ScratchPerWorker(a);
        var taken = (int*)Rent(1);
        *taken = 0;
        _pool.Run(new MatMulJob<T>(a, Rent(perWorker * _pool.Workers), perWorker, taken));
        Scratch.Reset();
    }

    private void PrepareLeft(ref MatMulArguments a)
    {
        // Rows a multiple of 4 KB apart would share their sets of the cache.
        long words = a.Tile.Steps(a.Depth), leading = words % 1024 == 0 ? words + 16 : (words + 15) / 16 * 16;
        var prepared = new MatMulLeft { Words = (uint*)Rent(leading * a.Rows), Leading = leading };
        if (precision == Precision.I8) prepared.Scales = Rent(a.Rows);
        _pool.Run(new PrepareLeftJob(a, prepared));
        a.Prepared = prepared;
    }

    private MatMulTile AttentionTile(bool rounded) => kernels?.ForAttention(rounded) ?? new MatMulTile(T.TileRows, 2, T.Lanes, Precision.F32, 1);

    private static AttentionArguments AttentionOf(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, Tensor logSumExp, Tensor y, in AttentionDropout dropout, in MatMulTile tile) => new()
        {
            Qkv = F32(qkv),
            CuSeqlens = I32(cuSeqlens.Borders),
            Sequences = cuSeqlens.Sequences,
            Heads = heads,
            HeadSize = y.Shape[1] / heads,
            Result = F32(y),
            LogSumExp = F32(logSumExp),
            Dropout = MaskOf(dropout),
            Tile = tile,
        };

    private static AttentionMask MaskOf(in AttentionDropout dropout)
    {
        if (!dropout.IsActive) return default;
        uint* words = (uint*)I32(dropout.Stream);
        return new(new Philox(words[0] | ((ulong)words[1] << 32), words[2], (uint)dropout.Site), dropout.Probability);
    }

    private void Map<TFunction>(Tensor a, Tensor b, Tensor y, bool accumulate = false)
        where TFunction : struct, IElementwise
        => Run(new ElementwiseJob<T, TFunction>(F32(a), F32(b), F32(y), y.Count, accumulate));
}
