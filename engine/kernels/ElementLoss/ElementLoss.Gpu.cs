using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>A loss of one prediction and one target, on the GPU; see <see cref="IElementLoss"/>.</summary>
internal interface IGpuElementLoss
{
    static abstract float Loss(float x, float target);

    static abstract float Derivative(float x, float target);
}

internal readonly struct GpuBinaryCrossEntropy : IGpuElementLoss
{
    // With e = exp(−|x|), the sigmoid is 1 / (1 + e) above 0 and e / (1 + e) below: nothing overflows.
    public static float Loss(float x, float target) => Ptx.Max(x, 0f) - (x * target) + GpuMath.Log(1f + GpuMath.Exp(-Ptx.Abs(x)));

    public static float Derivative(float x, float target)
    {
        float e = GpuMath.Exp(-Ptx.Abs(x));
        return ((x >= 0 ? 1f : e) / (1f + e)) - target;
    }
}

internal readonly struct GpuSquaredError : IGpuElementLoss
{
    public static float Loss(float x, float target) => (x - target) * (x - target);

    public static float Derivative(float x, float target) => 2f * (x - target);
}

/// <summary>
/// Losses of predictions, element by element, on the GPU: a thread an element, since a head has few outputs. weights: [count], or empty:
/// all 1. Grid: count / 256.
/// </summary>
internal static class ElementLossKernels
{
    public static void Register(KernelList list)
    {
        list.Add("binary_cross_entropy_f32", Forward<GpuBinaryCrossEntropy>, Flat.Threads);
        list.Add("binary_cross_entropy_gradient_f32", Gradient<GpuBinaryCrossEntropy>, Flat.Threads);
        list.Add("squared_error_f32", Forward<GpuSquaredError>, Flat.Threads);
        list.Add("squared_error_gradient_f32", Gradient<GpuSquaredError>, Flat.Threads);
    }

    /// <summary>losses[i] = weights[i] · l(x[i], targets[i]).</summary>
    public static void Forward<TLoss>(ArrayView<float> x, ArrayView<float> targets, ArrayView<float> weights, ArrayView<float> losses, int count)
        where TLoss : struct, IGpuElementLoss
    {
        int i = (Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        float weight = 1f;
        if (weights.Length > 0) weight = weights[i];
        losses[i] = weight * TLoss.Loss(x[i], targets[i]);
    }

    /// <summary>dx[i] = scale · weights[i] · l'(x[i], targets[i]); scale: [1]; dx may be x.</summary>
    public static void Gradient<TLoss>(
        ArrayView<float> x, ArrayView<float> targets, ArrayView<float> weights, ArrayView<float> scale, ArrayView<float> dx, int count)
        where TLoss : struct, IGpuElementLoss
    {
        int i = (Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        float weight = scale[0];
        if (weights.Length > 0) weight *= weights[i];
        dx[i] = weight * TLoss.Derivative(x[i], targets[i]);
    }
}
