namespace Engine.Kernels;

/// <summary>
/// Arithmetic on a value of <typeparamref name="TV"/>: one float, a SIMD register of floats, or one double. Code written against it
/// is compiled once per form, so that a score modification or an activation has a single source for the scalar form, every SIMD
/// width, the GPU and the float64 reference.
/// </summary>
/// <typeparam name="TV">The value: <see cref="float"/>, <see cref="double"/>, <c>Vector128/256/512&lt;float&gt;</c>.</typeparam>
public interface IMath<TV>
    where TV : unmanaged
{
    /// <summary>A constant, in every lane.</summary>
    static abstract TV Constant(double value);

    /// <summary><c>a + b</c>.</summary>
    static abstract TV Add(TV a, TV b);

    /// <summary><c>a − b</c>.</summary>
    static abstract TV Subtract(TV a, TV b);

    /// <summary><c>a · b</c>.</summary>
    static abstract TV Multiply(TV a, TV b);

    /// <summary><c>a / b</c>.</summary>
    static abstract TV Divide(TV a, TV b);

    /// <summary><c>a · b + c</c>, in one rounding where the machine has it.</summary>
    static abstract TV MultiplyAdd(TV a, TV b, TV c);

    /// <summary>The larger of the two.</summary>
    static abstract TV Max(TV a, TV b);

    /// <summary>The smaller of the two.</summary>
    static abstract TV Min(TV a, TV b);

    /// <summary>The absolute value.</summary>
    static abstract TV Abs(TV a);

    /// <summary>The square root.</summary>
    static abstract TV Sqrt(TV a);

    /// <summary>The base-e exponential.</summary>
    static abstract TV Exp(TV a);

    /// <summary>The hyperbolic tangent.</summary>
    static abstract TV Tanh(TV a);

    /// <summary><c>a &lt; b ? then : otherwise</c>, lane by lane.</summary>
    static abstract TV IfLess(TV a, TV b, TV then, TV otherwise);

    /// <summary>The number of a table at a position, a whole number; before the first it is the first, past the last the last.</summary>
    static abstract TV Lookup(BiasTable table, TV index);
}
