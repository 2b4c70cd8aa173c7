using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>A function of up to two values, applied element by element; one source for CPU and GPU.</summary>
internal interface IElementwise
{
    static abstract T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>;
}

/// <summary><c>a + b</c>.</summary>
internal readonly struct AddFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => a + b;
}
