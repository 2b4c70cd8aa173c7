using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>Token dropout on the GPU: a warp a token.</summary>
internal static class TokenDropoutKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily(
            "token_dropout", Flat.Threads, f32: Forward<F32, float>, anyF32: Forward<F32Any, float>, bf16: Forward<BF16, ushort>);
    }

    /// <summary>
    /// See <see cref="ApplyTokenDropout"/>. x, y: [tokens, width], which may be one; ids: [tokens]; cuSeqlens: [sequences + 1]. Each warp
    /// counts the masks of its sequence itself. Grid: (longest / 8, sequences).
    /// </summary>
    public static void Forward<TE, T>(ArrayView<T> x, ArrayView<int> ids, ArrayView<int> cuSeqlens, ArrayView<T> y, int mask, int width)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        int start = cuSeqlens[Grid.IdxY], length = cuSeqlens[Grid.IdxY + 1] - start;
        int position = (Grid.IdxX * (Flat.Threads / Warp.Size)) + Warp.Index;
        if (position >= length) return;
        float masks = 0;
        for (int i = Warp.Lane; i < length; i += Warp.Size)
            if (ids[start + i] == mask) masks += 1;
        masks = Warp.Sum(masks);
        float scale = ids[start + position] == mask ? 0 : TokenDropoutFormula.Scale(masks, length);
        long row = (long)(start + position) * width;
        ArrayView<T> source = x.SubView(row, width), target = y.SubView(row, width);
        int chunks = (width + Warp.Chunk - 1) / Warp.Chunk;
        for (int chunk = 0; chunk < chunks; chunk++)
            TE.Store(target, chunk, Warp.Lane, width, TE.Load(source, chunk, Warp.Lane, width, 0) * scale);
    }
}
