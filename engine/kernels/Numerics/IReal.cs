namespace Engine.Kernels;

/// <summary>
/// A real number as a kernel holds it: one float, a SIMD register of floats, a float of a GPU's thread, or a float64. A formula written
/// against it has one source for all of them, and is compiled once for each.
/// </summary>
/// <typeparam name="T">The number itself.</typeparam>
public interface IReal<T>
    where T : unmanaged, IReal<T>
{
    /// <summary>A constant, in every lane. Where it is the same for a whole loop, make it a local before the loop.</summary>
    static abstract implicit operator T(float value);

    /// <summary>A constant that no float has exactly; rounded where the form is one of floats.</summary>
    static abstract T Constant(double value);

    /// <summary>The sum.</summary>
    static abstract T operator +(T a, T b);

    /// <summary>The difference.</summary>
    static abstract T operator -(T a, T b);

    /// <summary>The product. On a CPU it and a sum that follows are rounded one by one; a GPU's compiler may fuse them.</summary>
    static abstract T operator *(T a, T b);

    /// <summary>The quotient.</summary>
    static abstract T operator /(T a, T b);

    /// <summary>The number with the other sign.</summary>
    static abstract T operator -(T a);

    /// <summary><c>a · b + c</c>, in one rounding where the machine has it.</summary>
    static abstract T MultiplyAdd(T a, T b, T c);

    /// <summary>The larger of the two.</summary>
    static abstract T Max(T a, T b);

    /// <summary>The smaller of the two.</summary>
    static abstract T Min(T a, T b);

    /// <summary>The absolute value.</summary>
    static abstract T Abs(T a);

    /// <summary>The largest whole number that is not above.</summary>
    static abstract T Floor(T a);

    /// <summary>The square root.</summary>
    static abstract T Sqrt(T a);

    /// <summary><c>1 / a</c>, rounded once.</summary>
    static abstract T Reciprocal(T a);

    /// <summary>The base-e exponential.</summary>
    static abstract T Exp(T a);

    /// <summary>The natural logarithm of a positive number.</summary>
    static abstract T Log(T a);

    /// <summary>The hyperbolic tangent.</summary>
    static abstract T Tanh(T a);

    /// <summary><c>a &lt; b ? then : otherwise</c>, lane by lane.</summary>
    static abstract T IfLess(T a, T b, T then, T otherwise);

    /// <summary>The number of a table at a position, a whole number; before the first it is the first, past the last the last.</summary>
    static abstract T Lookup(BiasTable table, T index);
}
