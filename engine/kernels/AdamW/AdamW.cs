using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Engine.Kernels;

/// <summary>
/// The numbers of one AdamW step as they lie in a backend's memory: [<see cref="Count"/>] floats in this order. A step that was recorded
/// reads them anew.
/// </summary>
/// <param name="Rate">The learning rate over <c>1 − β₁ᵗ</c>.</param>
/// <param name="Keep">What decay leaves of a parameter, <c>1 − learning rate · decay</c>.</param>
/// <param name="RootCorrection"><c>1 / sqrt(1 − β₂ᵗ)</c>.</param>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="ClipNorm">The norm to which the gradients are clipped; ∞: they are not.</param>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct AdamWStep(float Rate, float Keep, float RootCorrection, float Beta1, float Beta2, float Epsilon, float ClipNorm)
{
    /// <summary>How many numbers there are.</summary>
    public const int Count = 7;

    /// <summary>The numbers of a step.</summary>
    /// <param name="learningRate">Its learning rate.</param>
    /// <param name="beta1">Decay of the first moment.</param>
    /// <param name="beta2">Decay of the second moment.</param>
    /// <param name="epsilon">Added to the root of the second moment.</param>
    /// <param name="weightDecay">Decoupled weight decay.</param>
    /// <param name="step">The number of the step, from 1, for the bias correction.</param>
    /// <param name="clipNorm">The norm to which the gradients are clipped; null: they are not.</param>
    public static AdamWStep Of(float learningRate, float beta1, float beta2, float epsilon, float weightDecay, int step, float? clipNorm) => new(
        (float)(learningRate / (1 - Math.Pow(beta1, step))), 1 - (learningRate * weightDecay), (float)(1 / Math.Sqrt(1 - Math.Pow(beta2, step))),
        beta1, beta2, epsilon, clipNorm ?? float.PositiveInfinity);
}

/// <summary>
/// AdamW (Loshchilov and Hutter, arXiv 1711.05101), as PyTorch computes it, in one pass: <c>w −= lr · decay · w</c>;
/// <c>m = β₁ m + (1 − β₁) g</c>; <c>v = β₂ v + (1 − β₂) g²</c>; <c>w −= lr / (1 − β₁ᵗ) · m / (sqrt(v / (1 − β₂ᵗ)) + eps)</c>, with g the
/// gradient times <paramref name="gradientScale"/>. w, g, m, v: [count].
/// </summary>
internal readonly unsafe struct AdamWJob<T>(AdamWStep s, float gradientScale, bool decays, float* w, float* g, float* m, float* v, long count) : IJob
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
