using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary><c>tanh(a)</c>.</summary>
internal readonly struct TanhFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => T.Tanh(a);
}

/// <summary>The gradient of tanh: a is its result, b the gradient of that.</summary>
internal readonly struct TanhGradient : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => b * (1f - (a * a));
}
