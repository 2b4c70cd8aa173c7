using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>
/// Sine and cosine, one source for CPU and GPU: the argument is taken to within half a period of 0 by multiples of π in three parts, each
/// of so few bits that its product with the multiple is exact, and a polynomial of degree 9 does the rest (SLEEF's for single precision).
/// Within 4 ulp of the largest value, 1, for arguments up to 10,000; NaN and infinity give NaN.
/// </summary>
internal static class SineFormula
{
    private const float High = 3.140625f, Middle = 9.67502593994140625e-4f, Low = 1.509957990978376432e-7f;

    /// <summary><c>sin x</c>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Sin<T>(T x)
        where T : unmanaged, IReal<T>
    {
        T n = T.Floor(T.MultiplyAdd(x, 0.318309886183790672f, 0.5f));
        return Signed(x, n, n);
    }

    /// <summary><c>cos x = sin(x + π/2)</c>: the multiple of π is one and a half instead of a whole number.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static T Cos<T>(T x)
        where T : unmanaged, IReal<T>
    {
        T n = T.Floor(x * 0.318309886183790672f);
        return Signed(x, n + 0.5f, n + 1f);
    }

    /// <summary>The sine of what is left of x, with the sign of the multiple.</summary>
    /// <param name="x">The argument.</param>
    /// <param name="multiple">Of π, what is taken off.</param>
    /// <param name="parity">A whole number; where it is odd the sign changes.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static T Signed<T>(T x, T multiple, T parity)
        where T : unmanaged, IReal<T>
    {
        T r = T.MultiplyAdd(multiple, -High, x);
        r = T.MultiplyAdd(multiple, -Middle, r);
        r = T.MultiplyAdd(multiple, -Low, r);
        T s = r * r;
        T p = 2.6083159809786593541503e-06f;
        p = T.MultiplyAdd(p, s, -0.0001981069071916863322258f);
        p = T.MultiplyAdd(p, s, 0.00833307858556509017944336f);
        p = T.MultiplyAdd(p, s, -0.166666597127914428710938f);
        T sine = T.MultiplyAdd(s * p, r, r);
        T half = parity * 0.5f;
        return T.IfLess(half - T.Floor(half), 0.25f, sine, -sine);
    }
}
