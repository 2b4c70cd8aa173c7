using System.Numerics;

namespace Conformance.Ptx;

/// <summary>Instructions in which the lanes of a warp exchange values or meet.</summary>
internal sealed partial class Decoder
{
    private bool WarpWide()
    {
        switch (_statement.Opcode)
        {
            case "shfl": return Shuffle();
            case "vote": return Vote();
            case "match": return Match();
            case "redux": return Redux();
            case "activemask":
                TakeType();
                int active = Destination(0, PtxType.B32);
                _instruction.Run = (warp, mask) => Fill(warp, active, mask, mask);
                return true;
            case "bar" when Take("warp"):
                Take("sync");
                int members = Source(0, PtxType.B32);
                _instruction.Run = (warp, mask) => Meet(warp, mask, members);
                return true;
            default:
                return false;
        }
    }

    private static void Fill(Warp warp, int d, uint mask, ulong value)
    {
        for (; mask != 0; mask &= mask - 1) warp.R[d + BitOperations.TrailingZeroCount(mask)] = value;
    }

    private static void Meet(Warp warp, uint mask, int members) =>
        warp.SynchroniseMembers(mask, (uint)warp.R[members + BitOperations.TrailingZeroCount(mask)]);

    private bool Shuffle()
    {
        if (!Take("sync")) throw Error("only the .sync form is supported:");
        char mode = TakeAny("up", "down", "bfly", "idx").FirstOrDefault();
        TakeType();
        PtxOperand to = Operand(0);
        bool pair = to.Kind == OperandKind.Pair;
        int d = Destination(pair ? to.Items[0] : to, PtxType.B32), p = pair ? PredicateDestination(to.Items[1]) : -1;
        int a = Source(1, PtxType.B32), b = Source(2, PtxType.B32), c = Source(3, PtxType.B32), members = Source(4, PtxType.B32);
        _instruction.Run = (warp, mask) =>
        {
            Meet(warp, mask, members);
            ulong[] r = warp.R;
            Span<ulong> values = stackalloc ulong[32];
            r.AsSpan(a, 32).CopyTo(values);
            uint inRange = 0;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                int source = ShuffleSource(mode, lane, (int)r[b + lane] & 0x1F, (int)r[c + lane], out bool valid);
                if (!valid) source = lane;
                else inRange |= 1u << lane;
                if ((mask >> source & 1) == 0)
                    throw warp.Fault(FaultKind.InactiveLane, lane,
                        $"the shuffle reads lane {source}, which does not take part (lanes 0x{mask:X8} do)");
                r[d + lane] = values[source];
            }
            SetPredicate(warp, p, mask, inRange);
        };
        return true;
    }

    /// <summary>
    /// The lane a shuffle reads, by the formulas of the PTX manual; c holds the clamp in bits 0-4 and the segment mask in bits 8-12.
    /// </summary>
    private static int ShuffleSource(char mode, int lane, int b, int c, out bool valid)
    {
        int segment = c >> 8 & 0x1F, clamp = c & 0x1F;
        int greatest = (lane & segment) | (clamp & ~segment), least = lane & segment;
        int source = mode switch
        {
            'u' => lane - b,
            'd' => lane + b,
            'b' => lane ^ b,
            _ => least | (b & ~segment),
        };
        valid = mode == 'u' ? source >= greatest : source <= greatest;
        return source;
    }

    private bool Vote()
    {
        Take("sync");
        string mode = TakeAny("all", "any", "uni", "ballot");
        bool ballot = TakeType() != PtxType.Pred;
        int d = ballot ? Destination(0, PtxType.B32) : PredicateDestination(Operand(0));
        PredicateSource a = Predicate(1);
        int members = Source(2, PtxType.B32);
        _instruction.Run = (warp, mask) =>
        {
            Meet(warp, mask, members);
            uint votes = a.Read(warp) & mask;
            if (ballot)
            {
                Fill(warp, d, mask, votes);
                return;
            }
            bool result = mode switch
            {
                "all" => votes == mask,
                "any" => votes != 0,
                _ => votes == mask || votes == 0,
            };
            SetPredicate(warp, d, mask, result ? uint.MaxValue : 0);
        };
        return true;
    }

    private bool Match()
    {
        bool all = TakeAny("any", "all") == "all";
        Take("sync");
        PtxType type = TakeType();
        PtxOperand to = Operand(0);
        bool pair = to.Kind == OperandKind.Pair;
        int d = Destination(pair ? to.Items[0] : to, PtxType.B32), p = pair ? PredicateDestination(to.Items[1]) : -1;
        int a = Source(1, type), members = Source(2, PtxType.B32);
        _instruction.Run = (warp, mask) =>
        {
            Meet(warp, mask, members);
            ulong[] r = warp.R;
            Span<uint> same = stackalloc uint[32];
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                for (uint others = mask; others != 0; others &= others - 1)
                {
                    int other = BitOperations.TrailingZeroCount(others);
                    if (r[a + other] == r[a + lane]) same[lane] |= 1u << other;
                }
            }
            bool equal = same[BitOperations.TrailingZeroCount(mask)] == mask;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                r[d + lane] = !all ? same[lane] : equal ? mask : 0;
            }
            SetPredicate(warp, p, mask, equal ? uint.MaxValue : 0);
        };
        return true;
    }

    private bool Redux()
    {
        Take("sync");
        string operation = TakeAny("add", "min", "max", "and", "or", "xor");
        PtxType type = TakeType();
        int d = Destination(0, type), a = Source(1, type), members = Source(2, PtxType.B32);
        Func<ulong, ulong, ulong, ulong> combine = AtomicOperation(operation, type);
        _instruction.Run = (warp, mask) =>
        {
            Meet(warp, mask, members);
            int first = BitOperations.TrailingZeroCount(mask);
            ulong result = warp.R[a + first];
            for (uint rest = mask & (mask - 1); rest != 0; rest &= rest - 1)
                result = combine(result, warp.R[a + BitOperations.TrailingZeroCount(rest)], 0);
            Fill(warp, d, mask, result);
        };
        return true;
    }
}
