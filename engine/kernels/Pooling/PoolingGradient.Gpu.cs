using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>The gradient of mean and [CLS] pooling on the GPU: a warp 256 columns of a token. Width is a multiple of eight.</summary>
internal static class PoolingGradientKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily(
            "pool_gradient", Flat.Threads, f32: Gradient<F32, float>, anyF32: Gradient<F32Any, float>, bf16: Gradient<BF16, ushort>);
    }

    /// <summary>
    /// dx[t] (+)= dy[s] / n for the first <paramref name="limit"/> of the tokens of sequence s, of which n count, and 0 for the others.
    /// dy: [sequences, width]; dx: [tokens, width]. Grid: (longest · ⌈width / 256⌉ / 8, sequences).
    /// </summary>
    public static void Gradient<TE, T>(ArrayView<T> dy, ArrayView<int> cuSeqlens, ArrayView<T> dx, int width, int limit, int accumulate)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int chunks = (width + Warp.Chunk - 1) / Warp.Chunk;
        int index = (Grid.IdxX * (Flat.Threads / Warp.Size)) + Warp.Index, row = index / chunks, chunk = index - (row * chunks);
        int start = cuSeqlens[Grid.IdxY], length = cuSeqlens[Grid.IdxY + 1] - start;
        if (row >= length) return;
        int counted = length < limit ? length : limit;
        float factor = row < counted ? 1f / counted : 0f;
        Float8 value = TE.Load(dy.SubView((long)Grid.IdxY * width, width), chunk, Warp.Lane, width, 0) * factor;
        ArrayView<T> target = dx.SubView((long)(start + row) * width, width);
        if (accumulate != 0) value += TE.Load(target, chunk, Warp.Lane, width, 0);
        TE.Store(target, chunk, Warp.Lane, width, value);
    }
}
