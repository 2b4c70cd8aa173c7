namespace Engine.Kernels;

/// <summary>
/// A register of floats: <see cref="IReal{T}"/> plus memory and the few bit operations the elementary functions need. CPU kernels
/// are written once against it; the backend chooses the widest form that the machine has.
/// </summary>
/// <typeparam name="T">The register itself.</typeparam>
public unsafe interface ISimd<T> : IReal<T>
    where T : unmanaged, ISimd<T>
{
    /// <summary>
    /// As of <see cref="IReal{T}"/>, said again: for a conversion the language looks into the interfaces that a constraint names, not into
    /// those that they extend.
    /// </summary>
    static abstract implicit operator T(float value);

    /// <summary>Floats in a register.</summary>
    static abstract int Lanes { get; }

    /// <summary>
    /// Rows of the matrix product's register tile; a tile is <c>TileRows × 2·Lanes</c>. Chosen so that the accumulators, one row's
    /// broadcast and two columns fit the register file (32 registers with AVX-512, 16 otherwise).
    /// </summary>
    static abstract int TileRows { get; }

    /// <summary>0, 1, 2, … in the lanes.</summary>
    static abstract T LaneIndices { get; }

    /// <summary>Reads as many floats as there are lanes.</summary>
    static abstract T Load(float* source);

    /// <summary>Writes as many floats as there are lanes.</summary>
    static abstract void Store(float* destination, T value);

    /// <summary>The sum over the lanes.</summary>
    static abstract float Sum(T value);

    /// <summary>The nearest integer.</summary>
    static abstract T Round(T value);

    /// <summary><c>value · 2^n</c> for an integer <paramref name="n"/> in [−126, 127].</summary>
    static abstract T Scale(T value, T n);
}
