using System.Numerics;

namespace Conformance.Ptx;

/// <summary>Moves, address conversions, selections and comparisons.</summary>
internal sealed partial class Decoder
{
    private bool Data() => _statement.Opcode switch
    {
        "mov" => Move(),
        "cvt" => Convert(),
        "cvta" => ConvertAddress(),
        "isspacep" => IsSpace(),
        "selp" => Select(),
        "slct" => SelectBySign(),
        "setp" => SetPredicate(),
        "set" => SetValue(),
        "and" or "or" or "xor" or "not" => PredicateLogic(),
        _ => false,
    };

    private bool Move()
    {
        PtxType type = TakeType();
        if (type == PtxType.Pred)
        {
            int p = PredicateDestination(Operand(0));
            PredicateSource source = Predicate(1);
            _instruction.Run = (warp, mask) => SetPredicate(warp, p, mask, source.Read(warp));
            return true;
        }
        PtxOperand to = Operand(0), from = Operand(1);
        if (to.Kind == OperandKind.Vector) return Unpack(to.Items, from, type);
        if (from.Kind == OperandKind.Vector) return Pack(to, from.Items, type);
        return Unary(type, static a => a);
    }

    private static PtxType Part(PtxType whole, int parts) => (whole.Bytes() / parts) switch
    {
        1 => PtxType.B8,
        2 => PtxType.B16,
        4 => PtxType.B32,
        _ => PtxType.B64,
    };

    private bool Unpack(PtxOperand[] parts, PtxOperand from, PtxType type)
    {
        PtxType part = Part(type, parts.Length);
        int[] d = [.. parts.Select(p => Destination(p, part))];
        int a = Source(from, type), bits = part.Bits();
        _instruction.Run = (warp, mask) =>
        {
            for (; mask != 0; mask &= mask - 1)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                ulong value = warp.R[a + lane];
                for (int i = 0; i < d.Length; i++) warp.R[d[i] + lane] = Trim(value >> (i * bits), bits);
            }
        };
        return true;
    }

    private bool Pack(PtxOperand to, PtxOperand[] parts, PtxType type)
    {
        PtxType part = Part(type, parts.Length);
        int[] a = [.. parts.Select(p => Source(p, part))];
        int d = Destination(to, type), bits = part.Bits();
        _instruction.Run = (warp, mask) =>
        {
            for (; mask != 0; mask &= mask - 1)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                ulong value = 0;
                for (int i = 0; i < a.Length; i++) value |= Trim(warp.R[a[i] + lane], bits) << (i * bits);
                warp.R[d + lane] = value;
            }
        };
        return true;
    }

    private bool ConvertAddress()
    {
        bool toSpace = Take("to");
        PtxSpace space = TakeSpace();
        PtxType type = TakeType();
        ulong window = space switch
        {
            PtxSpace.Shared => AddressSpace.SharedWindow << 32,
            PtxSpace.Local => AddressSpace.LocalWindow << 32,
            PtxSpace.Param => AddressSpace.ParameterWindow << 32,
            _ => 0,
        };
        // A pointer of another space becomes an offset that no check lets pass.
        Func<ulong, ulong> f = window == 0 ? static a => a
            : toSpace ? a => a >> 32 == window >> 32 ? (uint)a : ulong.MaxValue - 0xFFFF
            : a => window | (uint)a;
        return Unary(type, f);
    }

    private bool IsSpace()
    {
        PtxSpace space = TakeSpace();
        int p = PredicateDestination(Operand(0)), a = Source(1, PtxType.U64);
        return Compare(p, -1, a, a, (address, _) => space switch
        {
            PtxSpace.Shared => address >> 32 == AddressSpace.SharedWindow,
            PtxSpace.Local => address >> 32 == AddressSpace.LocalWindow,
            _ => address >> 32 >= AddressSpace.ModuleWindow,
        }, null);
    }

    private bool Select()
    {
        PtxType type = TakeType();
        int d = Destination(0, type), a = Source(1, type), b = Source(2, type);
        PredicateSource p = Predicate(3);
        _instruction.Run = (warp, mask) =>
        {
            ulong[] r = warp.R;
            uint choice = p.Read(warp);
            for (; mask != 0; mask &= mask - 1)
            {
                int lane = BitOperations.TrailingZeroCount(mask);
                r[d + lane] = r[((choice >> lane & 1) != 0 ? a : b) + lane];
            }
        };
        return true;
    }

    private bool SelectBySign()
    {
        bool flush = Take("ftz");
        PtxType type = TakeType(), by = TakeType();
        int d = Destination(0, type), a = Source(1, type), b = Source(2, type), c = Source(3, by);
        _instruction.Run = by == PtxType.F32
            ? Map(d, a, b, c, (x, y, z) => (flush ? PtxFloat.Flush(F(z)) : F(z)) >= 0 ? x : y)
            : Map(d, a, b, c, static (x, y, z) => (int)z >= 0 ? x : y);
        return true;
    }

    private bool PredicateLogic()
    {
        if (!Take("pred")) return false;
        int p = PredicateDestination(Operand(0));
        PredicateSource a = Predicate(1);
        if (_statement.Opcode == "not")
        {
            _instruction.Run = (warp, mask) => SetPredicate(warp, p, mask, ~a.Read(warp));
            return true;
        }
        PredicateSource b = Predicate(2);
        Func<uint, uint, uint> f = Combine(_statement.Opcode);
        _instruction.Run = (warp, mask) => SetPredicate(warp, p, mask, f(a.Read(warp), b.Read(warp)));
        return true;
    }

    private static Func<uint, uint, uint> Combine(string operation) => operation switch
    {
        "and" => static (a, b) => a & b,
        "or" => static (a, b) => a | b,
        _ => static (a, b) => a ^ b,
    };

    private bool SetPredicate()
    {
        string operation = _modifiers.Count > 0 ? _modifiers[0] : "";
        Func<ulong, ulong, bool> compare = Comparison(out PtxType type, out string combine);
        PtxOperand to = Operand(0);
        int p = PredicateDestination(to.Kind == OperandKind.Pair ? to.Items[0] : to);
        int q = to.Kind == OperandKind.Pair ? PredicateDestination(to.Items[1]) : -1;
        int a = Source(1, type), b = Source(2, type);
        if (combine.Length == 0 && q < 0 && !_statement.Has("ftz") && HotOps.Compare(operation, type, a, b) is { } hot)
        {
            _instruction.Run = (warp, mask) => SetPredicate(warp, p, mask, hot(warp, mask));
            return true;
        }
        if (combine.Length == 0) return Compare(p, q, a, b, compare, null);
        PredicateSource c = Predicate(3);
        Func<uint, uint, uint> f = Combine(combine);
        return Compare(p, q, a, b, compare, (warp, bits) => f(bits, c.Read(warp)));
    }

    private bool Compare(int p, int q, int a, int b, Func<ulong, ulong, bool> compare, Func<Warp, uint, uint>? combine)
    {
        _instruction.Run = (warp, mask) =>
        {
            ulong[] r = warp.R;
            uint bits = 0;
            for (uint rest = mask; rest != 0; rest &= rest - 1)
            {
                int lane = BitOperations.TrailingZeroCount(rest);
                if (compare(r[a + lane], r[b + lane])) bits |= 1u << lane;
            }
            uint yes = combine is null ? bits : combine(warp, bits), no = combine is null ? ~bits : combine(warp, ~bits);
            SetPredicate(warp, p, mask, yes);
            SetPredicate(warp, q, mask, no);
        };
        return true;
    }

    private bool SetValue()
    {
        PtxType to = TakeType();
        Func<ulong, ulong, bool> compare = Comparison(out PtxType type, out string combine);
        if (combine.Length > 0) throw Error("combining with a predicate is not supported in");
        ulong yes = to == PtxType.F32 ? Bits(1f) : uint.MaxValue;
        _instruction.Run = Map(Destination(0, to), Source(1, type), Source(2, type), (a, b) => compare(a, b) ? yes : 0);
        return true;
    }

    private Func<ulong, ulong, bool> Comparison(out PtxType type, out string combine)
    {
        string operation = TakeAny("eq", "ne", "lt", "le", "gt", "ge", "lo", "ls", "hi", "hs", "equ", "neu", "ltu", "leu", "gtu", "geu",
            "num", "nan");
        combine = TakeAny("and", "or", "xor");
        bool flush = Take("ftz");
        PtxType operand = type = TakeType();
        if (operand.IsFloat()) return FloatComparison(operation, operand, flush);
        int bits = operand.Bits();
        if (!operand.IsSigned())
        {
            return operation switch
            {
                "eq" => static (a, b) => a == b,
                "ne" => static (a, b) => a != b,
                "lt" or "lo" => static (a, b) => a < b,
                "le" or "ls" => static (a, b) => a <= b,
                "gt" or "hi" => static (a, b) => a > b,
                "ge" or "hs" => static (a, b) => a >= b,
                _ => throw Error("the comparison is missing in"),
            };
        }
        return operation switch
        {
            "eq" => static (a, b) => a == b,
            "ne" => static (a, b) => a != b,
            "lt" => (a, b) => Signed(a, bits) < Signed(b, bits),
            "le" => (a, b) => Signed(a, bits) <= Signed(b, bits),
            "gt" => (a, b) => Signed(a, bits) > Signed(b, bits),
            "ge" => (a, b) => Signed(a, bits) >= Signed(b, bits),
            _ => throw Error("the comparison is missing in"),
        };
    }

    private Func<ulong, ulong, bool> FloatComparison(string operation, PtxType type, bool flush)
    {
        Func<double, double, bool> compare = operation switch
        {
            "eq" => static (a, b) => a == b,
            "ne" => static (a, b) => a < b || a > b,
            "lt" => static (a, b) => a < b,
            "le" => static (a, b) => a <= b,
            "gt" => static (a, b) => a > b,
            "ge" => static (a, b) => a >= b,
            "equ" => static (a, b) => !(a < b || a > b),
            "neu" => static (a, b) => a != b,
            "ltu" => static (a, b) => !(a >= b),
            "leu" => static (a, b) => !(a > b),
            "gtu" => static (a, b) => !(a <= b),
            "geu" => static (a, b) => !(a < b),
            "num" => static (a, b) => !double.IsNaN(a) && !double.IsNaN(b),
            "nan" => static (a, b) => double.IsNaN(a) || double.IsNaN(b),
            _ => throw Error("the comparison is missing in"),
        };
        if (flush && type == PtxType.F32) return (a, b) => compare(PtxFloat.Flush(F(a)), PtxFloat.Flush(F(b)));
        return type == PtxType.F32 ? (a, b) => compare(F(a), F(b)) : (a, b) => compare(PtxFloat.Decode(a, type), PtxFloat.Decode(b, type));
    }
}
