using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

internal sealed unsafe partial class CudaBackend
{
    // Two blocks for each multiprocessor of an H200; the same everywhere, so that sums are.
    private const int WeightGradientBlocks = 264;
    private const int RowsPerPart = 256, MaxParts = 64;

    private static readonly Entries InputGradientEntries = new("linear_input_gradient"), WeightGradientEntries = new("linear_weight_gradient"),
        SumRowsEntries = new("sum_rows"), GeluGradientEntries = new("gelu_gradient"), GegluGradientEntries = new("geglu_gradient"),
        TanhGradientEntries = new("tanh_gradient"), DeltaEntries = new("attention_delta"), NormGradientEntries = new("layer_norm_gradient"),
        NormGradientWideEntries = new("layer_norm_gradient_wide"), NormParametersEntries = new("layer_norm_parameters"),
        EmbedGradientEntries = new("embedding_gradient"), ScatterEntries = new("scatter_rows"), PoolGradientEntries = new("pool_gradient"),
        CrossEntropyGradientEntries = new("cross_entropy_gradient"), AddEntries = new("add"),
        BinaryCrossEntropyGradientEntries = new("binary_cross_entropy_gradient"),
        SquaredErrorGradientEntries = new("squared_error_gradient"), ScaleEntries = new("scale"),
        BiasGradientEntries = new("relative_bias_gradient");

    public override void Clear(Tensor y)
    {
        lock (_operation)
        {
            _cuda.Enter();
            _cuda.Clear((nint)y.Address, y.Bytes);
        }
    }

    private protected override void LinearInputGradientCore(Tensor dy, Tensor weight, bool accumulate, Tensor dx)
    {
        if (dy.DType == DType.BF16)
        {
            ExpectMultipleOfEight(weight.Shape[0]);
            ExpectMultipleOfEight(weight.Shape[1]);
        }

        Product(InputGradientEntries, dy, weight, accumulate ? dx : default, dx, weight.Shape[0]);
    }

    private protected override void LinearWeightGradientCore(Tensor dy, Tensor x, Tensor dw)
    {
        if (dy.DType == DType.BF16) WeightGradient(dy, x, dw);
        else Product(WeightGradientEntries, dy, x, dw, dw, x.Shape[0]);
    }

    /// <summary>On tensor cores: sums over shares of the rows, so that there is work for the whole GPU, added in their order.</summary>
    private void WeightGradient(Tensor dy, Tensor x, Tensor dw)
    {
        int outputs = dw.Shape[0], inputs = dw.Shape[1], rows = x.Shape[0];
        ExpectMultipleOfEight(outputs);
        ExpectMultipleOfEight(inputs);
        long tiles = Blocks(outputs, MatMulTile) * Blocks(inputs, MatMulTile);

        // By the rows of whole tiles: rows of 0 that fill the last one change no sum.
        int tiledRows = (int)Blocks(rows, MatMulTile), wanted = (int)Math.Clamp(WeightGradientBlocks / tiles, 1, tiledRows);
        int share = (int)Blocks(tiledRows, wanted) * MatMulTile, shares = (int)Blocks((long)tiledRows * MatMulTile, share);
        lock (_operation)
        {
            _cuda.Enter();
            Tensor sums = shares == 1 ? dw : Scratch.Rent(new Shape(shares, outputs, inputs), DType.F32);
            KernelArguments a = _cuda.Begin("linear_weight_gradient_split_bf16");
            a.View(dy);
            a.View(x);
            a.View(sums);
            a.I32(outputs);
            a.I32(inputs);
            a.I32(rows);
            a.I32(share);
            _cuda.Launch(Blocks(inputs, MatMulTile), (int)Blocks(outputs, MatMulTile), shares);
            if (shares > 1)
            {
                a = _cuda.Begin("split_sum_f32");
                a.View(sums);
                a.View(dw);
                a.I64(dw.Count);
                a.I32(shares);
                _cuda.Launch(Blocks(dw.Count, 4 * ElementLossBlock));
            }

            Scratch.Reset();
        }
    }

    private protected override void SumRowsCore(Tensor x, Tensor y)
    {
        lock (_operation)
        {
            int parts = Parts(x.Shape[0]);
            if (parts == 1)
            {
                SumRows(x, y, x.Shape[0], x.Shape[1], 1, accumulate: true);
                return;
            }

            Tensor partial = Scratch.Rent(new Shape(parts, x.Shape[1]), DType.F32);
            SumRows(x, partial, x.Shape[0], x.Shape[1], parts, accumulate: false);
            SumRows(partial, y, parts, x.Shape[1], 1, accumulate: true);
            Scratch.Reset();
        }
    }

    private protected override void GeluGradientCore(Tensor x, Tensor dy, Tensor dx) => MapGradient(GeluGradientEntries, x, dy, dx, accumulate: false);

    private protected override void TanhGradientCore(Tensor y, Tensor dy, bool accumulate, Tensor dx) => MapGradient(TanhGradientEntries, y, dy, dx, accumulate);

    private protected override void GegluGradientCore(Tensor g, Tensor du, Tensor dg)
    {
        int rows = du.Shape[0], width = du.Shape[1];
        lock (_operation)
        {
            KernelArguments a = Begin(GegluGradientEntries, g.DType, width);
            a.View(g);
            a.View(du);
            a.View(dg);
            a.I32(rows);
            a.I32(width);
            _cuda.Launch(Blocks((long)rows * Chunks(width), WarpsPerBlock));
        }
    }

    private protected override void AttentionGradientCore<TMod>(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y, Tensor dy, Tensor dqkv,
        in AttentionDropout dropout, Tensor dtable)
    {
        if (!dtable.IsAbsent && dropout.IsActive)
            throw new NotSupportedException("on the GPU the table of relative biases has no gradient with dropout of the probabilities; leave one out, or use the CPU");
        int headSize = HeadSize(y, heads), tokens = cuSeqlens.Tokens;
        lock (_operation)
        {
            _cuda.Enter();
            if (qkv.DType == DType.BF16) ExpectMultipleOfEight(headSize);
            Tensor mods = Heads(mod, heads), delta = Scratch.Rent(logSumExp.Shape, DType.F32);
            KernelArguments a = Begin(DeltaEntries, y.DType, 2 * headSize);
            a.View(y);
            a.View(dy);
            a.View(delta);
            a.I32(tokens);
            a.I32(headSize);
            _cuda.Launch(Blocks(tokens, WarpsPerBlock), heads);
            AttentionGradient(AttentionEntries<TMod>.KeysValues(dropout).For(qkv.DType, headSize), qkv, cuSeqlens, mods, heads, logSumExp, delta, dy, dqkv, dropout);
            AttentionGradient(AttentionEntries<TMod>.Queries(dropout).For(qkv.DType, headSize), qkv, cuSeqlens, mods, heads, logSumExp, delta, dy, dqkv, dropout);
            if (!dtable.IsAbsent) BiasGradient(qkv, cuSeqlens, mods, heads, logSumExp, delta, dy, dtable);
            Scratch.Reset();
        }
    }

    private protected override void LayerNormGradientCore(
        Tensor x, Tensor dy, Tensor weight, Tensor statistics, Tensor dweight, Tensor dbias, bool accumulate, Tensor dx)
    {
        int rows = x.Shape[0], width = x.Shape[1];
        lock (_operation)
        {
            if (!dweight.IsAbsent) NormParameters(x, dy, statistics, dweight, dbias);
            if (dx.IsAbsent) return;
            KernelArguments a = Begin(width > LargestRegisterRow && width % 8 == 0 ? NormGradientWideEntries : NormGradientEntries, x.DType, width);
            a.View(x);
            a.View(dy);
            a.View(weight);
            a.View(statistics);
            a.View(dx);
            a.I32(rows);
            a.I32(width);
            a.I32(accumulate ? 1 : 0);
            _cuda.Launch(Blocks(rows, WarpsPerBlock));
        }
    }

    private protected override void EmbedGradientCore(Tensor ids, Tensor typeIds, Tensor dy, Tensor dword, Tensor dtype)
    {
        lock (_operation)
        {
            if (!dword.IsAbsent) EmbedGradient(ids, dy, dword);
            if (dtype.IsAbsent) return;
            if (typeIds.IsAbsent) SumRowsCore(dy, dtype.Slice(0, new Shape(1, dtype.Shape[1])));
            else EmbedGradient(typeIds, dy, dtype);
        }
    }

    private protected override void ScatterRowsCore(Tensor dy, Tensor rows, Tensor dx)
    {
        int count = dy.Shape[0], width = dy.Shape[1];
        lock (_operation)
        {
            KernelArguments a = Begin(ScatterEntries, dy.DType, width);
            a.View(dy);
            a.View(rows);
            a.View(dx);
            a.I32(count);
            a.I32(dx.Shape[0]);
            a.I32(width);
            _cuda.Launch(Blocks((long)count * Chunks(width), WarpsPerBlock));
        }
    }

    private protected override void PoolGradientCore(Tensor dy, in CuSeqlens cuSeqlens, Pooling pooling, bool accumulate, Tensor dx)
    {
        int width = dy.Shape[1];
        lock (_operation)
        {
            KernelArguments a = Begin(PoolGradientEntries, dy.DType, width);
            a.View(dy);
            a.View(cuSeqlens.Borders);
            a.View(dx);
            a.I32(width);
            a.I32(pooling == Pooling.Cls ? 1 : int.MaxValue);
            a.I32(accumulate ? 1 : 0);
            _cuda.Launch(Blocks((long)cuSeqlens.Longest * Chunks(width), WarpsPerBlock), cuSeqlens.Sequences);
        }
    }

    private protected override void CrossEntropyGradientCore(Tensor logits, Tensor labels, Tensor weights, Tensor scale, Tensor dlogits)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(CrossEntropyGradientEntries, logits.DType);
            a.View(logits);
            a.View(labels);
            a.View(weights);
            a.View(scale);
            a.View(dlogits);
            a.I32(logits.Shape[1]);
            _cuda.Launch(logits.Shape[0]);
        }
    }

    private protected override void BinaryCrossEntropyGradientCore(Tensor logits, Tensor targets, Tensor weights, Tensor scale, Tensor dlogits) =>
        ElementLoss(BinaryCrossEntropyGradientEntries, logits, targets, weights, dlogits, scale);

    private protected override void SquaredErrorGradientCore(Tensor x, Tensor targets, Tensor weights, Tensor scale, Tensor dx) =>
        ElementLoss(SquaredErrorGradientEntries, x, targets, weights, dx, scale);

    private protected override void ScaleCore(Tensor x, float factor, Tensor y)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(ScaleEntries, x.DType);
            a.View(x);
            a.View(y);
            a.I64(x.Count);
            a.F32(factor);
            _cuda.Launch(Blocks(x.Count, FlatBlock));
        }
    }

    private protected override void AddCore(Tensor x, Tensor z, Tensor y)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(AddEntries, x.DType);
            a.View(x);
            a.View(z);
            a.View(y);
            a.I64(x.Count);
            _cuda.Launch(Blocks(x.Count, FlatBlock));
        }
    }

    private void AttentionGradient(
        in Entries entries, Tensor qkv, in CuSeqlens cuSeqlens, Tensor mods, int heads, Tensor logSumExp, Tensor delta, Tensor dy, Tensor dqkv,
        in AttentionDropout dropout)
    {
        int headSize = dy.Shape[1] / heads;
        KernelArguments a = Begin(entries, qkv.DType, 2 * headSize);
        a.View(qkv);
        a.View(cuSeqlens.Borders);
        a.View((nint)mods.Address, heads);
        a.View(logSumExp);
        a.View(delta);
        a.View(dy);
        a.View(dqkv);
        a.I32(headSize);
        a.I32(cuSeqlens.Tokens);
        a.F32((float)(1 / Math.Sqrt(headSize)));
        if (dropout.IsActive) a.Dropout((nint)dropout.Stream.Address, dropout.Probability, dropout.Site);
        _cuda.Launch(
            Blocks(cuSeqlens.Longest, AttentionTile), heads, cuSeqlens.Sequences, qkv.DType == DType.BF16 ? -1 : AttentionShared(4, headSize));
    }

    /// <summary>Adds the gradient of the table of relative biases: each block's sums, and the sum of those.</summary>
    private void BiasGradient(Tensor qkv, in CuSeqlens cuSeqlens, Tensor mods, int heads, Tensor logSumExp, Tensor delta, Tensor dy, Tensor dtable)
    {
        int headSize = dy.Shape[1] / heads, tiles = (int)Blocks(cuSeqlens.Longest, AttentionTile), blocks = tiles * cuSeqlens.Sequences, width = (int)dtable.Count;
        if (blocks == 0) return;
        Tensor sums = Scratch.Rent(new Shape(blocks, width), DType.F32);
        KernelArguments a = Begin(BiasGradientEntries, qkv.DType, 2 * headSize);
        a.View(qkv);
        a.View(cuSeqlens.Borders);
        a.View((nint)mods.Address, heads);
        a.View(logSumExp);
        a.View(delta);
        a.View(dy);
        a.View(sums);
        a.I32(headSize);
        a.I32(cuSeqlens.Tokens);
        a.I32(dtable.Shape[1]);
        a.F32((float)(1 / Math.Sqrt(headSize)));
        _cuda.Launch(tiles, heads, cuSeqlens.Sequences, AttentionShared(4, headSize) + (2 * AttentionTile * sizeof(float)));
        SumRowsCore(sums, dtable);
    }

    /// <summary>Parts of the rows that are summed on their own.</summary>
    private static int Parts(int rows) => (int)Math.Clamp(Blocks(rows, RowsPerPart), 1, MaxParts);

    /// <summary>The rows of a part, such that rows of 0 that fill the last tile change no sum.</summary>
    private static int RowsOfPart(int rows, int parts) => (int)Blocks(Blocks(rows, MatMulTile) * MatMulTile, parts);

    private void SumRows(Tensor x, Tensor y, int rows, int width, int parts, bool accumulate)
    {
        KernelArguments a = Begin(SumRowsEntries, x.DType);
        a.View(x);
        a.View(y);
        a.I32(rows);
        a.I32(width);
        a.I32(RowsOfPart(rows, parts));
        a.I32(accumulate ? 1 : 0);
        _cuda.Launch(Chunks(width), parts);
    }

    private void NormParameters(Tensor x, Tensor dy, Tensor statistics, Tensor dweight, Tensor dbias)
    {
        int rows = x.Shape[0], width = x.Shape[1], parts = Parts(rows);
        _cuda.Enter();
        Tensor weights = Scratch.Rent(new Shape(parts, width), DType.F32), biases = Scratch.Rent(new Shape(parts, width), DType.F32);
        KernelArguments a = Begin(NormParametersEntries, x.DType, width);
        a.View(x);
        a.View(dy);
        a.View(statistics);
        a.View(weights);
        a.View(biases);
        a.I32(rows);
        a.I32(width);
        a.I32(RowsOfPart(rows, parts));
        _cuda.Launch(Chunks(width), parts);
        SumRows(weights, dweight, parts, width, 1, accumulate: true);
        SumRows(biases, dbias, parts, width, 1, accumulate: true);
        Scratch.Reset();
    }

    private void EmbedGradient(Tensor ids, Tensor dy, Tensor dtable)
    {
        int width = dy.Shape[1];
        KernelArguments a = Begin(EmbedGradientEntries, dy.DType, width);
        a.View(ids);
        a.View(dy);
        a.View(dtable);
        a.I32(dy.Shape[0]);
        a.I32(width);
        _cuda.Launch(dtable.Shape[0], Chunks(width));
    }

    private void MapGradient(in Entries entries, Tensor kept, Tensor dy, Tensor dx, bool accumulate)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(entries, dy.DType);
            a.View(kept);
            a.View(dy);
            a.View(dx);
            a.I64(dx.Count);
            a.I32(accumulate ? 1 : 0);
            _cuda.Launch(Blocks(dx.Count, FlatBlock));
        }
    }

    private void Product(in Entries entries, Tensor left, Tensor right, Tensor residual, Tensor y, int depth)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(entries, left.DType);
            a.View(left);
            a.View(right);
            a.View(default(Tensor));
            a.View(residual);
            a.View(y);
            a.I32(y.Shape[0]);
            a.I32(y.Shape[1]);
            a.I32(depth);
            _cuda.Launch(Blocks(y.Shape[1], MatMulTile), (int)Blocks(y.Shape[0], MatMulTile));
        }
    }
}
