using Engine.Kernels.Gpu;
using ILGPU;
using Warp = Engine.Kernels.Gpu.Warp;

namespace Engine.Kernels;

/// <summary>
/// The optimizer on the GPU: gradient norm, and AdamW (Loshchilov and Hutter, arXiv 1711.05101) with clipping in one pass over flat
/// arrays in fp32, so that a step is three launches whatever the number of parameters.
/// </summary>
internal static class AdamWKernels
{
    /// <summary>Blocks of the norm's first pass: fixed, so that the order of summation is.</summary>
    public const int NormBlocks = 1024;

    public static void Register(KernelList list)
    {
        list.Add("sum_of_squares", SumOfSquares, Flat.Threads);
        list.Add("gradient_norm", Norm, Flat.Threads);
        list.Add("adamw_f32", Step<No>, Flat.Threads);
        list.Add("adamw_bf16", Step<Yes>, Flat.Threads);
    }

    /// <summary>partial[b] = Σ x² over the chunks that block b of <see cref="NormBlocks"/> takes.</summary>
    public static void SumOfSquares(ArrayView<float> x, ArrayView<float> partial, long count)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(8);
        Float8 sum = Float8.Broadcast(0);
        for (long start = ((long)Grid.IdxX * Flat.PerBlock) + (Warp.Index * Warp.Chunk); start < count; start += (long)NormBlocks * Flat.PerBlock)
        {
            int length = count - start < Warp.Chunk ? (int)(count - start) : Warp.Chunk, whole = length & ~7;
            ArrayView<float> share = x.SubView(start, length);
            Float8 v = F32.Load(share, 0, Warp.Lane, whole, 0);
            sum = Float8.Fma(v, v, sum);
            float single = Ptx.LoadConstant(ref share[whole + Warp.Lane], whole + Warp.Lane < length);
            sum.Low.X = Ptx.Fma(single, single, sum.Low.X);
        }

        float total = Warp.BlockSum(Float8.Sum(sum), shared);
        if (Group.IdxX == 0) partial[Grid.IdxX] = total;
    }

    /// <summary>norm[0] = √ Σ partial. Grid: 1.</summary>
    public static void Norm(ArrayView<float> partial, ArrayView<float> norm)
    {
        ArrayView<float> shared = SharedMemory.Allocate<float>(8);
        float sum = partial[Group.IdxX] + partial[Group.IdxX + 256] + (partial[Group.IdxX + 512] + partial[Group.IdxX + 768]);
        float total = Warp.BlockSum(sum, shared);
        if (Group.IdxX == 0) norm[0] = Ptx.Sqrt(total);
    }

    /// <summary>
    /// A step, with g the gradient times <paramref name="gradientScale"/>, and times <c>maxNorm / norm</c> where the scaled norm exceeds it
    /// (norm empty: never): <c>m ← β₁m + (1 − β₁)g</c>, <c>v ← β₂v + (1 − β₂)g²</c>,
    /// <c>w ← keep · w − rate · m / (√v · rootCorrection + eps)</c>, with <c>keep = 1 − lr·decay</c>, <c>rate = lr / (1 − β₁ᵗ)</c>,
    /// <c>rootCorrection = 1 / √(1 − β₂ᵗ)</c>. <paramref name="rounded"/> receives w in bf16 in the variant that keeps such a copy. Grid:
    /// elements / 2048.
    /// </summary>
    public static void Step<TRounded>(
        ArrayView<float> w, ArrayView<float> gradient, ArrayView<float> m, ArrayView<float> v, ArrayView<ushort> rounded, ArrayView<float> norm,
        long count, float gradientScale, float maxNorm, float keep, float rate, float beta1, float beta2, float rootCorrection, float eps)
        where TRounded : struct, IChoice
    {
        Flat share = Flat.Share(count);
        if (share.Length <= 0) return;
        float clip = gradientScale;
        if (norm.Length > 0)
        {
            float size = norm[0] * gradientScale;
            if (size > maxNorm) clip = maxNorm / norm[0];
        }

        int lane = Warp.Lane, whole = share.Whole;
        Float8 g = F32.Load(share.Of(gradient), 0, lane, whole, 0) * clip;
        Float8 first = F32.Load(share.Of(m), 0, lane, whole, 0), second = F32.Load(share.Of(v), 0, lane, whole, 0);
        first = Float8.Fma(Float8.Broadcast(1f - beta1), g, first * beta1);
        second = Float8.Fma(Float8.Broadcast(1f - beta2), g * g, second * beta2);
        Float8 weight = F32.Load(share.Of(w), 0, lane, whole, 0) * keep;
        weight = new(Move(weight.Low, first.Low, second.Low, rate, rootCorrection, eps), Move(weight.High, first.High, second.High, rate, rootCorrection, eps));
        F32.Store(share.Of(m), 0, lane, whole, first);
        F32.Store(share.Of(v), 0, lane, whole, second);
        F32.Store(share.Of(w), 0, lane, whole, weight);
        if (TRounded.Value)
        {
            ArrayView<UInt2> pairs = share.Of(rounded).Cast<UInt2>();
            if (F32.Low(0, lane) < whole) pairs[F32.Low(0, lane) >> 2] = BF16.Pack(weight.Low);
            if (F32.High(0, lane) < whole) pairs[F32.High(0, lane) >> 2] = BF16.Pack(weight.High);
        }

        if (share.Single >= 0)
            One<TRounded>(share.Of(w), share.Of(gradient), share.Of(m), share.Of(v), rounded, share, clip, keep, rate, beta1, beta2, rootCorrection, eps);
    }

    private static void One<TRounded>(
        ArrayView<float> w, ArrayView<float> gradient, ArrayView<float> m, ArrayView<float> v, ArrayView<ushort> rounded, Flat share,
        float clip, float keep, float rate, float beta1, float beta2, float rootCorrection, float eps)
        where TRounded : struct, IChoice
    {
        int i = share.Single;
        float g = gradient[i] * clip, first = Ptx.Fma(1f - beta1, g, m[i] * beta1), second = Ptx.Fma(1f - beta2, g * g, v[i] * beta2);
        float weight = Move(w[i] * keep, first, second, rate, rootCorrection, eps);
        m[i] = first;
        v[i] = second;
        w[i] = weight;
        if (TRounded.Value) BF16.Set(share.Of(rounded), i, weight);
    }

    private static Float4 Move(Float4 w, Float4 m, Float4 v, float rate, float rootCorrection, float eps) => new(
        Move(w.X, m.X, v.X, rate, rootCorrection, eps), Move(w.Y, m.Y, v.Y, rate, rootCorrection, eps),
        Move(w.Z, m.Z, v.Z, rate, rootCorrection, eps), Move(w.W, m.W, v.W, rate, rootCorrection, eps));

    private static float Move(float w, float m, float v, float rate, float rootCorrection, float eps) =>
        w - (rate * (m / Ptx.Fma(Ptx.Sqrt(v), rootCorrection, eps)));
}
