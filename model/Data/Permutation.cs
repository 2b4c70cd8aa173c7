using System.Numerics;
using Engine.Kernels;

namespace Dnabert2.Data;

/// <summary>
/// A pseudo-random permutation of the numbers below a count that needs no table: a Feistel network whose rounds are blocks of the
/// counter-based generator, walked until the result is below the count (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002).
/// </summary>
internal readonly struct Permutation
{
    private const int Rounds = 6;
    private readonly Philox _random;
    private readonly long _count;
    private readonly int _halfBits;
    private readonly uint _mask;

    /// <summary>The permutation of a seed, a number (an epoch, say) and a site.</summary>
    public Permutation(ulong seed, uint number, uint site, long count)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        (_random, _count) = (new Philox(seed, number, site), count);
        _halfBits = Math.Max(1, (65 - BitOperations.LeadingZeroCount((ulong)count - 1)) / 2);
        _mask = (uint)((1ul << _halfBits) - 1);
    }

    /// <summary>Where a number goes.</summary>
    public long At(long index)
    {
        do index = Encrypt(index);
        while (index >= _count);
        return index;
    }

    private long Encrypt(long index)
    {
        uint left = (uint)(index >> _halfBits), right = (uint)index & _mask;
        for (uint round = 0; round < Rounds; round++)
        {
            (uint x, _, _, _) = _random.Block(((ulong)round << 32) | right);
            (left, right) = (right, left ^ (x & _mask));
        }

        return ((long)left << _halfBits) | right;
    }
}
