using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary><c>max(a, 0)</c>; NaN is not below 0 and so stays.</summary>
internal readonly struct ReluFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => T.IfLess(a, 0f, 0f, a);
}

/// <summary>The gradient of the rectifier: a is its result, b the gradient of that.</summary>
internal readonly struct ReluGradient : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => T.IfLess(0f, a, b, 0f);
}
