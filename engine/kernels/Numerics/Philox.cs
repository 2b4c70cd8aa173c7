namespace Engine.Kernels;

/// <summary>
/// Philox 4×32-10 (Salmon et al., «Parallel random numbers: as easy as 1, 2, 3», 2011): a counter-based generator. Block i of a
/// stream depends on key and counter alone, so dropout, masking, initialisation and shuffling are the same on every backend and for
/// every number of threads, and a resumed run needs no saved state.
/// </summary>
public readonly struct Philox
{
    private readonly uint _key0, _key1, _counter2, _counter3;

    /// <summary>The stream of a seed at a step (of training, say) and a site (the operation that draws).</summary>
    /// <param name="seed">The run's seed.</param>
    /// <param name="step">The upper counter word: the step.</param>
    /// <param name="site">The third counter word: who draws.</param>
    public Philox(ulong seed, uint step, uint site)
    {
        (_key0, _key1) = ((uint)seed, (uint)(seed >> 32));
        (_counter2, _counter3) = (site, step);
    }

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

    /// <summary>A word of the stream: number <paramref name="index"/> mod 4 of block index / 4.</summary>
    public uint Word(ulong index)
    {
        (uint x, uint y, uint z, uint w) = Block(index / 4);
        return (index % 4) switch { 0 => x, 1 => y, 2 => z, _ => w };
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

    /// <summary>A uniform number in [0, 1) of 24 bits.</summary>
    public static float Uniform(uint word) => (word >> 8) * (1f / (1 << 24));

    private static (double First, double Second) Normals(uint u, uint v)
    {
        double radius = Math.Sqrt(-2 * Math.Log((u + 1.0) / 4294967296.0)), angle = 2 * Math.PI * v / 4294967296.0;
        return (radius * Math.Cos(angle), radius * Math.Sin(angle));
    }
}
