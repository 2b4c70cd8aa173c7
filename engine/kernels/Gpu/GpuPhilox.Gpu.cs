namespace Engine.Kernels.Gpu;

/// <summary>The counter-based generator of <see cref="Philox"/>, bit for bit.</summary>
internal static class GpuPhilox
{
    /// <summary>Block <paramref name="index"/> of the stream of a seed at a step and a site.</summary>
    public static UInt4 Block(long index, uint seedLow, uint seedHigh, uint step, uint site)
    {
        UInt4 counter = new((uint)index, (uint)(index >> 32), site, step);
        uint key0 = seedLow, key1 = seedHigh;
        for (int round = 0; round < 10; round++)
        {
            counter = new(
                Ptx.MultiplyHigh(0xCD9E8D57, counter.Z) ^ counter.Y ^ key0, 0xCD9E8D57 * counter.Z,
                Ptx.MultiplyHigh(0xD2511F53, counter.X) ^ counter.W ^ key1, 0xD2511F53 * counter.X);
            key0 += 0x9E3779B9;
            key1 += 0xBB67AE85;
        }

        return counter;
    }
}
