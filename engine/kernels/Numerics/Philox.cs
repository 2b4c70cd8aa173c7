using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Engine.Kernels;

/// <summary>
/// Philox 4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a counter-based generator. Block i of the
/// words depends on key and counter alone, so dropout, masking, initialisation and shuffling are the same on every backend and for
/// every number of threads, and a resumed run needs no saved state.
/// </summary>
public readonly struct Philox
{
    private readonly uint _key0, _key1, _counter2, _counter3;

    /// <summary>The random words of a seed at a step (of training, say) and a site (the operation that draws).</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">The upper counter word: the step.</param>
    /// <param name="site">The third counter word: who draws.</param>
    public Philox(ulong seed, uint step, uint site)
    {
        (_key0, _key1) = ((uint)seed, (uint)(seed >> 32));
        (_counter2, _counter3) = (site, step);
    }

    /// <summary>The seed.</summary>
    internal ulong Seed => ((ulong)_key1 << 32) | _key0;

    /// <summary>The upper counter word.</summary>
    internal uint Step => _counter3;

    /// <summary>The third counter word.</summary>
    internal uint Site => _counter2;

    /// <summary>The four words of block <paramref name="index"/>.</summary>
    public (uint X, uint Y, uint Z, uint W) Block(ulong index)
    {
        uint c0 = (uint)index, c1 = (uint)(index >> 32), c2 = _counter2, c3 = _counter3;
        uint k0 = _key0, k1 = _key1;
        for (int round = 0; round < 10; round++)
        {
            ulong p0 = (ulong)0xD2511F53 * c0, p1 = (ulong)0xCD9E8D57 * c2;
            (c0, c1, c2, c3) = ((uint)(p1 >> 32) ^ c1 ^ k0, (uint)p1, (uint)(p0 >> 32) ^ c3 ^ k1, (uint)p0);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0, c1, c2, c3);
    }

    /// <summary>Random word number <paramref name="index"/> mod 4 of block index / 4.</summary>
    public uint Word(ulong index)
    {
        (uint x, uint y, uint z, uint w) = Block(index / 4);
        return (index % 4) switch { 0 => x, 1 => y, 2 => z, _ => w };
    }

    /// <summary>Fills with the words of successive blocks: word <c>i</c> is <c>Word(4 · firstBlock + i)</c>.</summary>
    /// <param name="words">A multiple of 16 words.</param>
    /// <param name="firstBlock">The block of the first word.</param>
    public void Fill(Span<uint> words, ulong firstBlock)
    {
        for (int i = 0; i < words.Length; i += 16, firstBlock += 4)
            FourBlocks(firstBlock, MemoryMarshal.Cast<uint, ulong>(words.Slice(i, 16)));
    }

    /// <summary>
    /// Fills with values uniform in [−<paramref name="bound"/>, <paramref name="bound"/>): element i is word i · 2⁻³¹ − 1, times the bound.
    /// </summary>
    public void FillUniform(Span<float> destination, float bound)
    {
        for (int i = 0; i < destination.Length; i++) destination[i] = (float)(((Word((ulong)i) / 2147483648.0) - 1) * bound);
    }

    /// <summary>Fills with normal deviates (Box–Muller on pairs of words), element i from words i and its partner of block i / 4.</summary>
    /// <param name="destination">The values.</param>
    /// <param name="deviation">The standard deviation.</param>
    public void FillNormal(Span<float> destination, float deviation)
    {
        for (int i = 0; i < destination.Length; i += 4)
        {
            (uint x, uint y, uint z, uint w) = Block((ulong)i / 4);
            (double a, double b) = Normals(x, y);
            (double c, double d) = Normals(z, w);
            ReadOnlySpan<float> four = [(float)(a * deviation), (float)(b * deviation), (float)(c * deviation), (float)(d * deviation)];
            four[..Math.Min(4, destination.Length - i)].CopyTo(destination[i..]);
        }
    }

    private void FourBlocks(ulong first, Span<ulong> pairs)
    {
        Vector256<ulong> low = Vector256.Create(0xFFFFFFFFul), index = Vector256.Create(first) + Vector256<ulong>.Indices;
        (Vector256<ulong> left, Vector256<ulong> right) = FourBlocks(index & low, index >>> 32);
        for (int i = 0; i < 4; i++) (pairs[2 * i], pairs[(2 * i) + 1]) = (left[i], right[i]);
    }

    /// <summary>Four blocks side by side.</summary>
    /// <param name="c0">The lower word of each block's number, in a lane of 64 bits.</param>
    /// <param name="c1">The upper word.</param>
    /// <returns>The first two words of each block, the first in the lower half, and its last two.</returns>
    internal (Vector256<ulong> Left, Vector256<ulong> Right) FourBlocks(Vector256<ulong> c0, Vector256<ulong> c1)
    {
        Vector256<ulong> low = Vector256.Create(0xFFFFFFFFul), c2 = Vector256.Create((ulong)_counter2),
            c3 = Vector256.Create((ulong)_counter3);
        uint k0 = _key0, k1 = _key1;
        for (int round = 0; round < 10; round++)
        {
            Vector256<ulong> p0 = Product(c0, 0xD2511F53), p1 = Product(c2, 0xCD9E8D57);
            (c0, c1, c2, c3) = (
                (p1 >>> 32) ^ c1 ^ Vector256.Create((ulong)k0), p1 & low, (p0 >>> 32) ^ c3 ^ Vector256.Create((ulong)k1), p0 & low);
            k0 += 0x9E3779B9;
            k1 += 0xBB67AE85;
        }

        return (c0 | (c1 << 32), c2 | (c3 << 32));
    }

    private static Vector256<ulong> Product(Vector256<ulong> words, uint factor) =>
        Avx2.IsSupported ? Avx2.Multiply(words.AsUInt32(), Vector256.Create((ulong)factor).AsUInt32()) : words * factor;

    private static (double First, double Second) Normals(uint u, uint v)
    {
        double radius = Math.Sqrt(-2 * Math.Log((u + 1.0) / 4294967296.0)), angle = 2 * Math.PI * v / 4294967296.0;
        return (radius * Math.Cos(angle), radius * Math.Sin(angle));
    }
}
