using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>
/// As <see cref="BinaryCrossEntropyLoss"/>, for floats: with e = exp(−|x|) the sigmoid is 1 / (1 + e) above 0 and e / (1 + e) below, and
/// nothing overflows. The CPU computes losses in float64, which holds exp(−x).
/// </summary>
internal readonly struct GpuBinaryCrossEntropy : IElementLoss
{
    public static T Loss<T>(T x, T target)
        where T : unmanaged, IReal<T>
        => BinaryCrossEntropyLoss.Loss(x, target);

    public static T Derivative<T>(T x, T target)
        where T : unmanaged, IReal<T>
    {
        T e = T.Exp(-T.Abs(x));
        return (T.IfLess(x, 0f, e, 1f) / (1f + e)) - target;
    }
}

/// <summary>
/// Losses of predictions, element by element, on the GPU: a thread an element, since a head has few outputs. weights: [count], or empty:
/// all 1. Grid: count / 256.
/// </summary>
internal static class ElementLossKernels
{
    public static void Register(KernelList list)
    {
        list.AddFamily("binary_cross_entropy", Flat.Threads, f32: Forward<GpuBinaryCrossEntropy>);
        list.AddFamily("binary_cross_entropy_gradient", Flat.Threads, f32: Gradient<GpuBinaryCrossEntropy>);
        list.AddFamily("squared_error", Flat.Threads, f32: Forward<SquaredErrorLoss>);
        list.AddFamily("squared_error_gradient", Flat.Threads, f32: Gradient<SquaredErrorLoss>);
    }

    /// <summary>losses[i] = weights[i] · l(x[i], targets[i]).</summary>
    public static void Forward<TLoss>(
        ArrayView<float> x, ArrayView<float> targets, ArrayView<float> weights, ArrayView<float> losses, int count)
        where TLoss : struct, IElementLoss
    {
        int i = (Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        float weight = 1f;
        if (weights.Length > 0) weight = weights[i];
        losses[i] = weight * TLoss.Loss<GpuFloat>(x[i], targets[i]).Value;
    }

    /// <summary>dx[i] = scale · weights[i] · l'(x[i], targets[i]); scale: [1]; dx may be x.</summary>
    public static void Gradient<TLoss>(
        ArrayView<float> x, ArrayView<float> targets, ArrayView<float> weights, ArrayView<float> scale, ArrayView<float> dx, int count)
        where TLoss : struct, IElementLoss
    {
        int i = (Grid.IdxX * Flat.Threads) + Group.IdxX;
        if (i >= count) return;
        float weight = scale[0];
        if (weights.Length > 0) weight *= weights[i];
        dx[i] = weight * TLoss.Derivative<GpuFloat>(x[i], targets[i]).Value;
    }
}
