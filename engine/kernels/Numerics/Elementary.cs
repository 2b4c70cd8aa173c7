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
    public static TV Exp<TS, TV>(TV x)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV lowest = TS.Constant(-87.33);
        TV clamped = TS.Min(TS.Max(x, lowest), TS.Constant(88.0));
        TV n = TS.Round(TS.Multiply(clamped, TS.Constant(1.44269504088896341)));
        TV r = TS.MultiplyAdd(n, TS.Constant(-0.693359375), clamped);
        r = TS.MultiplyAdd(n, TS.Constant(2.12194440e-4), r);
        TV p = TS.Constant(1.9875691500e-4);
        p = TS.MultiplyAdd(p, r, TS.Constant(1.3981999507e-3));
        p = TS.MultiplyAdd(p, r, TS.Constant(8.3334519073e-3));
        p = TS.MultiplyAdd(p, r, TS.Constant(4.1665795894e-2));
        p = TS.MultiplyAdd(p, r, TS.Constant(1.6666665459e-1));
        p = TS.MultiplyAdd(p, r, TS.Constant(5.0000001201e-1));
        TV y = TS.Add(TS.MultiplyAdd(p, TS.Multiply(r, r), r), TS.Constant(1));
        return TS.IfLess(x, lowest, TS.Constant(0), TS.Scale(y, n));
    }

    /// <summary>
    /// <c>tanh x</c> within 3 ulp (Cephes): a polynomial below 0.625, <c>1 − 2 / (e^2x + 1)</c> above. NaN stays NaN, so that a model that
    /// has lost its numbers does not answer as if it had them.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Tanh<TS, TV>(TV x)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV magnitude = TS.Abs(x);
        TV z = TS.Multiply(x, x);
        TV p = TS.Constant(-5.70498872745e-3);
        p = TS.MultiplyAdd(p, z, TS.Constant(2.06390887954e-2));
        p = TS.MultiplyAdd(p, z, TS.Constant(-5.37397155531e-2));
        p = TS.MultiplyAdd(p, z, TS.Constant(1.33314422036e-1));
        p = TS.MultiplyAdd(p, z, TS.Constant(-3.33332819422e-1));
        TV small = TS.MultiplyAdd(TS.Multiply(p, z), x, x);
        TV e = Exp<TS, TV>(TS.Add(magnitude, magnitude));
        TV large = TS.Subtract(TS.Constant(1), TS.Divide(TS.Constant(2), TS.Add(e, TS.Constant(1))));
        large = TS.IfLess(x, TS.Constant(0), TS.Subtract(TS.Constant(0), large), large);
        return TS.IfLess(magnitude, TS.Constant(0.625), small, TS.IfLess(TS.Constant(0.5), magnitude, large, x));
    }

    /// <summary>
    /// The exact (erf) GELU, <c>x·Φ(x) = max(x, 0) − |x|·Φ(−|x|)</c>: absolute error below 2e-8 before rounding, and the negative tail
    /// keeps its relative accuracy.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Gelu<TS, TV>(TV x)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV z = TS.Abs(x);
        return TS.Subtract(TS.Max(x, TS.Constant(0)), TS.Multiply(z, NormalTail<TS, TV>(z, out _)));
    }

    /// <summary>The derivative of GELU, <c>Φ(x) + x·φ(x)</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV GeluDerivative<TS, TV>(TV x)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV tail = NormalTail<TS, TV>(TS.Abs(x), out TV exponential);
        TV cumulative = TS.IfLess(x, TS.Constant(0), tail, TS.Subtract(TS.Constant(1), tail));
        return TS.MultiplyAdd(TS.Multiply(x, exponential), TS.Constant(0.398942280401432678), cumulative);
    }

    /// <summary>
    /// <c>Φ(−z) = e^(−z²/2) · t·P(t)</c> for z ≥ 0, with <c>t = 1 / (1 + 0.26 z)</c> and P of degree 6 fitted over [0, 13] (minimax:
    /// absolute error of <c>z·Φ(−z)</c> below 2e-8, relative error below 1.2e-5 in the tail, both before rounding).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static TV NormalTail<TS, TV>(TV z, out TV exponential)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV t = TS.Divide(TS.Constant(1), TS.MultiplyAdd(z, TS.Constant(0.26), TS.Constant(1)));
        TV p = TS.Constant(-0.0719460243968);
        p = TS.MultiplyAdd(p, t, TS.Constant(0.224175614558));
        p = TS.MultiplyAdd(p, t, TS.Constant(-0.097472247141));
        p = TS.MultiplyAdd(p, t, TS.Constant(0.157942997619));
        p = TS.MultiplyAdd(p, t, TS.Constant(0.0775582340268));
        p = TS.MultiplyAdd(p, t, TS.Constant(0.106124382429));
        p = TS.MultiplyAdd(p, t, TS.Constant(0.10361698577));
        exponential = Exp<TS, TV>(TS.Multiply(TS.Multiply(z, z), TS.Constant(-0.5)));
        return TS.Multiply(TS.Multiply(p, t), exponential);
    }
}
