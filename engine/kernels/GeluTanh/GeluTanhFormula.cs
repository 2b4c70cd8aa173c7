using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>GELU in its tanh form and its derivative, one source for CPU and GPU.</summary>
internal static class GeluTanhFormula
{
    // √(2/π), and that times 0.044715 and 3 · 0.044715.
    private const float Slope = 0.797884560802865356f, Cubic = 0.0356774081363001f, Curvature = 0.1070322244089003f;

    /// <summary><c>tanh(√(2/π) (x + 0.044715 x³))</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Inner<T>(T x)
        where T : unmanaged, IReal<T>
        => T.Tanh(x * T.MultiplyAdd(x * x, Cubic, Slope));

    /// <summary>The derivative, <c>0.5 (1 + t) + 0.5 x (1 − t²) √(2/π) (1 + 3 · 0.044715 x²)</c> with t of <see cref="Inner"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Derivative<T>(T x)
        where T : unmanaged, IReal<T>
    {
        T t = Inner(x), slope = T.MultiplyAdd(x * x, Curvature, Slope);
        return 0.5f * (1f + t + (x * (1f - (t * t)) * slope));
    }
}

/// <summary><c>0.5 a (1 + tanh(√(2/π) (a + 0.044715 a³)))</c>.</summary>
internal readonly struct GeluTanhFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => 0.5f * a * (1f + GeluTanhFormula.Inner(a));
}

/// <summary>The gradient of <see cref="GeluTanhFunction"/>: a is what was activated, b the gradient of the result.</summary>
internal readonly struct GeluTanhGradient : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => GeluTanhFormula.Derivative(a) * b;
}
