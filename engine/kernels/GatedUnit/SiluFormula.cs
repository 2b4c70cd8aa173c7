using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>SiLU, <c>a · σ(a)</c> with <c>σ(a) = 1 / (1 + exp(−a))</c> (arXiv 1702.03118), one source for CPU and GPU.</summary>
internal readonly struct SiluFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
        => a * T.Reciprocal(1f + T.Exp(-a));
}

/// <summary>The gradient of SiLU, <c>b · σ(a) · (1 + a · (1 − σ(a)))</c>: b is the gradient of its result.</summary>
internal readonly struct SiluGradient : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Apply<T>(T a, T b)
        where T : unmanaged, IReal<T>
    {
        T sigmoid = T.Reciprocal(1f + T.Exp(-a));
        return b * (sigmoid * T.MultiplyAdd(a, 1f - sigmoid, 1f));
    }
}
