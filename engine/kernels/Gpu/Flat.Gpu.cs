using ILGPU;

namespace Engine.Kernels.Gpu;

/// <summary>
/// A warp's share of a flat array of any length: 256 elements, of which the last warp may have fewer. A grid of blocks of 256 threads
/// covers 2048 elements a block.
/// </summary>
internal readonly struct Flat
{
    public const int Threads = 256, PerBlock = Threads / Warp.Size * Warp.Chunk;

    private Flat(long start, int length) => (Start, Length) = (start, length);

    /// <summary>The first element.</summary>
    public readonly long Start;

    /// <summary>The number of elements, not above 0 when there is nothing to do.</summary>
    public readonly int Length;

    public static Flat Share(long count)
    {
        long start = ((long)Grid.IdxX * PerBlock) + (Warp.Index * Warp.Chunk), left = count - start;
        return new(start, left < Warp.Chunk ? (int)left : Warp.Chunk);
    }

    /// <summary>The elements that are worked on eight at a time; the others, fewer than eight, one a lane.</summary>
    public int Whole => Length & ~7;

    /// <summary>The position of the one element that this lane does alone, or −1.</summary>
    public int Single => Whole + Warp.Lane < Length ? Whole + Warp.Lane : -1;

    /// <summary>The elements of an array.</summary>
    public ArrayView<T> Of<T>(ArrayView<T> array)
        where T : unmanaged
        => array.SubView(Start, Length);
}
