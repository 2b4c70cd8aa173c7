using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>
/// AdamW (Loshchilov and Hutter, arXiv 1711.05101), as PyTorch computes it, in one pass: <c>w −= lr · decay · w</c>;
/// <c>m = β₁ m + (1 − β₁) g</c>; <c>v = β₂ v + (1 − β₂) g²</c>; <c>w −= lr / (1 − β₁ᵗ) · m / (sqrt(v / (1 − β₂ᵗ)) + eps)</c>, with g the
/// gradient times <paramref name="gradientScale"/>. w, g, m, v: [count].
/// </summary>
internal readonly unsafe struct AdamWJob<T>(
    AdamWStep s, float gradientScale, bool decays, float* w, float* g, float* m, float* v, long count) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, 1024, worker, workers);
        float keep = decays ? s.Keep : 1;
        long i = start;
        for (; i + T.Lanes <= end; i += T.Lanes) One<T>(i, keep);
        for (; i < end; i++) One<SimdScalar>(i, keep);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void One<TR>(long i, float keep)
        where TR : unmanaged, ISimd<TR>
    {
        TR gradient = TR.Load(g + i) * gradientScale;
        TR first = TR.MultiplyAdd(s.Beta1, TR.Load(m + i), (1 - s.Beta1) * gradient);
        TR second = TR.MultiplyAdd(s.Beta2, TR.Load(v + i), (1 - s.Beta2) * gradient * gradient);
        TR denominator = TR.MultiplyAdd(TR.Sqrt(second), s.RootCorrection, s.Epsilon);
        TR decayed = TR.Load(w + i) * keep;
        TR.Store(m + i, first);
        TR.Store(v + i, second);
        TR.Store(w + i, decayed - (s.Rate * (first / denominator)));
    }
}
