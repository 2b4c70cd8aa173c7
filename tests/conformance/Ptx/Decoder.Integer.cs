using System.Numerics;

namespace Conformance.Ptx;

/// <summary>Integer arithmetic, logic and bit fields.</summary>
internal sealed partial class Decoder
{
    private static long Signed(ulong value, int bits) => (long)(value << (64 - bits)) >> (64 - bits);

    private static ulong Trim(ulong value, int bits) => bits == 64 ? value : value & ((1UL << bits) - 1);

    private bool Integer()
    {
        List<PtxType> types = _statement.Types();
        if (types.Count == 0 || types[0].IsFloat() || types[0] == PtxType.Pred) return false;
        PtxType type = types[0];
        switch (_statement.Opcode)
        {
            case "add" or "sub" or "mul" or "mad" or "mul24" or "mad24" or "div" or "rem" or "min" or "max" or "neg" or "abs" or "sad":
                return Arithmetic(type, type.Bits(), type.IsSigned());
            case "and" or "or" or "xor" or "not" or "cnot" or "shl" or "shr" or "lop3" or "shf" or "prmt":
                return Logic(type, type.Bits());
            case "popc" or "clz" or "bfind" or "brev" or "bfe" or "bfi":
                return BitField(type, type.Bits());
            default:
                return false;
        }
    }

    private bool Arithmetic(PtxType type, int bits, bool signed)
    {
        TakeType();
        switch (_statement.Opcode)
        {
            case "add" when Take("sat"): return Binary(type, (a, b) => (uint)Math.Clamp((long)(int)a + (int)b, int.MinValue, int.MaxValue));
            case "sub" when Take("sat"): return Binary(type, (a, b) => (uint)Math.Clamp((long)(int)a - (int)b, int.MinValue, int.MaxValue));
            case "add": return Binary(type, (a, b) => Trim(a + b, bits));
            case "sub": return Binary(type, (a, b) => Trim(a - b, bits));
            case "mul" or "mad" or "mul24" or "mad24": return Multiply(type, bits, signed);
            case "div" when signed: return Binary(type, (a, b) => Trim((ulong)SignedQuotient(Signed(a, bits), Signed(b, bits)), bits));
            case "div": return Binary(type, (a, b) => b == 0 ? Trim(ulong.MaxValue, bits) : a / b);
            case "rem" when signed: return Binary(type, (a, b) => Trim((ulong)SignedRemainder(Signed(a, bits), Signed(b, bits)), bits));
            case "rem": return Binary(type, static (a, b) => b == 0 ? a : a % b);
            case "min": return Binary(type, signed ? (a, b) => Signed(a, bits) < Signed(b, bits) ? a : b : static (a, b) => Math.Min(a, b));
            case "max": return Binary(type, signed ? (a, b) => Signed(a, bits) > Signed(b, bits) ? a : b : static (a, b) => Math.Max(a, b));
            case "neg": return Unary(type, a => Trim(0UL - a, bits));
            case "abs": return Unary(type, a => Signed(a, bits) < 0 ? Trim(0UL - a, bits) : a);
            case "sad" when signed: return Ternary(type, (a, b, c) => Trim(c + Distance(Signed(a, bits), Signed(b, bits)), bits));
            default: return Ternary(type, (a, b, c) => Trim(c + Distance(a, b), bits));
        }
    }

    private static ulong Distance(Int128 a, Int128 b) => (ulong)Int128.Abs(a - b);

    // Division by zero is unspecified in PTX; the hardware gives all ones, and the dividend as remainder.
    private static long SignedQuotient(long a, long b) => b == 0 ? -1 : b == -1 ? unchecked(-a) : a / b;

    private static long SignedRemainder(long a, long b) => b == 0 ? a : b == -1 ? 0 : a % b;

    private bool Multiply(PtxType type, int bits, bool signed)
    {
        bool add = _statement.Opcode.StartsWith("mad", StringComparison.Ordinal);
        if (_statement.Opcode.EndsWith("24", StringComparison.Ordinal))
        {
            bool upper = TakeAny("lo", "hi") == "hi";
            int shift = upper ? 16 : 0;
            Func<ulong, ulong, ulong> product = signed
                ? (a, b) => (uint)(Signed(a, 24) * Signed(b, 24) >> shift)
                : (a, b) => (uint)(Trim(a, 24) * Trim(b, 24) >> shift);
            return add ? Ternary(type, (a, b, c) => (uint)(product(a, b) + c)) : Binary(type, product);
        }
        switch (TakeAny("lo", "hi", "wide"))
        {
            case "lo":
                return add ? Ternary(type, (a, b, c) => Trim(a * b + c, bits)) : Binary(type, (a, b) => Trim(a * b, bits));
            case "hi":
                Func<ulong, ulong, ulong> high = signed
                    ? (a, b) => Trim((ulong)((Int128)Signed(a, bits) * Signed(b, bits) >> bits), bits)
                    : (a, b) => (ulong)((UInt128)a * b >> bits);
                return add ? Ternary(type, (a, b, c) => Trim(high(a, b) + c, bits)) : Binary(type, high);
            case "wide" when bits < 64:
                PtxType wide = bits == 32 ? (signed ? PtxType.S64 : PtxType.U64) : signed ? PtxType.S32 : PtxType.U32;
                int d = Destination(0, wide), x = Source(1, type), y = Source(2, type);
                Func<ulong, ulong, ulong> product = signed
                    ? (a, b) => Trim((ulong)(Signed(a, bits) * Signed(b, bits)), 2 * bits)
                    : static (a, b) => a * b;
                _instruction.Run = add ? Map(d, x, y, Source(3, wide), (a, b, c) => Trim(product(a, b) + c, 2 * bits))
                    : HotOps.Binary(_statement.FullOpcode, d, x, y) ?? Map(d, x, y, product);
                return true;
            default:
                throw Error("one of .lo, .hi, .wide is missing in");
        }
    }

    private bool Logic(PtxType type, int bits)
    {
        if (_statement.Opcode == "shf") return FunnelShift();
        if (_statement.Opcode is "shl" or "shr") return Shift(bits);
        TakeType();
        switch (_statement.Opcode)
        {
            case "and": return Binary(type, static (a, b) => a & b);
            case "or": return Binary(type, static (a, b) => a | b);
            case "xor": return Binary(type, static (a, b) => a ^ b);
            case "not": return Unary(type, a => Trim(~a, bits));
            case "cnot": return Unary(type, static a => a == 0 ? 1UL : 0);
            case "prmt": return Ternary(type, static (a, b, c) => Permute(a & 0xFFFF_FFFF | b << 32, (uint)c));
            default: // lop3
                uint table = (uint)Operand(4).Value;
                return Ternary(type, (a, b, c) => LookUp((uint)a, (uint)b, (uint)c, table));
        }
    }

    private bool Shift(int bits)
    {
        PtxType type = TakeType();
        int d = Destination(0, type), a = Source(1, type), by = Source(2, PtxType.U32);
        _instruction.Run = HotOps.Binary(_statement.FullOpcode, d, a, by) is { } hot ? hot
            : _statement.Opcode == "shl" ? Map(d, a, by, (x, n) => n >= (ulong)bits ? 0 : Trim(x << (int)n, bits))
            : type.IsSigned() ? Map(d, a, by, (x, n) => Trim((ulong)(Signed(x, bits) >> (int)Math.Min(n, (ulong)bits - 1)), bits))
            : Map(d, a, by, (x, n) => n >= (ulong)bits ? 0 : x >> (int)n);
        return true;
    }

    private bool FunnelShift()
    {
        bool left = TakeAny("l", "r") == "l", wrap = TakeAny("wrap", "clamp") == "wrap";
        TakeType();
        return Ternary(PtxType.B32, (low, high, by) =>
        {
            int n = wrap ? (int)by & 31 : (int)Math.Min(by, 32);
            ulong both = high << 32 | low;
            return left ? (uint)(both << n >> 32) : (uint)(both >> n);
        });
    }

    private static ulong Permute(ulong bytes, uint selector)
    {
        uint result = 0;
        for (int i = 0; i < 4; i++)
        {
            uint select = selector >> (4 * i) & 0xF;
            uint value = (uint)(bytes >> (int)(8 * (select & 7))) & 0xFF;
            if ((select & 8) != 0) value = (value & 0x80) != 0 ? 0xFFu : 0;
            result |= value << (8 * i);
        }
        return result;
    }

    private static ulong LookUp(uint a, uint b, uint c, uint table)
    {
        uint result = 0;
        for (int i = 0; i < 8; i++)
            if ((table >> i & 1) != 0) result |= ((i & 4) != 0 ? a : ~a) & ((i & 2) != 0 ? b : ~b) & ((i & 1) != 0 ? c : ~c);
        return result;
    }

    private bool BitField(PtxType type, int bits)
    {
        TakeType();
        switch (_statement.Opcode)
        {
            case "popc": return Unary(PtxType.U32, type, static a => (ulong)BitOperations.PopCount(a));
            case "clz": return Unary(PtxType.U32, type, a => (ulong)(BitOperations.LeadingZeroCount(a) - (64 - bits)));
            case "brev": return Unary(type, a => Reverse(a, bits));
            case "bfind":
                bool amount = Take("shiftamt"), signed = type.IsSigned();
                return Unary(PtxType.U32, type, a => HighestBit(signed && Signed(a, bits) < 0 ? Trim(~a, bits) : a, bits, amount));
            case "bfe":
                bool extend = type.IsSigned();
                _instruction.Run = Map(Destination(0, type), Source(1, type), Source(2, PtxType.U32), Source(3, PtxType.U32),
                    (a, at, length) => Extract(a, (int)at & 0xFF, (int)length & 0xFF, bits, extend));
                return true;
            default:
                return Insert(type, bits);
        }
    }

    private bool Insert(PtxType type, int bits)
    {
        int d = Destination(0, type), a = Source(1, type), b = Source(2, type), at = Source(3, PtxType.U32),
            length = Source(4, PtxType.U32);
        _instruction.Run = (warp, mask) =>
        {
            ulong[] r = warp.R;
            for (; mask != 0; mask &= mask - 1)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                int start = (int)r[at + lane] & 0xFF, count = (int)r[length + lane] & 0xFF;
                ulong ones = count >= 64 ? ulong.MaxValue : (1UL << count) - 1;
                ulong field = start >= bits ? 0 : Trim(ones << start, bits);
                r[d + lane] = (r[b + lane] & ~field) | (start >= 64 ? 0 : r[a + lane] << start & field);
            }
        };
        return true;
    }

    private static ulong Extract(ulong a, int at, int length, int bits, bool extend)
    {
        if (length == 0) return 0;
        int sign = Math.Min(at + length - 1, bits - 1);
        ulong field = at >= bits ? 0 : Trim(a >> at, Math.Min(length, 64));
        if (!extend || (a >> sign & 1) == 0) return field;
        int present = Math.Max(0, sign + 1 - at);
        return Trim(present >= 64 ? field : field | ulong.MaxValue << present, bits);
    }

    private static ulong Reverse(ulong a, int bits)
    {
        ulong result = 0;
        for (int i = 0; i < bits; i++) result |= (a >> i & 1) << (bits - 1 - i);
        return result;
    }

    private static ulong HighestBit(ulong a, int bits, bool amount)
    {
        if (a == 0) return uint.MaxValue;
        int position = 63 - BitOperations.LeadingZeroCount(a);
        return (ulong)(amount ? bits - 1 - position : position);
    }
}
