using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>Elementary functions in float32, one source for every SIMD form.</summary>
internal static class Elementary
{
    /// <summary>
    /// <c>e^x</c> within 2 ulp: <c>2^n · p(r)</c> with <c>r = x − n·ln 2</c> in two parts and the Cephes polynomial of degree 6.
    /// Below −87.33 the result is 0 (also for −∞); above 88 it stays at <c>e^88</c>.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp<T>(T x)
        where T : unmanaged, ISimd<T>
    {
        T lowest = -87.33f;
        T clamped = T.Min(T.Max(x, lowest), 88.0f);
        T n = T.Round(clamped * 1.44269504088896341f);
        T r = T.MultiplyAdd(n, -0.693359375f, clamped);
        r = T.MultiplyAdd(n, 2.12194440e-4f, r);
        T p = 1.9875691500e-4f;
        p = T.MultiplyAdd(p, r, 1.3981999507e-3f);
        p = T.MultiplyAdd(p, r, 8.3334519073e-3f);
        p = T.MultiplyAdd(p, r, 4.1665795894e-2f);
        p = T.MultiplyAdd(p, r, 1.6666665459e-1f);
        p = T.MultiplyAdd(p, r, 5.0000001201e-1f);
        T y = T.MultiplyAdd(p, r * r, r) + 1f;
        return T.IfLess(x, lowest, 0f, T.Scale(y, n));
    }

    /// <summary>
    /// <c>tanh x</c> within 3 ulp (Cephes): a polynomial below 0.625, <c>1 − 2 / (e^2x + 1)</c> above. NaN stays NaN, so that a model that
    /// has lost its numbers does not answer as if it had them.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh<T>(T x)
        where T : unmanaged, ISimd<T>
    {
        T magnitude = T.Abs(x);
        T z = x * x;
        T p = -5.70498872745e-3f;
        p = T.MultiplyAdd(p, z, 2.06390887954e-2f);
        p = T.MultiplyAdd(p, z, -5.37397155531e-2f);
        p = T.MultiplyAdd(p, z, 1.33314422036e-1f);
        p = T.MultiplyAdd(p, z, -3.33332819422e-1f);
        T small = T.MultiplyAdd(p * z, x, x);
        T e = Exp(magnitude + magnitude);
        T large = 1f - (2f / (e + 1f));
        large = T.IfLess(x, 0f, -large, large);
        return T.IfLess(magnitude, 0.625f, small, T.IfLess(0.5f, magnitude, large, x));
    }

    /// <summary>
    /// The exact (erf) GELU, <c>x·Φ(x) = max(x, 0) − |x|·Φ(−|x|)</c>: absolute error below 2e-8 before rounding, and the negative tail
    /// keeps its relative accuracy.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Gelu<T>(T x)
        where T : unmanaged, ISimd<T>
    {
        T z = T.Abs(x);
        return T.Max(x, 0f) - (z * NormalTail(z, out _));
    }

    /// <summary>The derivative of GELU, <c>Φ(x) + x·φ(x)</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T GeluDerivative<T>(T x)
        where T : unmanaged, ISimd<T>
    {
        T tail = NormalTail(T.Abs(x), out T exponential);
        T cumulative = T.IfLess(x, 0f, tail, 1f - tail);
        return T.MultiplyAdd(x * exponential, 0.398942280401432678f, cumulative);
    }

    /// <summary>
    /// <c>Φ(−z) = e^(−z²/2) · t·P(t)</c> for z ≥ 0, with <c>t = 1 / (1 + 0.26 z)</c> and P of degree 6 fitted over [0, 13] (minimax:
    /// absolute error of <c>z·Φ(−z)</c> below 2e-8, relative error below 1.2e-5 in the tail, both before rounding).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T NormalTail<T>(T z, out T exponential)
        where T : unmanaged, ISimd<T>
    {
        T t = 1f / T.MultiplyAdd(z, 0.26f, 1f);
        T p = -0.0719460243968f;
        p = T.MultiplyAdd(p, t, 0.224175614558f);
        p = T.MultiplyAdd(p, t, -0.097472247141f);
        p = T.MultiplyAdd(p, t, 0.157942997619f);
        p = T.MultiplyAdd(p, t, 0.0775582340268f);
        p = T.MultiplyAdd(p, t, 0.106124382429f);
        p = T.MultiplyAdd(p, t, 0.10361698577f);
        exponential = Exp(z * z * -0.5f);
        return p * t * exponential;
    }
}
