using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary><see cref="IMath{TV}"/> of a register, for score modifications.</summary>
internal readonly struct RegisterMath<T> : IMath<T>
    where T : unmanaged, IReal<T>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Constant(double value) => T.Constant(value);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Add(T a, T b) => a + b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Subtract(T a, T b) => a - b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Multiply(T a, T b) => a * b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Divide(T a, T b) => a / b;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T MultiplyAdd(T a, T b, T c) => T.MultiplyAdd(a, b, c);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Max(T a, T b) => T.Max(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Min(T a, T b) => T.Min(a, b);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Abs(T a) => T.Abs(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sqrt(T a) => T.Sqrt(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Exp(T a) => T.Exp(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Tanh(T a) => T.Tanh(a);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T IfLess(T a, T b, T then, T otherwise) => T.IfLess(a, b, then, otherwise);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Lookup(BiasTable table, T index) => T.Lookup(table, index);
}
