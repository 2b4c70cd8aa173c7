namespace Conformance.Ptx;

/// <summary><c>cvt</c> in all its forms.</summary>
internal sealed partial class Decoder
{
    private bool Convert()
    {
        Rounding? rounding = TakeRounding();
        string integral = TakeAny("rni", "rzi", "rmi", "rpi");
        bool flush = Take("ftz"), saturate = Take("sat"), relu = Take("relu");
        PtxType to = TakeType(), from = TakeType();
        if (to is PtxType.BF16x2 or PtxType.F16x2) return ConvertPair(to, from, rounding ?? throw Error("a rounding is missing in"), relu);
        Func<ulong, ulong> f = (to.IsFloat(), from.IsFloat()) switch
        {
            (false, false) => IntegerToInteger(to, from, saturate),
            (true, false) => IntegerToFloat(to, from, rounding ?? throw Error("a rounding is missing in"), saturate),
            (false, true) => FloatToInteger(to, from, integral, flush),
            _ => FloatToFloat(to, from, rounding, integral, flush, saturate, relu),
        };
        int d = Destination(0, to, true), a = Source(1, from, true);
        _instruction.Run = HotOps.Unary(_statement.FullOpcode, d, a) ?? Map(d, a, Extend(f, to));
        return true;
    }

    /// <summary>A result narrower than its register is extended by its sign, or with zeros.</summary>
    private Func<ulong, ulong> Extend(Func<ulong, ulong> f, PtxType to)
    {
        PtxVariable? register = Operand(0).Variable;
        if (register is null || !to.IsSigned() || register.Type.Bytes() == to.Bytes()) return f;
        int bits = to.Bits(), width = register.Type.Bits();
        return a => Trim((ulong)Signed(f(a), bits), width);
    }

    private static Int128 Value(ulong bits, PtxType type) => type.IsSigned() ? Signed(bits, type.Bits()) : Trim(bits, type.Bits());

    private static (Int128 Least, Int128 Greatest) Range(PtxType type) => type.IsSigned()
        ? (-(Int128.One << (type.Bits() - 1)), (Int128.One << (type.Bits() - 1)) - 1)
        : (Int128.Zero, (Int128.One << type.Bits()) - 1);

    private static Func<ulong, ulong> IntegerToInteger(PtxType to, PtxType from, bool saturate)
    {
        int bits = to.Bits(), source = from.Bits();
        if (saturate)
        {
            (Int128 least, Int128 greatest) = Range(to);
            return a => Trim((ulong)Int128.Clamp(Value(a, from), least, greatest), bits);
        }
        return from.IsSigned() ? a => Trim((ulong)Signed(a, source), bits) : a => Trim(Trim(a, source), bits);
    }

    private static Func<ulong, ulong> IntegerToFloat(PtxType to, PtxType from, Rounding rounding, bool saturate)
    {
        if (to == PtxType.F64) return a => Bits((double)Value(a, from));
        PtxFloat.Format format = PtxFloat.Of(to);
        if (to == PtxType.F32 && rounding == Rounding.Nearest && !saturate && from == PtxType.S32) return static a => Bits((float)(int)a);
        return a =>
        {
            double value = PtxFloat.ToOdd(Value(a, from));
            return PtxFloat.Encode(saturate ? Math.Clamp(value, 0, 1) : value, format, rounding);
        };
    }

    private static double ToIntegral(double x, string mode) => mode switch
    {
        "rni" => Math.Round(x, MidpointRounding.ToEven),
        "rzi" => Math.Truncate(x),
        "rmi" => Math.Floor(x),
        _ => Math.Ceiling(x),
    };

    private Func<ulong, ulong> FloatToInteger(PtxType to, PtxType from, string integral, bool flush)
    {
        if (integral.Length == 0) throw Error("an integer rounding is missing in");
        (Int128 least, Int128 greatest) = Range(to);
        int bits = to.Bits();
        return a =>
        {
            double x = PtxFloat.Decode(a, from);
            if (flush && from == PtxType.F32) x = PtxFloat.Flush((float)x);
            if (double.IsNaN(x)) return 0;
            x = ToIntegral(x, integral);
            Int128 value = x <= (double)least ? least : x >= (double)greatest ? greatest : (Int128)x;
            return Trim((ulong)value, bits);
        };
    }

    private Func<ulong, ulong> FloatToFloat(
        PtxType to, PtxType from, Rounding? rounding, string integral, bool flush, bool saturate, bool relu)
    {
        bool sameSize = to.Bytes() == from.Bytes();
        bool narrows = to.Bytes() < from.Bytes() || to == PtxType.TF32 || (sameSize && (to == PtxType.BF16) != (from == PtxType.BF16));
        if (narrows && rounding is null && integral.Length == 0) throw Error("a rounding is missing in");
        if (to == PtxType.F32 && from is PtxType.F16 && !saturate && !relu && !flush)
            return static a => Bits((float)BitConverter.UInt16BitsToHalf((ushort)a));
        if (to == PtxType.F32 && from is PtxType.BF16 && !saturate && !relu) return static a => a << 16 & 0xFFFF_FFFF;
        return a =>
        {
            double x = PtxFloat.Decode(a, from);
            if (flush && from == PtxType.F32) x = PtxFloat.Flush((float)x);
            if (integral.Length > 0) x = ToIntegral(x, integral);
            if (relu && x <= 0) x = 0;
            if (saturate) x = double.IsNaN(x) ? 0 : Math.Clamp(x, 0, 1);
            if (to == PtxType.F64) return Bits(x);
            ulong bits = EncodeAs(x, to, rounding ?? Rounding.Nearest);
            return flush && to == PtxType.F32 ? Bits(PtxFloat.Flush(F(bits))) : bits;
        };
    }

    private static ulong EncodeAs(double x, PtxType to, Rounding rounding)
    {
        ulong bits = PtxFloat.Encode(x, PtxFloat.Of(to), rounding);
        // tf32 lies in the upper 19 bits of a single.
        return to == PtxType.TF32 ? bits << 13 : bits;
    }

    /// <summary>Two singles to a packed pair: the first operand becomes the upper half.</summary>
    private bool ConvertPair(PtxType to, PtxType from, Rounding rounding, bool relu)
    {
        if (from != PtxType.F32) throw Error("the source type is not supported in");
        PtxFloat.Format format = PtxFloat.Of(to);
        int d = Destination(0, to), upper = Source(1, from), lower = Source(2, from);
        _instruction.Run = Map(d, upper, lower, (a, b) => One(b) | One(a) << 16);
        return true;

        ulong One(ulong a)
        {
            float x = F(a);
            return PtxFloat.Encode(relu && x <= 0 ? 0 : x, format, rounding);
        }
    }
}
