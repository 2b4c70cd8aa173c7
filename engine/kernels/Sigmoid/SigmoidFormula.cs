using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary><c>1 / (1 + exp(−a))</c>. The exponential takes NaN for a number; it stays NaN here.</summary>
internal readonly struct SigmoidFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
    {
        T value = T.Reciprocal(1f + T.Exp(-a));
        return T.IfLess(a, 0f, value, T.IfLess(-1f, a, value, a));
    }
}

/// <summary>The gradient of the logistic function: a is its result, b the gradient of that.</summary>
internal readonly struct SigmoidGradient : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => b * a * (1f - a);
}
