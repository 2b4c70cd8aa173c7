using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>The rotation of a pair of numbers by an angle, one number at a time.</summary>
internal static class RotaryFormula
{
    /// <summary>
    /// <c>a · cos + b · sin</c>. With (a, b, cos, −sin) it is the first number of the turned pair (a, b), with (b, a, cos, sin) the second.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Turn<T>(T a, T b, T cos, T sin)
        where T : unmanaged, IReal<T>
        => T.MultiplyAdd(a, cos, b * sin);
}
