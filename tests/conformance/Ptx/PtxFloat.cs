namespace Conformance.Ptx;

/// <summary>
/// Rounding of the last step: to nearest even, towards zero, down, up; <see cref="Away"/> is <c>.rna</c>, nearest with ties away from
/// zero.
/// </summary>
internal enum Rounding { Nearest, Zero, Down, Up, Away }

/// <summary>The binary formats PTX rounds to, and exact rounding from double.</summary>
/// <remarks>
/// Results narrower than double are formed by an operation in double rounded <em>to odd</em>, then by one rounding to the target:
/// that is the correctly rounded result for every format with at least two bits less than double's 53 (Boldo and Melquiond, 2008).
/// </remarks>
internal static class PtxFloat
{
    public readonly record struct Format(int MantissaBits, int ExponentBits)
    {
        public int Bias => (1 << (ExponentBits - 1)) - 1;
        public ulong Infinity => ((1UL << ExponentBits) - 1) << MantissaBits;
        public ulong SignBit => 1UL << (MantissaBits + ExponentBits);
        public ulong NaN => SignBit - 1;
    }

    public static readonly Format Half = new(10, 5);
    public static readonly Format BFloat16 = new(7, 8);
    public static readonly Format Single = new(23, 8);

    public static Format Of(PtxType type) => type switch
    {
        PtxType.F16 or PtxType.F16x2 => Half,
        PtxType.BF16 or PtxType.BF16x2 => BFloat16,
        PtxType.TF32 => new Format(10, 8),
        PtxType.F32 => Single,
        _ => throw new ArgumentException($"no narrow format: {type}"),
    };

    /// <summary>The bits of <paramref name="x"/> rounded to the format. Every NaN becomes the canonical one.</summary>
    public static ulong Encode(double x, Format format, Rounding rounding = Rounding.Nearest)
    {
        if (double.IsNaN(x)) return format.NaN;
        ulong bits = BitConverter.DoubleToUInt64Bits(x);
        bool negative = bits >> 63 != 0;
        ulong sign = negative ? format.SignBit : 0;
        int exponent = (int)(bits >> 52) & 0x7FF;
        ulong mantissa = bits & 0xF_FFFF_FFFF_FFFF;
        if (exponent == 0x7FF) return sign | format.Infinity;
        if (exponent == 0)
        {
            if (mantissa == 0) return sign;
            exponent = 1;
        }
        else mantissa |= 1UL << 52;
        int log = exponent - 1075 + 63 - System.Numerics.BitOperations.LeadingZeroCount(mantissa);
        int minimum = 1 - format.Bias;
        int top = Math.Max(log, minimum);
        int shift = top - format.MantissaBits - (exponent - 1075);
        ulong significand = Shift(mantissa, shift, negative, rounding);
        ulong magnitude = ((ulong)(top - minimum) << format.MantissaBits) + significand;
        if (magnitude >= format.Infinity) magnitude = Overflows(negative, rounding) ? format.Infinity : format.Infinity - 1;
        return sign | magnitude;
    }

    private static bool Overflows(bool negative, Rounding rounding) => rounding switch
    {
        Rounding.Zero => false,
        Rounding.Down => negative,
        Rounding.Up => !negative,
        _ => true,
    };

    /// <summary>Drops the low <paramref name="shift"/> bits with rounding (a negative shift appends zeros).</summary>
    private static ulong Shift(ulong value, int shift, bool negative, Rounding rounding)
    {
        if (shift <= 0) return value << -shift;
        ulong kept = shift > 63 ? 0 : value >> shift;
        ulong rest = shift > 63 ? value : value & ((1UL << shift) - 1);
        if (rest == 0) return kept;
        // Beyond 63 places the rest is below one half: the mantissa has 53 bits.
        int half = shift > 63 ? -1 : rest.CompareTo(1UL << (shift - 1));
        bool up = rounding switch
        {
            Rounding.Nearest => half > 0 || (half == 0 && (kept & 1) != 0),
            Rounding.Away => half >= 0,
            Rounding.Down => negative,
            Rounding.Up => !negative,
            _ => false,
        };
        return up ? kept + 1 : kept;
    }

    /// <summary>The value of a half, bfloat16, float or double in the low bits of a register: exact.</summary>
    public static double Decode(ulong bits, PtxType type) => type switch
    {
        PtxType.F16 => (double)BitConverter.UInt16BitsToHalf((ushort)bits),
        PtxType.BF16 => BitConverter.UInt32BitsToSingle((uint)bits << 16),
        PtxType.F32 or PtxType.TF32 => BitConverter.UInt32BitsToSingle((uint)bits),
        PtxType.F64 => BitConverter.UInt64BitsToDouble(bits),
        _ => throw new ArgumentException($"no floating-point type: {type}"),
    };

    /// <summary>a + b rounded to odd: exact when it fits, otherwise the neighbour with an odd last bit.</summary>
    public static double SumToOdd(double a, double b)
    {
        double sum = a + b;
        if (!double.IsFinite(sum)) return sum;
        double fromB = sum - a;
        double error = (a - (sum - fromB)) + (b - fromB);
        return ToOdd(sum, error);
    }

    /// <summary>An integer as double, rounded to odd.</summary>
    public static double ToOdd(Int128 value)
    {
        double nearest = (double)value;
        return ToOdd(nearest, (double)(value - (Int128)nearest));
    }

    private static double ToOdd(double rounded, double error)
    {
        if (error == 0 || (BitConverter.DoubleToUInt64Bits(rounded) & 1) != 0) return rounded;
        return error > 0 ? Math.BitIncrement(rounded) : Math.BitDecrement(rounded);
    }

    /// <summary>Subnormal singles become zeros of their sign.</summary>
    public static float Flush(float x) => float.IsSubnormal(x) ? float.CopySign(0, x) : x;

    /// <summary>Minimum with PTX's rules: the number wins over NaN, −0 is below +0.</summary>
    public static double Minimum(double a, double b, bool propagateNaN) =>
        propagateNaN ? Math.Min(a, b) : double.IsNaN(a) ? b : double.IsNaN(b) ? a : Math.Min(a, b);

    /// <summary>Maximum with PTX's rules: the number wins over NaN, −0 is below +0.</summary>
    public static double Maximum(double a, double b, bool propagateNaN) =>
        propagateNaN ? Math.Max(a, b) : double.IsNaN(a) ? b : double.IsNaN(b) ? a : Math.Max(a, b);
}
