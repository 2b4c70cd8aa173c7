using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>GELU and its derivative, one source for CPU and GPU.</summary>
internal static class GeluFormula
{
    /// <summary>
    /// The exact (erf) GELU, <c>x·Φ(x) = max(x, 0) − |x|·Φ(−|x|)</c>: absolute error below 2e-8 before rounding, and the negative tail
    /// keeps its relative accuracy.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Value<T>(T x)
        where T : unmanaged, IReal<T>
    {
        T z = T.Abs(x);
        return T.Max(x, 0f) - (z * NormalTail(z, Bell(z)));
    }

    /// <summary>The derivative of GELU, <c>Φ(x) + x·φ(x)</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, IReal<T>
    {
        T z = T.Abs(x), bell = Bell(z), tail = NormalTail(z, bell);
        return T.MultiplyAdd(x * bell, 0.398942280401432678f, T.IfLess(x, 0f, tail, 1f - tail));
    }

    /// <summary><c>e^(−z²/2)</c>: the normal density, <c>φ(z)·√2π</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Bell<T>(T z)
        where T : unmanaged, IReal<T>
        => T.Exp(z * z * -0.5f);

    /// <summary>
    /// <c>Φ(−z) = e^(−z²/2) · t·P(t)</c> for z ≥ 0, with <c>t = 1 / (1 + 0.26 z)</c> and P of degree 6 fitted over [0, 13] (minimax:
    /// absolute error of <c>z·Φ(−z)</c> below 2e-8, relative error below 1.2e-5 in the tail, both before rounding).
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T NormalTail<T>(T z, T bell)
        where T : unmanaged, IReal<T>
    {
        T t = T.Reciprocal(T.MultiplyAdd(z, 0.26f, 1f));
        T p = -0.0719460243968f;
        p = T.MultiplyAdd(p, t, 0.224175614558f);
        p = T.MultiplyAdd(p, t, -0.097472247141f);
        p = T.MultiplyAdd(p, t, 0.157942997619f);
        p = T.MultiplyAdd(p, t, 0.0775582340268f);
        p = T.MultiplyAdd(p, t, 0.106124382429f);
        p = T.MultiplyAdd(p, t, 0.10361698577f);
        return p * t * bell;
    }
}

/// <summary><c>gelu(a)</c>; see <see cref="GeluFormula.Value"/>.</summary>
internal readonly struct GeluFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => GeluFormula.Value(a);
}

/// <summary>The gradient of GELU: a is its input, b the gradient of its result.</summary>
internal readonly struct GeluGradient : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => GeluFormula.Derivative(a) * b;
}
