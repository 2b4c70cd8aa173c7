using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

internal sealed unsafe partial class CudaBackend
{
    private const int LargestRegisterRow = 1024, MatMulTile = 128, AttentionTile = 64, LargestHead = 128;

    private static readonly Entries EmbedEntries = new("embedding"), EmbedTypesEntries = new("embedding_types"),
        NormEntries = new("layer_norm"), NormWideEntries = new("layer_norm_wide"),
        LinearEntries = new("linear"), LinearGeluEntries = new("linear_gelu"), LinearGegluEntries = new("linear_geglu"),
        PoolMeanEntries = new("pool_mean"), PoolMaxEntries = new("pool_max"), PadEntries = new("pad"), GatherEntries = new("gather_rows"),
        DropoutEntries = new("dropout"), DropoutResidualEntries = new("dropout_residual"), GeluEntries = new("gelu"), GegluEntries = new("geglu"),
        TanhEntries = new("tanh"), CrossEntropyEntries = new("cross_entropy"),
        BinaryCrossEntropyEntries = new("binary_cross_entropy"), SquaredErrorEntries = new("squared_error");

    private protected override void CastCore(Tensor x, Tensor y)
    {
        lock (_operation)
        {
            _cuda.Enter();
            KernelArguments a = _cuda.Begin(x.DType == DType.F32 ? "cast_f32_bf16" : "cast_bf16_f32");
            a.View(x);
            a.View(y);
            a.I64(x.Count);
            _cuda.Launch(Blocks(x.Count, FlatBlock));
        }
    }

    private protected override void EmbedCore(Tensor ids, Tensor typeIds, Tensor word, Tensor type, in Norm norm, Tensor sum, Tensor statistics, Tensor y)
    {
        int tokens = y.Shape[0], width = y.Shape[1];
        if (width > LargestRegisterRow)
        {
            EmbedWide(ids, typeIds, word, type, norm, sum, statistics, y);
            return;
        }

        lock (_operation)
        {
            KernelArguments a = Begin(typeIds.IsAbsent ? EmbedEntries : EmbedTypesEntries, y.DType, width);
            a.View(ids);
            a.View(typeIds);
            a.View(word);
            a.View(type);
            a.View(norm.Weight);
            a.View(norm.Bias);
            a.View((void*)sum.Address == (void*)y.Address ? default : sum);
            a.View(statistics);
            a.View(y);
            a.I32(tokens);
            a.I32(word.Shape[0]);
            a.I32(type.Shape[0]);
            a.I32(width);
            a.F32(norm.Epsilon);
            _cuda.Launch(Blocks(tokens, WarpsPerBlock));
        }
    }

    /// <summary>The embedding layer in rows that no warp holds in registers: gathered, added and normalised one after the other.</summary>
    private void EmbedWide(Tensor ids, Tensor typeIds, Tensor word, Tensor type, in Norm norm, Tensor sum, Tensor statistics, Tensor y)
    {
        lock (_operation)
        {
            _cuda.Enter();
            Tensor types = Scratch.Rent(y.Shape, y.DType);
            if (typeIds.IsAbsent)
            {
                typeIds = Scratch.Rent(ids.Shape, DType.I32);
                Clear(typeIds);
            }

            GatherRowsCore(word, ids, sum);
            GatherRowsCore(type, typeIds, types);
            AddCore(sum, types, sum);
            LayerNormCore(sum, norm, statistics, y);
            Scratch.Reset();
        }
    }

    private protected override void LinearCore(Tensor x, in Weight weight, Tensor bias, Activation activation, Tensor residual, Tensor y)
    {
        int rows = y.Shape[0], columns = y.Shape[1];
        Entries entries = activation switch
        {
            Activation.None => LinearEntries,
            Activation.Gelu => LinearGeluEntries,
            _ => LinearGegluEntries,
        };
        if (x.DType == DType.BF16) ExpectMultipleOfEight(weight.Inputs);
        lock (_operation)
        {
            KernelArguments a = Begin(entries, x.DType);
            a.View(x);
            a.View(weight.Data);
            a.View(bias);
            a.View(residual);
            a.View(y);
            a.I32(rows);
            a.I32(columns);
            a.I32(weight.Inputs);
            _cuda.Launch(Blocks(columns, activation == Activation.Geglu ? MatMulTile / 2 : MatMulTile), (int)Blocks(rows, MatMulTile));
        }
    }

    private protected override void AttentionCore<TMod>(
        Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y, in AttentionDropout dropout)
    {
        int headSize = HeadSize(y, heads);
        lock (_operation)
        {
            _cuda.Enter();
            Tensor mods = Heads(mod, heads);
            bool tensorCores = qkv.DType == DType.BF16;
            if (tensorCores) ExpectMultipleOfEight(headSize);
            KernelArguments a = Begin(AttentionEntries<TMod>.Forward(dropout).For(qkv.DType, headSize), qkv.DType, 2 * headSize);
            a.View(qkv);
            a.View(cuSeqlens.Borders);
            a.View((nint)mods.Address, heads);
            a.View(logSumExp);
            a.View(y);
            a.I32(headSize);
            a.I32(cuSeqlens.Tokens);
            a.F32((float)(1 / Math.Sqrt(headSize)));
            if (dropout.IsActive) a.Dropout((nint)dropout.Stream.Address, dropout.Probability, dropout.Site);
            if (tensorCores)
                _cuda.Launch(Blocks(cuSeqlens.Longest, headSize <= 64 && !dropout.IsActive ? 2 * AttentionTile : AttentionTile), heads, cuSeqlens.Sequences);
            else
                _cuda.Launch(Blocks(cuSeqlens.Longest, AttentionTile), heads, cuSeqlens.Sequences, AttentionShared(3, headSize));
        }
    }

    /// <summary>Bytes of shared memory for so many tiles of a head, and one of scores.</summary>
    private static int AttentionShared(int tiles, int headSize) => sizeof(float) * AttentionTile * ((tiles * ((headSize + 7) & ~3)) + AttentionTile + 4);

    private static int HeadSize(Tensor y, int heads)
    {
        int headSize = y.Shape[1] / heads;
        return headSize <= LargestHead ? headSize : throw new NotSupportedException(
            $"attention heads of {headSize}: on the GPU their size is at most {LargestHead}; use more heads, or the CPU (--device cpu)");
    }

    private protected override void LayerNormCore(Tensor x, in Norm norm, Tensor statistics, Tensor y)
    {
        int rows = x.Shape[0], width = x.Shape[1];
        bool wide = width > LargestRegisterRow;
        lock (_operation)
        {
            KernelArguments a = Begin(wide && width % 8 == 0 ? NormWideEntries : NormEntries, x.DType, width);
            a.View(x);
            a.View(default);
            a.View(norm.Weight);
            a.View(norm.Bias);
            a.View(statistics);
            a.View(y);
            a.I32(rows);
            a.I32(width);
            a.F32(norm.Epsilon);
            _cuda.Launch(Blocks(rows, WarpsPerBlock));
        }
    }

    private protected override void PoolCore(Tensor x, in CuSeqlens cuSeqlens, Pooling pooling, Tensor y)
    {
        int width = y.Shape[1];
        lock (_operation)
        {
            KernelArguments a = Begin(pooling == Pooling.Mean ? PoolMeanEntries : PoolMaxEntries, x.DType, width);
            a.View(x);
            a.View(cuSeqlens.Borders);
            a.View(y);
            a.I32(width);
            a.I32(pooling == Pooling.Cls ? 1 : int.MaxValue);
            _cuda.Launch(Chunks(width), cuSeqlens.Sequences);
        }
    }

    private protected override void GatherRowsCore(Tensor x, Tensor rows, Tensor y)
    {
        int count = y.Shape[0], width = y.Shape[1];
        lock (_operation)
        {
            KernelArguments a = Begin(GatherEntries, x.DType, width);
            a.View(x);
            a.View(rows);
            a.View(y);
            a.I32(count);
            a.I32(x.Shape[0]);
            a.I32(width);
            _cuda.Launch(Blocks((long)count * Chunks(width), WarpsPerBlock));
        }
    }

    private protected override void DropoutCore(Tensor x, Tensor stream, int site, float probability, Tensor residual, Tensor y)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(residual.IsAbsent ? DropoutEntries : DropoutResidualEntries, x.DType);
            a.View(x);
            a.View(residual);
            a.View(y);
            a.View(stream);
            a.I64(x.Count);
            a.U32((uint)(probability * 4294967296.0));
            a.F32(1 / (1 - probability));
            a.U32((uint)site);
            _cuda.Launch(Blocks(x.Count, FlatBlock));
        }
    }

    private protected override void PadCore(Tensor x, in CuSeqlens cuSeqlens, Tensor y)
    {
        int longest = y.Shape[1], width = y.Shape[2];
        lock (_operation)
        {
            KernelArguments a = Begin(PadEntries, x.DType, width);
            a.View(x);
            a.View(cuSeqlens.Borders);
            a.View(y);
            a.I32(longest);
            a.I32(width);
            _cuda.Launch(Blocks((long)longest * Chunks(width), WarpsPerBlock), cuSeqlens.Sequences);
        }
    }

    private protected override void GegluCore(Tensor g, Tensor u)
    {
        int rows = u.Shape[0], width = u.Shape[1];
        lock (_operation)
        {
            KernelArguments a = Begin(GegluEntries, g.DType, width);
            a.View(g);
            a.View(u);
            a.I32(rows);
            a.I32(width);
            _cuda.Launch(Blocks((long)rows * Chunks(width), WarpsPerBlock));
        }
    }

    private protected override void GeluCore(Tensor x, Tensor y) => Map(GeluEntries, x, y);

    private protected override void TanhCore(Tensor x, Tensor y) => Map(TanhEntries, x, y);

    private void Map(in Entries entries, Tensor x, Tensor y)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(entries, x.DType);
            a.View(x);
            a.View(y);
            a.I64(x.Count);
            _cuda.Launch(Blocks(x.Count, FlatBlock));
        }
    }

    private protected override void CrossEntropyCore(Tensor logits, Tensor labels, Tensor weights, Tensor losses)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(CrossEntropyEntries, logits.DType);
            a.View(logits);
            a.View(labels);
            a.View(weights);
            a.View(losses);
            a.I32(logits.Shape[1]);
            _cuda.Launch(logits.Shape[0]);
        }
    }

    private protected override void BinaryCrossEntropyCore(Tensor logits, Tensor targets, Tensor weights, Tensor losses) =>
        ElementLoss(BinaryCrossEntropyEntries, logits, targets, weights, losses);

    private protected override void SquaredErrorCore(Tensor x, Tensor targets, Tensor weights, Tensor losses) =>
        ElementLoss(SquaredErrorEntries, x, targets, weights, losses);

    /// <summary>An element-by-element loss, or with a scale its gradient.</summary>
    private void ElementLoss(in Entries entries, Tensor x, Tensor targets, Tensor weights, Tensor result, Tensor scale = default)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(entries, x.DType);
            a.View(x);
            a.View(targets);
            a.View(weights);
            if (!scale.IsAbsent) a.View(scale);
            a.View(result);
            a.I32(checked((int)x.Count));
            _cuda.Launch(Blocks(x.Count, ElementLossBlock));
        }
    }
}
