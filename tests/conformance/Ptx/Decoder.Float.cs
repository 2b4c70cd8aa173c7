namespace Conformance.Ptx;

/// <summary>
/// Floating-point arithmetic. Exact forms are correctly rounded; the <c>.approx</c> forms, whose results PTX bounds but does not fix,
/// are computed in double and rounded once, so they are as good as any hardware's.
/// </summary>
internal sealed partial class Decoder
{
    private static float F(ulong bits) => BitConverter.UInt32BitsToSingle((uint)bits);

    private static double D(ulong bits) => BitConverter.UInt64BitsToDouble(bits);

    private static ulong Bits(float value) => BitConverter.SingleToUInt32Bits(value);

    private static ulong Bits(double value) => BitConverter.DoubleToUInt64Bits(value);

    private bool Floating()
    {
        List<PtxType> types = _statement.Types();
        if (types.Count == 0 || !types[0].IsFloat()) return false;
        PtxType type = types[0];
        switch (_statement.Opcode)
        {
            case "add" or "sub" or "mul" or "fma" or "mad" or "div" or "min" or "max":
                TakeType();
                return type == PtxType.F64 ? Doubles() : type == PtxType.F32 ? Singles() : Halves(type);
            case "neg":
                Take("ftz");
                ulong sign = SignBits(TakeType());
                return Unary(type, a => a ^ sign);
            case "abs":
                Take("ftz");
                ulong signs = SignBits(TakeType());
                return Unary(type, a => a & ~signs);
            case "copysign":
                ulong top = SignBits(TakeType());
                return Binary(type, (a, b) => (b & ~top) | (a & top));
            case "sqrt" or "rsqrt" or "rcp" or "ex2" or "lg2" or "sin" or "cos" or "tanh":
                return Function();
            case "testp":
                return TestProperty();
            default:
                return false;
        }
    }

    private static ulong SignBits(PtxType type) => type switch
    {
        PtxType.F64 => 1UL << 63,
        PtxType.F32 => 0x8000_0000,
        PtxType.F16 or PtxType.BF16 => 0x8000,
        _ => 0x8000_8000,
    };

    private static float Saturate(float x) => float.IsNaN(x) ? 0 : Math.Clamp(x, 0, 1);

    /// <summary>Flushing and saturating, where asked for, around an operation on singles.</summary>
    private static Func<float, float> After(bool flush, bool saturate) =>
        (flush, saturate) switch
        {
            (false, false) => static x => x,
            (true, false) => PtxFloat.Flush,
            (false, true) => Saturate,
            _ => static x => Saturate(PtxFloat.Flush(x)),
        };

    private bool Singles()
    {
        bool flush = Take("ftz"), saturate = Take("sat"), propagate = Take("NaN");
        string approximate = TakeAny("approx", "full");
        Rounding rounding = TakeRounding() ?? Rounding.Nearest;
        if (_statement.Opcode == "div" && approximate.Length == 0 && rounding != Rounding.Nearest)
            throw Error("only rounding to nearest is supported in");
        Func<float, float> before = flush ? PtxFloat.Flush : static x => x;
        Func<float, float> after = After(flush, saturate);
        Func<double, float> round = rounding == Rounding.Nearest
            ? static x => (float)x
            : x => F(PtxFloat.Encode(x, PtxFloat.Single, rounding));
        return _statement.Opcode switch
        {
            "add" => Apply((a, b) => round(PtxFloat.SumToOdd(a, b))),
            "sub" => Apply((a, b) => round(PtxFloat.SumToOdd(a, -b))),
            "mul" => Apply((a, b) => round((double)a * b)),
            "div" => Apply(static (a, b) => a / b),
            "min" => Apply((a, b) => (float)PtxFloat.Minimum(a, b, propagate)),
            "max" => Apply((a, b) => (float)PtxFloat.Maximum(a, b, propagate)),
            _ => Ternary(PtxType.F32, (a, b, c) => Bits(after(round(Fused(before(F(a)), before(F(b)), before(F(c))))))),
        };

        bool Apply(Func<float, float, float> f) => Binary(PtxType.F32, (a, b) => Bits(after(f(before(F(a)), before(F(b))))));
    }

    /// <summary>a·b + c rounded to odd: the product of two singles is exact in double.</summary>
    private static double Fused(float a, float b, float c) => PtxFloat.SumToOdd((double)a * b, c);

    private bool Doubles()
    {
        bool propagate = Take("NaN");
        if ((TakeRounding() ?? Rounding.Nearest) != Rounding.Nearest) throw Error("only rounding to nearest is supported in");
        return _statement.Opcode switch
        {
            "add" => Binary(PtxType.F64, static (a, b) => Bits(D(a) + D(b))),
            "sub" => Binary(PtxType.F64, static (a, b) => Bits(D(a) - D(b))),
            "mul" => Binary(PtxType.F64, static (a, b) => Bits(D(a) * D(b))),
            "div" => Binary(PtxType.F64, static (a, b) => Bits(D(a) / D(b))),
            "min" => Binary(PtxType.F64, (a, b) => Bits(PtxFloat.Minimum(D(a), D(b), propagate))),
            "max" => Binary(PtxType.F64, (a, b) => Bits(PtxFloat.Maximum(D(a), D(b), propagate))),
            _ => Ternary(PtxType.F64, static (a, b, c) => Bits(Math.FusedMultiplyAdd(D(a), D(b), D(c)))),
        };
    }

    private bool Halves(PtxType type)
    {
        bool flush = Take("ftz"), saturate = Take("sat"), relu = Take("relu"), propagate = Take("NaN");
        if ((TakeRounding() ?? Rounding.Nearest) != Rounding.Nearest) throw Error("only rounding to nearest is supported in");
        PtxType element = type is PtxType.F16 or PtxType.F16x2 ? PtxType.F16 : PtxType.BF16;
        Func<double, double> clamp = saturate ? static x => double.IsNaN(x) ? 0 : Math.Clamp(x, 0, 1)
            : relu ? static x => x > 0 || double.IsNaN(x) ? x : 0
            : static x => x;
        Func<ulong, double> read = flush ? x => FlushHalf(PtxFloat.Decode(x, element)) : x => PtxFloat.Decode(x, element);
        PtxFloat.Format format = PtxFloat.Of(element);
        Func<double, ulong> write = x => PtxFloat.Encode(clamp(x), format);
        Func<ulong, ulong, ulong> Pairwise(Func<double, double, double> f) => (a, b) => write(f(read(a), read(b)));
        return _statement.Opcode switch
        {
            "add" => Packed(type, Pairwise(PtxFloat.SumToOdd)),
            "sub" => Packed(type, Pairwise(static (a, b) => PtxFloat.SumToOdd(a, -b))),
            "mul" => Packed(type, Pairwise(static (a, b) => a * b)),
            "min" => Packed(type, Pairwise((a, b) => PtxFloat.Minimum(a, b, propagate))),
            "max" => Packed(type, Pairwise((a, b) => PtxFloat.Maximum(a, b, propagate))),
            "fma" => Packed(type, (a, b, c) => write(PtxFloat.SumToOdd(read(a) * read(b), read(c)))),
            _ => throw Error("no such form for half precision:"),
        };
    }

    private static double FlushHalf(double x) => Math.Abs(x) < 6.103515625e-5 ? Math.CopySign(0, x) : x;

    private bool Packed(PtxType type, Func<ulong, ulong, ulong> f) => type.Bytes() == 2
        ? Binary(type, (a, b) => f(a & 0xFFFF, b & 0xFFFF))
        : Binary(type, (a, b) => f(a & 0xFFFF, b & 0xFFFF) | f(a >> 16 & 0xFFFF, b >> 16 & 0xFFFF) << 16);

    private bool Packed(PtxType type, Func<ulong, ulong, ulong, ulong> f) => type.Bytes() == 2
        ? Ternary(type, (a, b, c) => f(a & 0xFFFF, b & 0xFFFF, c & 0xFFFF))
        : Ternary(type, (a, b, c) => f(a & 0xFFFF, b & 0xFFFF, c & 0xFFFF) | f(a >> 16 & 0xFFFF, b >> 16 & 0xFFFF, c >> 16 & 0xFFFF) << 16);

    private bool Function()
    {
        bool flush = Take("ftz");
        Take("approx");
        Rounding rounding = TakeRounding() ?? Rounding.Nearest;
        PtxType type = TakeType();
        Func<double, double> f = _statement.Opcode switch
        {
            "sqrt" => Math.Sqrt,
            "rsqrt" => static x => 1 / Math.Sqrt(x),
            "rcp" => static x => 1 / x,
            "ex2" => static x => Math.Pow(2, x),
            "lg2" => Math.Log2,
            "sin" => Math.Sin,
            "cos" => Math.Cos,
            _ => Math.Tanh,
        };
        if (rounding != Rounding.Nearest) throw Error("only rounding to nearest is supported in");
        switch (type)
        {
            case PtxType.F64:
                return Unary(type, a => Bits(f(D(a))));
            case PtxType.F32:
                Func<float, float> after = After(flush, false);
                // A double's square root or reciprocal, rounded again, is the single's: 53 ≥ 2·24 + 2 bits.
                return flush ? Unary(type, a => Bits(after((float)f(PtxFloat.Flush(F(a)))))) : Unary(type, a => Bits((float)f(F(a))));
            default:
                PtxType element = type is PtxType.F16 or PtxType.F16x2 ? PtxType.F16 : PtxType.BF16;
                PtxFloat.Format format = PtxFloat.Of(element);
                Func<ulong, ulong> one = a => PtxFloat.Encode(f(PtxFloat.Decode(a & 0xFFFF, element)), format);
                return type.Bytes() == 2 ? Unary(type, one) : Unary(type, a => one(a) | one(a >> 16) << 16);
        }
    }

    private bool TestProperty()
    {
        Func<double, bool> test = TakeAny("finite", "infinite", "number", "notanumber", "normal", "subnormal") switch
        {
            "finite" => double.IsFinite,
            "infinite" => double.IsInfinity,
            "number" => static x => !double.IsNaN(x),
            "notanumber" => double.IsNaN,
            _ => throw Error("the property is not supported in"),
        };
        PtxType type = TakeType();
        int p = PredicateDestination(Operand(0)), a = Source(1, type);
        _instruction.Run = (warp, mask) =>
        {
            uint bits = 0;
            for (int lane = 0; lane < 32; lane++)
                if ((mask >> lane & 1) != 0 && test(PtxFloat.Decode(warp.R[a + lane], type))) bits |= 1u << lane;
            SetPredicate(warp, p, mask, bits);
        };
        return true;
    }
}
