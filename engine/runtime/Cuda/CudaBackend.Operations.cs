using Engine.Kernels;
using Engine.Kernels.Gpu;

namespace Engine.Runtime.Cuda;

internal sealed unsafe partial class CudaBackend
{
    private const int LargestRegisterRow = 1024, MatMulTile = 128, AttentionTile = 64, LargestHead = 128;

    private static readonly Entries EmbedEntries = new("embedding"), EmbedTypesEntries = new("embedding_types"),
        NormEntries = new("layer_norm"), NormWideEntries = new("layer_norm_wide"),
        NormResidualEntries = new("layer_norm_residual"), NormResidualWideEntries = new("layer_norm_residual_wide"),
        LinearEntries = new("linear"), LinearGeluEntries = new("linear_gelu"), LinearGegluEntries = new("linear_geglu"),
        PoolMeanEntries = new("pool_mean"), PoolMaxEntries = new("pool_max"), TanhEntries = new("tanh"), CrossEntropyEntries = new("cross_entropy");

    private protected override void EmbedCore(Tensor ids, Tensor typeIds, Tensor word, Tensor type, in Norm norm, Tensor y)
    {
        int tokens = y.Shape[0], width = y.Shape[1];
        if (width > LargestRegisterRow) throw new NotSupportedException($"the hidden size is {width}; on the GPU embeddings have at most {LargestRegisterRow}");
        lock (_operation)
        {
            KernelArguments a = Begin(typeIds.IsAbsent ? EmbedEntries : EmbedTypesEntries, y.DType, width);
            a.View(ids);
            a.View(typeIds);
            a.View(word);
            a.View(type);
            a.View(norm.Weight);
            a.View(norm.Bias);
            a.View(default);
            a.View(default);
            a.View(y);
            a.I32(tokens);
            a.I32(word.Shape[0]);
            a.I32(type.Shape[0]);
            a.I32(width);
            a.F32(norm.Epsilon);
            _cuda.Launch(Blocks(tokens, WarpsPerBlock));
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

    private protected override void AttentionCore<TMod>(Tensor qkv, in CuSeqlens cuSeqlens, int heads, in TMod mod, Tensor logSumExp, Tensor y)
    {
        int headSize = y.Shape[1] / heads;
        if (headSize > LargestHead) throw new NotSupportedException($"the head size is {headSize}; on the GPU it is at most {LargestHead}");
        lock (_operation)
        {
            _cuda.Enter();
            Tensor mods = Heads(mod, heads);
            KernelArguments a = Begin(AttentionEntries<TMod>.Forward, qkv.DType, 2 * headSize);
            a.View(qkv);
            a.View(cuSeqlens.Borders);
            a.View((nint)mods.Address, heads);
            a.View(logSumExp);
            a.View(y);
            a.I32(headSize);
            a.I32(cuSeqlens.Tokens);
            a.F32((float)(1 / Math.Sqrt(headSize)));
            int shared = sizeof(float) * AttentionTile * ((3 * ((headSize + 7) & ~3)) + AttentionTile + 4);
            _cuda.Launch(Blocks(cuSeqlens.Longest, AttentionTile), heads, cuSeqlens.Sequences, shared);
        }
    }

    private protected override void LayerNormCore(Tensor x, Tensor residual, in Norm norm, Tensor y)
    {
        int rows = x.Shape[0], width = x.Shape[1];
        bool wide = width > LargestRegisterRow && width % 8 == 0;
        lock (_operation)
        {
            KernelArguments a = Begin(residual.IsAbsent ? (wide ? NormWideEntries : NormEntries) : wide ? NormResidualWideEntries : NormResidualEntries, x.DType, width);
            a.View(x);
            a.View(residual);
            a.View(norm.Weight);
            a.View(norm.Bias);
            a.View(default);
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

    private protected override void TanhCore(Tensor x, Tensor y)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(TanhEntries, x.DType);
            a.View(x);
            a.View(y);
            a.I64(x.Count);
            _cuda.Launch(Blocks(x.Count, FlatBlock));
        }
    }

    private protected override void CrossEntropyCore(Tensor logits, Tensor labels, Tensor losses)
    {
        lock (_operation)
        {
            KernelArguments a = Begin(CrossEntropyEntries, logits.DType);
            a.View(logits);
            a.View(labels);
            a.View(losses);
            a.I32(logits.Shape[1]);
            _cuda.Launch(logits.Shape[0]);
        }
    }
}
