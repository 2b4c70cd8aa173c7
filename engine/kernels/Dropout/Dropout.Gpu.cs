using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// Dropout on the GPU, <c>y[i] = keep[i] ? x[i] · scale : 0</c> plus the residual. Element i is kept if random word i of (seed,
/// step, site) is at least the threshold: the mask is never stored, the backward pass draws it again. Seed and step are read from memory
/// (randomState: seed, lower and upper word, and step), so that a recorded launch draws anew. Grid: elements / 2048. y may be x or
/// the residual.
/// </summary>
internal static class DropoutKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("dropout", Flat.Threads, f32: Forward<F32, float, No>, bf16: Forward<BF16, ushort, No>);
        list.AddFamily("dropout_residual", Flat.Threads, f32: Forward<F32, float, Yes>, bf16: Forward<BF16, ushort, Yes>);
    }

    public static void Forward<TE, T, TResidual>(
        ArrayView<T> x, ArrayView<T> residual, ArrayView<T> y, ArrayView<uint> randomState, long count, uint threshold, float scale,
        uint site)
        where TE : struct, IElement<T>
        where T : unmanaged
        where TResidual : struct, IChoice
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        uint seedLow = randomState[0], seedHigh = randomState[1], step = randomState[2];
        Float8 v = TE.Load(share.Of(x), 0, Warp.Lane, share.Whole, 0);
        UInt4 low = GpuPhilox.Block((share.Start + TE.Low(0, Warp.Lane)) >> 2, seedLow, seedHigh, step, site);
        UInt4 high = GpuPhilox.Block((share.Start + TE.High(0, Warp.Lane)) >> 2, seedLow, seedHigh, step, site);
        v = new(Keep(v.Low, low, threshold, scale), Keep(v.High, high, threshold, scale));
        if (TResidual.Value) v += TE.Load(share.Of(residual), 0, Warp.Lane, share.Whole, 0);
        TE.Store(share.Of(y), 0, Warp.Lane, share.Whole, v);
        if (share.Single < 0) return;
        UInt4 words = GpuPhilox.Block((share.Start + share.Single) >> 2, seedLow, seedHigh, step, site);
        int which = share.Single & 3;
        uint word = which == 0 ? words.X : which == 1 ? words.Y : which == 2 ? words.Z : words.W;
        float value = Keep(TE.Get(share.Of(x), share.Single), word, threshold, scale);
        if (TResidual.Value) value += TE.Get(share.Of(residual), share.Single);
        TE.Set(share.Of(y), share.Single, value);
    }

    /// <summary>Four elements with their words.</summary>
    public static Float4 Keep(Float4 v, UInt4 words, uint threshold, float scale) => new(
        Keep(v.X, words.X, threshold, scale), Keep(v.Y, words.Y, threshold, scale),
        Keep(v.Z, words.Z, threshold, scale), Keep(v.W, words.W, threshold, scale));

    private static float Keep(float x, uint word, uint threshold, float scale) => word >= threshold ? x * scale : 0;
}
