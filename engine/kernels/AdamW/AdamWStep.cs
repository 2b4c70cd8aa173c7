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
public readonly record struct AdamWStep(
    float Rate, float Keep, float RootCorrection, float Beta1, float Beta2, float Epsilon, float ClipNorm)
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
    public static AdamWStep Of(float learningRate, float beta1, float beta2, float epsilon, float weightDecay, int step, float? clipNorm) =>
        new(
        (float)(learningRate / (1 - Math.Pow(beta1, step))), 1 - (learningRate * weightDecay),
        (float)(1 / Math.Sqrt(1 - Math.Pow(beta2, step))),
        beta1, beta2, epsilon, clipNorm ?? float.PositiveInfinity);
}
