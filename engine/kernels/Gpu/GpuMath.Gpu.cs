using static ILGPU.Util.Utilities;

namespace Engine.Kernels.Gpu;

/// <summary>
/// The elementary functions on the GPU, in the accuracy of the CPU's. They have a source of their own: a GPU has instructions for 2^x,
/// log₂ x and 1 / x, which the CPU's polynomials and divisions are many times as long as.
/// </summary>
internal static class GpuMath
{
    private const float Log2OfE = 1.44269504f, LogOf2 = 0.693147181f;

    /// <summary>
    /// e^x within about 2 ulp: 2^n · 2^f with the integer n nearest to x·log₂e and f computed with log₂e in two parts, so that the
    /// instruction's error is relative to the result for every x.
    /// </summary>
    public static float Exp(float a)
    {
        float x = Ptx.Min(Ptx.Max(a, -110f), 100f);
        float n = Ptx.Round(x * Log2OfE);
        float f = Ptx.Fma(x, 1.92596299e-8f, Ptx.Fma(x, Log2OfE, -n));
        return Ptx.Exp2(f) * Ptx.Exp2(n);
    }

    /// <summary>The natural logarithm of a positive number: the instruction's, corrected by one Newton step.</summary>
    public static float Log(float a)
    {
        float y = Ptx.Log2(a) * LogOf2;
        return y + Ptx.Fma(a, Exp(-y), -1f);
    }

    /// <summary>
    /// tanh x within 3 ulp (Cephes): a polynomial below 0.625, <c>1 − 2 / (e^2x + 1)</c> above. NaN stays NaN, by the polynomial.
    /// </summary>
    public static float Tanh(float a)
    {
        float magnitude = Ptx.Abs(a), z = a * a;
        float p = Ptx.Fma(-5.70498872745e-3f, z, 2.06390887954e-2f);
        p = Ptx.Fma(p, z, -5.37397155531e-2f);
        p = Ptx.Fma(p, z, 1.33314422036e-1f);
        p = Ptx.Fma(p, z, -3.33332819422e-1f);
        float small = Ptx.Fma(p * z, a, a);
        float large = 1f - (2f * Ptx.Reciprocal(Exp(magnitude + magnitude) + 1f));
        large = Select(a < 0f, -large, large);
        return Select(magnitude >= 0.625f, large, small);
    }

    /// <summary>1 / √x, both operations correctly rounded.</summary>
    public static float ReciprocalSqrt(float x) => Ptx.Reciprocal(Ptx.Sqrt(x));
}
