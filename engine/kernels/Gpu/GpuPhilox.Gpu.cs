namespace Engine.Kernels.Gpu;

/// <summary>The counter-based generator of <see cref="Philox"/>, bit for bit.</summary>
internal static class GpuPhilox
{
    /// <summary>Block <paramref name="index"/> of the random words of a seed at a step and a site.</summary>
    public static UInt4 Block(long index, uint seedLow, uint seedHigh, uint step, uint site)
    {
        UInt4 counter = new((uint)index, (uint)(index >> 32), site, step);
        uint key0 = seedLow, key1 = seedHigh;
        for (int round = 0; round < 10; round++)
        {
            counter = Round(counter, key0, key1);
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }

        return counter;
    }

    /// <summary>Four blocks in one loop.</summary>
    /// <param name="low">The lower word of each block's number.</param>
    /// <param name="high">The upper word.</param>
    /// <param name="seedLow">The seed's lower half.</param>
    /// <param name="seedHigh">Its upper half.</param>
    /// <param name="step">The step.</param>
    /// <param name="site">The site.</param>
    public static FourBlocks Four(UInt4 low, UInt4 high, uint seedLow, uint seedHigh, uint step, uint site)
    {
        UInt4 a = new(low.X, high.X, site, step), b = new(low.Y, high.Y, site, step), c = new(low.Z, high.Z, site, step),
            d = new(low.W, high.W, site, step);
        uint key0 = seedLow, key1 = seedHigh;
        for (int round = 0; round < 10; round++)
        {
            (a, b, c, d) = (Round(a, key0, key1), Round(b, key0, key1), Round(c, key0, key1), Round(d, key0, key1));
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }

        return new() { A = a, B = b, C = c, D = d };
    }

    private static UInt4 Round(UInt4 counter, uint key0, uint key1) => new(
        Ptx.MultiplyHigh(0xCD9E8D57, counter.Z) ^ counter.Y ^ key0, 0xCD9E8D57 * counter.Z,
        Ptx.MultiplyHigh(0xD2511F53, counter.X) ^ counter.W ^ key1, 0xD2511F53 * counter.X);
}

/// <summary>Four blocks of four words.</summary>
internal struct FourBlocks
{
    public UInt4 A, B, C, D;
}
