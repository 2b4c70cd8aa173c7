using ILGPU;

namespace Engine.Kernels.Gpu;

/// <summary>Cooperation of the 32 lanes of a warp, and of the warps of a block.</summary>
internal static class Warp
{
    public const int Size = 32;

    /// <summary>Elements that a warp works on at a time, eight a lane.</summary>
    public const int Chunk = 256;

    public static int Lane => Group.IdxX & (Size - 1);

    public static int Index => Group.IdxX >> 5;

    /// <summary>The sum over the lanes, the same in all of them.</summary>
    public static float Sum(float value)
    {
        value += Ptx.ShuffleXor(value, 16);
        value += Ptx.ShuffleXor(value, 8);
        value += Ptx.ShuffleXor(value, 4);
        value += Ptx.ShuffleXor(value, 2);
        return value + Ptx.ShuffleXor(value, 1);
    }

    /// <summary>The largest value of the lanes, the same in all of them.</summary>
    public static float Max(float value)
    {
        value = Ptx.Max(value, Ptx.ShuffleXor(value, 16));
        value = Ptx.Max(value, Ptx.ShuffleXor(value, 8));
        value = Ptx.Max(value, Ptx.ShuffleXor(value, 4));
        value = Ptx.Max(value, Ptx.ShuffleXor(value, 2));
        return Ptx.Max(value, Ptx.ShuffleXor(value, 1));
    }

    /// <summary>
    /// The sum over the eight warps of a block of 256 threads, in the order of the warps, the same in all threads. Every thread calls
    /// it; <paramref name="partial"/> is shared memory of eight floats that nothing else uses until the next barrier.
    /// </summary>
    public static float BlockSum(float value, ArrayView<float> partial)
    {
        float sum = Sum(value);
        if (Lane == 0) partial[Index] = sum;
        Group.Barrier();
        return partial[0] + partial[1] + (partial[2] + partial[3]) + (partial[4] + partial[5] + (partial[6] + partial[7]));
    }
}
