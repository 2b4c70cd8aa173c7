using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>The exponential and what is made of it for SIMD registers: one source for every width.</summary>
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
}
