using static ILGPU.Util.Utilities;

namespace Engine.Kernels.Gpu;

/// <summary>The elementary functions on the GPU, in the accuracy of the CPU's.</summary>
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

    /// <summary>tanh x within 3 ulp (Cephes): a polynomial below 0.625, <c>1 − 2 / (e^2x + 1)</c> above. NaN stays NaN, by the polynomial.</summary>
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

    /// <summary>
    /// Φ(−z) for z ≥ 0, the tail of the normal distribution: <c>e^(−z²/2) · t·P(t)</c> with <c>t = 1 / (1 + 0.26 z)</c>, the CPU's
    /// fit; see <c>Elementary.NormalTail</c>. <paramref name="density"/> is <c>e^(−z²/2)</c>.
    /// </summary>
    public static float NormalTail(float z, float density)
    {
        float t = Ptx.Reciprocal(Ptx.Fma(z, 0.26f, 1f));
        float p = Ptx.Fma(-0.0719460243968f, t, 0.224175614558f);
        p = Ptx.Fma(p, t, -0.097472247141f);
        p = Ptx.Fma(p, t, 0.157942997619f);
        p = Ptx.Fma(p, t, 0.0775582340268f);
        p = Ptx.Fma(p, t, 0.106124382429f);
        p = Ptx.Fma(p, t, 0.10361698577f);
        return p * t * density;
    }

    /// <summary>The exact (erf) GELU, x·Φ(x).</summary>
    public static float Gelu(float x)
    {
        float z = Ptx.Abs(x);
        return Ptx.Max(x, 0f) - (z * NormalTail(z, Exp(-0.5f * z * z)));
    }

    /// <summary>The derivative of the exact GELU, Φ(x) + x·φ(x).</summary>
    public static float GeluDerivative(float x)
    {
        float z = Ptx.Abs(x), density = Exp(-0.5f * z * z);
        float tail = NormalTail(z, density);
        return Ptx.Fma(x * 0.398942280f, density, Select(x < 0f, tail, 1f - tail));
    }
}
