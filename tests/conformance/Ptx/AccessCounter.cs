using System.Numerics;

namespace Conformance.Ptx;

/// <summary>Counts the cost of one instruction's accesses to one kind of memory over a launch.</summary>
internal struct AccessCounter
{
    public long Accesses, Transactions, Ideal;
    public int Degree;

    /// <summary>
    /// A warp's access to shared memory: 32 banks of 4 bytes; 8-byte accesses go by half-warps, 16-byte ones by quarters, and each such
    /// phase takes as many passes as the most distinct words that one bank must give.
    /// </summary>
    public void Shared(ReadOnlySpan<ulong> addresses, uint mask, int size)
    {
        if (mask == 0) return;
        Accesses++;
        int lanes = size <= 4 ? 32 : 128 / size;
        uint phase = lanes == 32 ? uint.MaxValue : (1u << lanes) - 1;
        for (int first = 0; first < 32; first += lanes)
        {
            uint active = mask & (phase << first);
            if (active == 0) continue;
            int degree = PhaseDegree(addresses, active, Math.Max(1, size / 4));
            Ideal++;
            Transactions += degree;
            Degree = Math.Max(Degree, degree);
        }
    }

    private static int PhaseDegree(ReadOnlySpan<ulong> addresses, uint active, int words)
    {
        // Mostly each word lies in a bank of its own.
        uint banks = 0, own = words == 32 ? uint.MaxValue : (1u << words) - 1;
        bool apart = true;
        for (uint rest = active; rest != 0 && apart; rest &= rest - 1)
        {
            uint these = BitOperations.RotateLeft(own, (int)(addresses[BitOperations.TrailingZeroCount(rest)] >> 2));
            apart = (banks & these) == 0;
            banks |= these;
        }

        return apart ? 1 : CrowdedDegree(addresses, active, words);
    }

    private static int CrowdedDegree(ReadOnlySpan<ulong> addresses, uint active, int words)
    {
        Span<uint> seen = stackalloc uint[32];
        Span<int> bank = stackalloc int[32], counts = stackalloc int[32];
        Span<uint> more = stackalloc uint[32];
        counts.Clear();
        int extra = 0, degree = 1;
        for (; active != 0; active &= active - 1)
        {
            uint word = (uint)addresses[BitOperations.TrailingZeroCount(active)] >> 2;
            for (uint end = word + (uint)words; word < end; word++)
            {
                int b = (int)(word & 31);
                if (counts[b] == 0)
                {
                    counts[b] = 1;
                    seen[b] = word;
                }
                else if (seen[b] != word && !more[..extra].Contains(word))
                {
                    more[extra++] = word;
                    degree = Math.Max(degree, ++counts[b]);
                }
            }
        }
        return degree;
    }

    /// <summary>A warp's access to global memory, in sectors of 32 bytes.</summary>
    public void Global(ReadOnlySpan<ulong> addresses, uint mask, int size)
    {
        if (mask == 0) return;
        Span<ulong> sorted = stackalloc ulong[32];
        int count = 0;
        bool ascending = true;
        for (; mask != 0; mask &= mask - 1)
        {
            ulong address = addresses[BitOperations.TrailingZeroCount(mask)];
            ascending &= count == 0 || sorted[count - 1] <= address;
            sorted[count++] = address;
        }
        if (!ascending) sorted[..count].Sort();
        int sectors = 0, distinct = 0;
        ulong lastSector = ulong.MaxValue, last = ulong.MaxValue;
        foreach (ulong address in sorted[..count])
        {
            if (address != last) distinct++;
            if (address >> 5 != lastSector) sectors++;
            last = address;
            lastSector = address >> 5;
        }
        Accesses++;
        Transactions += sectors;
        Ideal += (distinct * size + 31) / 32;
        Degree = Math.Max(Degree, sectors);
    }
}
