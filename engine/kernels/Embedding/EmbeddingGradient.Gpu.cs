using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The gradient of the embeddings on the GPU, without atomic sums: a block for 256 columns of each row of the table looks through the ids,
/// each of its warps through an eighth of them, and sums the rows of dy that belong to it, so that the order is always the same. Width is
/// a multiple of eight.
/// </summary>
internal static class EmbeddingGradientKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily(
            "embedding_gradient", Flat.Threads, f32: Gradient<F32, float>, anyF32: Gradient<F32Any, float>, bf16: Gradient<BF16, ushort>);
    }

    /// <summary>
    /// dtable[i] += Σ dy[t] over the tokens with id i. ids: [tokens]; dy: [tokens, width]; dtable: [vocabulary, width] in fp32. Grid:
    /// (vocabulary, ⌈width / 256⌉). The row of the id <paramref name="padding"/> stays as it is.
    /// </summary>
    public static void Gradient<TE, T>(ArrayView<int> ids, ArrayView<T> dy, ArrayView<float> dtable, int tokens, int width, int padding)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        ArrayView<Float4> shared = SharedMemory.Allocate<Float4>(2 * Flat.Threads);
        int chunk = Grid.IdxY, id = Grid.IdxX, warps = Flat.Threads / Warp.Size;
        if (id == padding) return;
        int share = (tokens + (warps * Warp.Size) - 1) / (warps * Warp.Size) * Warp.Size;
        int end = (Warp.Index + 1) * share;
        end = end < tokens ? end : tokens;
        Float8 sum = Float8.Broadcast(0);
        for (int start = Warp.Index * share; start < end; start += Warp.Size)
        {
            int token = start + Warp.Lane, found = -1;
            if (token < end) found = ids[token];
            uint here = Ptx.Ballot(found == id);
            while (here != 0)
            {
                int t = start + Ptx.LowestBit(here);
                here &= here - 1;
                sum += TE.Load(dy.SubView((long)t * width, width), chunk, Warp.Lane, width, 0);
            }
        }

        SumRowsKernels.Combine<TE, T>(shared, sum, dtable.SubView((long)id * width, width), chunk, width, true);
    }
}
