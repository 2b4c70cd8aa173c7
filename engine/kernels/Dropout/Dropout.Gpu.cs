using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// Dropout on the GPU, <c>y[i] = u[i] ≥ p ? x[i] / (1 − p) : 0</c> with u[i] from word i of the stream of (seed, step, site): the mask
/// is never stored, the backward pass draws it again. Grid: elements / 2048. y may be x.
/// </summary>
internal static class DropoutKernels
{
    public static void Register(KernelList list)
    {
        list.Add("dropout_f32", Forward<F32, float>, Flat.Threads);
        list.Add("dropout_bf16", Forward<BF16, ushort>, Flat.Threads);
    }

    public static void Forward<TE, T>(
        ArrayView<T> x, ArrayView<T> y, long count, float probability, uint seedLow, uint seedHigh, uint step, uint site)
        where TE : struct, IElement<T>
        where T : unmanaged
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        float scale = 1f / (1f - probability);
        Float8 v = TE.Load(share.Of(x), 0, Warp.Lane, share.Whole, 0);
        UInt4 low = GpuPhilox.Block((share.Start + TE.Low(0, Warp.Lane)) >> 2, seedLow, seedHigh, step, site);
        UInt4 high = GpuPhilox.Block((share.Start + TE.High(0, Warp.Lane)) >> 2, seedLow, seedHigh, step, site);
        TE.Store(share.Of(y), 0, Warp.Lane, share.Whole, new(Keep(v.Low, low, probability, scale), Keep(v.High, high, probability, scale)));
        if (share.Single < 0) return;
        UInt4 words = GpuPhilox.Block((share.Start + share.Single) >> 2, seedLow, seedHigh, step, site);
        int which = share.Single & 3;
        uint word = which == 0 ? words.X : which == 1 ? words.Y : which == 2 ? words.Z : words.W;
        TE.Set(share.Of(y), share.Single, Keep(TE.Get(share.Of(x), share.Single), word, probability, scale));
    }

    private static Float4 Keep(Float4 v, UInt4 words, float probability, float scale) => new(
        Keep(v.X, words.X, probability, scale), Keep(v.Y, words.Y, probability, scale),
        Keep(v.Z, words.Z, probability, scale), Keep(v.W, words.W, probability, scale));

    private static float Keep(float x, uint word, float probability, float scale) => GpuPhilox.Uniform(word) < probability ? 0 : x * scale;
}
