namespace Engine.Kernels;

/// <summary>
/// The type in which a backend multiplies: what the factors of its matrix products are rounded to. Sums, and everything that is not a
/// matrix product with a weight, stay in <see cref="float"/>.
/// </summary>
public enum Precision
{
    /// <summary>32-bit floats.</summary>
    F32,

    /// <summary>bfloat16 factors, rounded to nearest, ties to even; 32-bit sums.</summary>
    BF16,

    /// <summary>
    /// 8-bit integers, symmetric: weights with one scale an output channel, activations with one scale a token; exact 32-bit sums.
    /// For inference alone.
    /// </summary>
    I8,
}
