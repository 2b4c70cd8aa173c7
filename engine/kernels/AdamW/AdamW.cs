using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>The scalars of one AdamW step.</summary>
/// <param name="LearningRate">The step's learning rate.</param>
/// <param name="Beta1">Decay of the first moment.</param>
/// <param name="Beta2">Decay of the second moment.</param>
/// <param name="Epsilon">Added to the root of the second moment.</param>
/// <param name="WeightDecay">Decoupled weight decay.</param>
/// <param name="Step">The number of this step, from 1, for the bias correction.</param>
/// <param name="GradientScale">The factor of the gradients: clipping, accumulation.</param>
public readonly record struct AdamWStep(float LearningRate, float Beta1, float Beta2, float Epsilon, float WeightDecay, int Step, float GradientScale);

/// <summary>
/// AdamW (Loshchilov and Hutter, arXiv 1711.05101), as PyTorch computes it, in one pass: <c>w −= lr · decay · w</c>;
/// <c>m = β₁ m + (1 − β₁) g</c>; <c>v = β₂ v + (1 − β₂) g²</c>; <c>w −= lr / (1 − β₁ᵗ) · m / (sqrt(v / (1 − β₂ᵗ)) + eps)</c>.
/// w, g, m, v: [count].
/// </summary>
internal readonly unsafe struct AdamWJob<TS, TV>(AdamWStep s, float* w, float* g, float* m, float* v, long count) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, 1024, worker, workers);
        float stepSize = (float)(s.LearningRate / (1 - Math.Pow(s.Beta1, s.Step)));
        float rootCorrection = (float)(1 / Math.Sqrt(1 - Math.Pow(s.Beta2, s.Step)));
        long i = start;
        for (; i + TS.Lanes <= end; i += TS.Lanes) One<TS, TV>(i, stepSize, rootCorrection);
        for (; i < end; i++) One<SimdScalar, float>(i, stepSize, rootCorrection);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void One<TF, TR>(long i, float stepSize, float rootCorrection)
        where TF : struct, ISimd<TR>
        where TR : unmanaged
    {
        TR gradient = TF.Multiply(TF.Load(g + i), TF.Broadcast(s.GradientScale));
        TR first = TF.MultiplyAdd(TF.Broadcast(s.Beta1), TF.Load(m + i), TF.Multiply(TF.Broadcast(1 - s.Beta1), gradient));
        TR second = TF.MultiplyAdd(TF.Broadcast(s.Beta2), TF.Load(v + i), TF.Multiply(TF.Multiply(TF.Broadcast(1 - s.Beta2), gradient), gradient));
        TR denominator = TF.MultiplyAdd(TF.Sqrt(second), TF.Broadcast(rootCorrection), TF.Broadcast(s.Epsilon));
        TR decayed = TF.Multiply(TF.Load(w + i), TF.Broadcast(1 - (s.LearningRate * s.WeightDecay)));
        TF.Store(m + i, first);
        TF.Store(v + i, second);
        TF.Store(w + i, TF.Subtract(decayed, TF.Multiply(TF.Broadcast(stepSize), TF.Divide(first, denominator))));
    }
}
