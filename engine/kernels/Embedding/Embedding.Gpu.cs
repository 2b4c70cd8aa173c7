using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>The embedding layer on the GPU: a warp a token. Hidden is a multiple of eight, at most 1024.</summary>
internal static class EmbeddingKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily(
            "embedding", LayerNormKernels.Threads, f32: Forward<F32, float, No>, anyF32: Forward<F32Any, float, No>,
            bf16: Forward<BF16, ushort, No>);
        list.AddFamily(
            "embedding_types", LayerNormKernels.Threads, f32: Forward<F32, float, Yes>, anyF32: Forward<F32Any, float, Yes>,
            bf16: Forward<BF16, ushort, Yes>);
    }

    /// <summary>
    /// ids, typeIds: [tokens]; word: [vocabulary, width]; type: [types, width]; y: [tokens, width]; sum, which receives what is
    /// normalised: [tokens, width] or empty; statistics: [tokens, 2] or empty. Grid: tokens / 8. An id outside its table ends the kernel
    /// with an error.
    /// </summary>
    public static void Forward<TE, T, TTypes>(
        ArrayView<int> ids, ArrayView<int> typeIds, ArrayView<T> word, ArrayView<T> type, ArrayView<T> weight, ArrayView<T> bias,
        ArrayView<T> sum,
        ArrayView<float> statistics, ArrayView<T> y, int tokens, int vocabulary, int types, int width, float eps)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TTypes : struct, IChoice
    {
        int token = (Grid.IdxX * LayerNormKernels.RowsPerBlock) + Warp.Index;
        if (token >= tokens) return;
        int id = ids[token], typeId = 0;
        if (TTypes.Value) typeId = typeIds[token];
        if ((uint)id >= (uint)vocabulary || (uint)typeId >= (uint)types) Ptx.Trap();
        ArrayView<T> wordRow = word.SubView((long)id * width, width), typeRow = type.SubView((long)typeId * width, width);
        Float8 a = Sum<TE, T>(wordRow, typeRow, 0, width), b = Sum<TE, T>(wordRow, typeRow, 1, width);
        Float8 c = Sum<TE, T>(wordRow, typeRow, 2, width), d = Sum<TE, T>(wordRow, typeRow, 3, width);
        if (sum.Length > 0)
        {
            ArrayView<T> sumRow = sum.SubView((long)token * width, width);
            TE.Store(sumRow, 0, Warp.Lane, width, a);
            TE.Store(sumRow, 1, Warp.Lane, width, b);
            TE.Store(sumRow, 2, Warp.Lane, width, c);
            TE.Store(sumRow, 3, Warp.Lane, width, d);
        }

        LayerNormKernels.Normalise<TE, T>(a, b, c, d, weight, bias, statistics, y, token, width, eps);
    }

    private static Float8 Sum<TE, T>(ArrayView<T> word, ArrayView<T> type, int chunk, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
        => TE.LoadConstant(word, chunk, Warp.Lane, width) + TE.LoadConstant(type, chunk, Warp.Lane, width);
}
