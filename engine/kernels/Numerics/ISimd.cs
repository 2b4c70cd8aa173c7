namespace Engine.Kernels;

/// <summary>
/// A register of floats: <see cref="IMath{TV}"/> plus memory and the few bit operations the elementary functions need. CPU kernels
/// are written once against it; the backend chooses the widest form that the machine has.
/// </summary>
/// <typeparam name="TV"><see cref="float"/> or <c>Vector128/256/512&lt;float&gt;</c>.</typeparam>
internal unsafe interface ISimd<TV> : IMath<TV>
    where TV : unmanaged
{
    /// <summary>Floats in a register.</summary>
    static abstract int Lanes { get; }

    /// <summary>
    /// Rows of the matrix product's register tile; a tile is <c>TileRows × 2·Lanes</c>. Chosen so that the accumulators, one row's
    /// broadcast and two columns fit the register file (32 registers with AVX-512, 16 otherwise).
    /// </summary>
    static abstract int TileRows { get; }

    static abstract TV Load(float* source);

    static abstract void Store(float* destination, TV value);

    /// <summary>One float in every lane.</summary>
    static abstract TV Broadcast(float value);

    /// <summary>0, 1, 2, … in the lanes.</summary>
    static abstract TV LaneIndices();

    /// <summary>The sum over the lanes.</summary>
    static abstract float Sum(TV value);

    /// <summary>The nearest integer.</summary>
    static abstract TV Round(TV value);

    /// <summary><c>value · 2^n</c> for an integer <paramref name="n"/> in [−126, 127].</summary>
    static abstract TV Scale(TV value, TV n);
}
