using Conformance.Cases;
using Conformance.Ptx;

namespace Tests.Ptx;

public class FloatTests
{
    private static readonly double[] HalfValues = Values(PtxType.F16), BFloatValues = Values(PtxType.BF16);

    /// <summary>All finite non-negative values of a 16-bit format in order; their index is their bit pattern.</summary>
    private static double[] Values(PtxType type) =>
        [.. Enumerable.Range(0, type == PtxType.F16 ? 0x7C00 : 0x7F80).Select(bits => PtxFloat.Decode((ulong)bits, type))];

    /// <summary>
    /// Rounds by search among all values of the format: the definition, told independently of <see cref="PtxFloat.Encode"/>.
    /// </summary>
    private static ulong RoundBySearch(double x, double[] values, Rounding rounding)
    {
        ulong infinity = (ulong)values.Length;
        if (double.IsNaN(x)) return 0x7FFF;
        ulong sign = double.IsNegative(x) ? 0x8000UL : 0UL;
        double magnitude = Math.Abs(x);
        if (double.IsInfinity(x)) return sign | infinity;
        int at = Array.BinarySearch(values, magnitude);
        if (at >= 0) return sign | (uint)at;
        int upper = ~at, lower = upper - 1;
        // One past the greatest finite value stands infinity, for rounding as if the exponent went on.
        double next = upper < values.Length ? values[upper] : 2 * values[lower] - values[lower - 1];
        double middle = values[lower] / 2 + next / 2;
        bool up = rounding switch
        {
            Rounding.Nearest => magnitude > middle || (magnitude == middle && upper % 2 == 0),
            Rounding.Zero => false,
            Rounding.Down => sign != 0,
            _ => sign == 0,
        };
        return sign | (uint)(up ? upper : lower);
    }

    private static float[] Singles()
    {
        var random = new Random(5);
        List<float> values =
        [
            0, -0f, 1, -1, float.NaN, float.PositiveInfinity, float.NegativeInfinity, float.Epsilon, -float.Epsilon, float.MaxValue,
            float.MinValue, 65504, 65519.996f, 65520, 65536, -65520, 6.1035156e-5f, 5.9604645e-8f, 2.9802322e-8f, 2.9802326e-8f, 1e-40f,
            3.3895314e38f, 3.3961775e38f, 0.5f, 1.5f, 2.5f, -2.5f, 0.49999997f,
        ];
        // Halves, the middles between neighbours, and what lies just beside the middles.
        for (int i = 0; i < 400; i++)
        {
            int bits = random.Next(HalfValues.Length - 1);
            float middle = (float)((HalfValues[bits] + HalfValues[bits + 1]) / 2);
            float coarse = BitConverter.UInt32BitsToSingle((uint)random.Next(0x7F7F) << 16 | 0x8000);
            values.AddRange([(float)HalfValues[bits], middle, -MathF.BitIncrement(middle), MathF.BitDecrement(middle)]);
            values.AddRange([coarse, MathF.BitIncrement(coarse), -MathF.BitDecrement(coarse)]);
            values.Add(BitConverter.Int32BitsToSingle(random.Next(int.MinValue, int.MaxValue)));
        }
        return [.. values];
    }

    private static ulong[] Bits(float[] values) => [.. values.Select(v => (ulong)BitConverter.SingleToUInt32Bits(v))];

    [Theory]
    [InlineData("rn", 0)]
    [InlineData("rz", 1)]
    [InlineData("rm", 2)]
    [InlineData("rp", 3)]
    public void Rounding_to_half_and_bfloat_equals_a_search_among_all_their_values(string mode, int rounding)
    {
        float[] values = Singles();
        if (rounding < 2) CheckPair("bf16x2", BFloatValues);
        ulong[] half = PtxText.Apply($"cvt.{mode}.f16.f32 d, a;", 16, [32], [Bits(values)]);
        for (int i = 0; i < values.Length; i++)
            Assert.Equal((values[i], RoundBySearch(values[i], HalfValues, (Rounding)rounding)), (values[i], half[i]));

        void CheckPair(string type, double[] table)
        {
            float[] reversed = [.. values.Reverse()];
            ulong[] pair = PtxText.Apply($"cvt.{mode}.{type}.f32 d, a, b;", 32, [32, 32], [Bits(values), Bits(reversed)]);
            for (int i = 0; i < values.Length; i++)
            {
                Assert.Equal((values[i], RoundBySearch(values[i], table, (Rounding)rounding)), (values[i], pair[i] >> 16));
                Assert.Equal((reversed[i], RoundBySearch(reversed[i], table, (Rounding)rounding)), (reversed[i], pair[i] & 0xFFFF));
            }
        }
    }

    [Fact]
    public void Every_half_and_bfloat_survives_the_way_to_single_and_back()
    {
        ulong[] all = [.. Enumerable.Range(0, 65536).Select(i => (ulong)i)];
        ulong[] half = PtxText.Apply("{ .reg .f32 x; cvt.f32.f16 x, a; cvt.rn.f16.f32 d, x; }", 16, [16], [all]);
        ulong[] brain = PtxText.Apply("{ .reg .f32 x; cvt.f32.bf16 x, a; cvt.rn.bf16.f32 d, x; }", 16, [16], [all]);
        for (int i = 0; i < 65536; i++)
        {
            Assert.Equal((i & 0x7FFF) > 0x7C00 ? 0x7FFFUL : (ulong)i, half[i]);
            Assert.Equal((i & 0x7FFF) > 0x7F80 ? 0x7FFFUL : (ulong)i, brain[i]);
        }
    }

    [Fact]
    public void Doubles_round_to_single_in_all_four_modes()
    {
        var random = new Random(3);
        double Any() => BitConverter.Int64BitsToDouble(random.NextInt64(0x3690, 0x47F0) << 48 | random.NextInt64(1L << 48));
        double tie = 1.0 + Math.Pow(2, -24);
        double[] values =
        [
            .. Enumerable.Range(0, 500).Select(i => i % 2 == 0 ? Any() : -Any()),
            0, -0.0, double.NaN, double.PositiveInfinity, 1e300, -1e300, 1e-46, -1e-46, tie, Math.BitIncrement(tie), 3.4028235677973366e38,
        ];
        ulong[] bits = [.. values.Select(BitConverter.DoubleToUInt64Bits)];
        Check("rn", static x => (float)x);
        Check("rz", static x => x > 0 ? Below(x) : Above(x));
        Check("rm", Below);
        Check("rp", Above);

        void Check(string mode, Func<double, float> reference)
        {
            ulong[] actual = PtxText.Apply($"cvt.{mode}.f32.f64 d, a;", 32, [64], [bits]);
            for (int i = 0; i < values.Length; i++)
                Assert.Equal((mode, values[i], reference(values[i])), (mode, values[i], BitConverter.UInt32BitsToSingle((uint)actual[i])));
        }

        static float Below(double x) => (float)x <= x || double.IsNaN(x) ? (float)x : MathF.BitDecrement((float)x);
        static float Above(double x) => (float)x >= x || double.IsNaN(x) ? (float)x : MathF.BitIncrement((float)x);
    }

    [Fact]
    public void Floats_become_integers_by_the_stated_rounding_and_saturate()
    {
        float[] values = [.. Singles(), 0.5f, 1.5f, -0.5f, -1.5f, 2.5f, 3.5f, 1e10f, -1e10f, 2147483520f, 2147483648f, -2147483648f,
            300.7f, -300.7f, 9.3e18f, -9.3e18f, 1.9e19f];
        Check("cvt.rzi.s32.f32", 32, x => Clamp(Math.Truncate(x), int.MinValue, int.MaxValue));
        Check("cvt.rni.s32.f32", 32, x => Clamp(Math.Round(x, MidpointRounding.ToEven), int.MinValue, int.MaxValue));
        Check("cvt.rmi.s32.f32", 32, x => Clamp(Math.Floor(x), int.MinValue, int.MaxValue));
        Check("cvt.rpi.s32.f32", 32, x => Clamp(Math.Ceiling(x), int.MinValue, int.MaxValue));
        Check("cvt.rzi.u32.f32", 32, x => Clamp(Math.Truncate(x), 0, uint.MaxValue));
        Check("cvt.rzi.u16.f32", 16, x => Clamp(Math.Truncate(x), 0, ushort.MaxValue));
        Check("cvt.rzi.s64.f32", 64, x => double.IsNaN(x) ? 0 : (ulong)(long)Int128.Clamp((Int128)x, long.MinValue, long.MaxValue));

        static ulong Clamp(double x, double least, double greatest) => double.IsNaN(x) ? 0 : (ulong)(long)Math.Clamp(x, least, greatest);

        void Check(string opcode, int width, Func<double, ulong> reference)
        {
            ulong[] actual = PtxText.Apply($"{opcode} d, a;", width, [32], [Bits(values)]);
            ulong mask = width == 64 ? ulong.MaxValue : (1UL << width) - 1;
            for (int i = 0; i < values.Length; i++)
                Assert.Equal((opcode, values[i], reference(values[i]) & mask), (opcode, values[i], actual[i]));
        }
    }

    [Fact]
    public void Integers_become_floats_with_one_rounding()
    {
        var random = new Random(8);
        long[] values =
        [
            .. Enumerable.Range(0, 400).Select(_ => random.NextInt64(long.MinValue, long.MaxValue) >> random.Next(63)),
            0, 1, -1, 16777217, 16777219, long.MaxValue, long.MinValue, (1L << 53) + (1L << 29) + 1,
        ];
        ulong[] wide = [.. values.Select(v => (ulong)v)];
        ulong[] s64 = PtxText.Apply("cvt.rn.f32.s64 d, a;", 32, [64], [wide]);
        ulong[] f64 = PtxText.Apply("cvt.rn.f64.s64 d, a;", 64, [64], [wide]);
        ulong[] s32 = PtxText.Apply("cvt.rn.f32.s32 d, a;", 32, [32], [[.. wide.Select(w => (ulong)(uint)w)]]);
        ulong[] rz = PtxText.Apply("cvt.rz.f32.u32 d, a;", 32, [32], [[.. wide.Select(w => (ulong)(uint)w)]]);
        for (int i = 0; i < values.Length; i++)
        {
            Assert.Equal((float)values[i], BitConverter.UInt32BitsToSingle((uint)s64[i]));
            Assert.Equal((double)values[i], BitConverter.UInt64BitsToDouble(f64[i]));
            Assert.Equal((float)(int)values[i], BitConverter.UInt32BitsToSingle((uint)s32[i]));
            float nearest = (float)(uint)values[i];
            Assert.Equal((double)nearest > (uint)values[i] ? MathF.BitDecrement(nearest) : nearest,
                BitConverter.UInt32BitsToSingle((uint)rz[i]));
        }
    }

    [Fact]
    public void Single_precision_arithmetic_equals_the_processors()
    {
        float[] a = Singles(), b = [.. a.Reverse()], c = [.. a.Skip(7).Concat(a.Take(7))];
        Check("add.f32 d, a, b;", (x, y, _) => x + y);
        Check("sub.rn.f32 d, a, b;", (x, y, _) => x - y);
        Check("mul.f32 d, a, b;", (x, y, _) => x * y);
        Check("fma.rn.f32 d, a, b, c;", MathF.FusedMultiplyAdd);
        Check("div.rn.f32 d, a, b;", (x, y, _) => x / y);
        Check("rcp.rn.f32 d, a;", (x, _, _) => 1 / x);
        Check("sqrt.rn.f32 d, a;", (x, _, _) => MathF.Sqrt(x));
        Check("min.f32 d, a, b;", (x, y, _) => float.IsNaN(x) ? y : float.IsNaN(y) ? x : MathF.Min(x, y));
        Check("max.f32 d, a, b;", (x, y, _) => float.IsNaN(x) ? y : float.IsNaN(y) ? x : MathF.Max(x, y));
        Check("max.NaN.f32 d, a, b;", (x, y, _) => MathF.Max(x, y));
        Check("neg.f32 d, a;", (x, _, _) => -x);
        Check("abs.f32 d, a;", (x, _, _) => MathF.Abs(x));
        Check("copysign.f32 d, a, b;", (x, y, _) => MathF.CopySign(y, x));
        Check("add.sat.f32 d, a, b;", (x, y, _) => float.IsNaN(x + y) ? 0 : Math.Clamp(x + y, 0, 1));
        Check("mul.ftz.f32 d, a, b;", (x, y, _) => Flush(Flush(x) * Flush(y)));
        Check("add.rz.f32 d, a, b;", (x, y, _) => TowardsZero(x, y));
        Check("cvt.rni.f32.f32 d, a;", (x, _, _) => MathF.Round(x, MidpointRounding.ToEven));
        Check("cvt.rmi.f32.f32 d, a;", (x, _, _) => MathF.Floor(x));
        Check("cvt.sat.f32.f32 d, a;", (x, _, _) => float.IsNaN(x) ? 0 : Math.Clamp(x, 0, 1));
        Check("{ setp.lt.f32 p, a, b; selp.f32 d, a, c, p; }", (x, y, z) => x < y ? x : z);
        Check("{ setp.geu.f32 p, a, b; selp.f32 d, a, c, p; }", (x, y, z) => !(x < y) ? x : z);
        Check("{ setp.nan.f32 p, a, b; selp.f32 d, a, c, p; }", (x, y, z) => float.IsNaN(x) || float.IsNaN(y) ? x : z);
        Check("{ testp.finite.f32 p, a; selp.f32 d, b, c, p; }", (x, y, z) => float.IsFinite(x) ? y : z);

        static float Flush(float x) => float.IsSubnormal(x) ? MathF.CopySign(0, x) : x;

        static float TowardsZero(float x, float y)
        {
            float sum = x + y;
            if (!float.IsFinite(x) || !float.IsFinite(y)) return sum;
            if (float.IsInfinity(sum)) return MathF.CopySign(float.MaxValue, sum);
            // In double the error of a sum of singles keeps its sign.
            double error = MathF.Abs(x) > MathF.Abs(y) ? ((double)x - sum) + y : ((double)y - sum) + x;
            return (sum > 0 && error < 0) || (sum < 0 && error > 0) ? (sum > 0 ? MathF.BitDecrement(sum) : MathF.BitIncrement(sum)) : sum;
        }

        void Check(string instruction, Func<float, float, float, float> reference)
        {
            ulong[] actual = PtxText.Apply(instruction, 32, [32, 32, 32], [Bits(a), Bits(b), Bits(c)]);
            for (int i = 0; i < a.Length; i++)
            {
                float expected = reference(a[i], b[i], c[i]), got = BitConverter.UInt32BitsToSingle((uint)actual[i]);
                bool same = float.IsNaN(expected) ? float.IsNaN(got) : BitConverter.SingleToUInt32Bits(expected) == (uint)actual[i];
                Assert.True(same, $"{instruction} a={a[i]:R} b={b[i]:R} c={c[i]:R}: {got:R}, not {expected:R}");
            }
        }
    }

    [Theory]
    [InlineData("ex2.approx.f32", 1e-6)]
    [InlineData("lg2.approx.f32", 1e-6)]
    [InlineData("rsqrt.approx.f32", 1e-6)]
    [InlineData("sin.approx.f32", 1e-6)]
    [InlineData("tanh.approx.f32", 1e-6)]
    public void Approximate_functions_are_the_function_rounded(string opcode, double tolerance)
    {
        float[] x = [0.001f, 0.25f, 0.5f, 1, 1.5f, 2, 3.75f, 10, 20.5f];
        ulong[] actual = PtxText.Apply($"{opcode} d, a;", 32, [32], [Bits(x)]);
        for (int i = 0; i < x.Length; i++)
        {
            double expected = opcode[..2] switch
            {
                "ex" => Math.Pow(2, x[i]),
                "lg" => Math.Log2(x[i]),
                "rs" => 1 / Math.Sqrt(x[i]),
                "si" => Math.Sin(x[i]),
                _ => Math.Tanh(x[i]),
            };
            Assert.Equal(expected, BitConverter.UInt32BitsToSingle((uint)actual[i]), tolerance * Math.Max(1, Math.Abs(expected)));
        }
    }

    [Fact]
    public void Half_arithmetic_is_rounded_once()
    {
        var random = new Random(11);
        // Among them the case that two roundings get wrong: a product just beside a tie, and a summand far below it.
        ulong Any(int least, int end) => (uint)random.Next(least, end) | (uint)random.Next(2) << 15;
        ulong[] a = [.. Enumerable.Range(0, 4000).Select(_ => Any(0, 0x7C00)), 0x3C01, 0x3C01, 0x7C00, 0x7E00];
        ulong[] b = [.. Enumerable.Range(0, 4000).Select(i => i % 3 == 0 ? Any(0x3000, 0x4800) : Any(0, 0x7C00)), 0x6C00, 0x6C00, 0,
            0x3C00];
        ulong[] c = [.. Enumerable.Range(0, 4000).Select(_ => Any(0, 0x7C00)), 0x0001, 0x8001, 0x3C00, 0x3C00];
        ulong[] sum = PtxText.Apply("add.f16 d, a, b;", 16, [16, 16], [a, b]);
        ulong[] product = PtxText.Apply("mul.rn.f16 d, a, b;", 16, [16, 16], [a, b]);
        ulong[] fused = PtxText.Apply("fma.rn.f16 d, a, b, c;", 16, [16, 16, 16], [a, b, c]);
        ulong[] packed = PtxText.Apply("{ .reg .b16 z; .reg .b32 x, y; mov.b32 x, {a, b}; mov.b32 y, {c, a}; add.f16x2 d, x, y; }", 32,
            [16, 16, 16], [a, b, c]);
        for (int i = 0; i < a.Length; i++)
        {
            Half x = Half(a[i]), y = Half(b[i]), z = Half(c[i]);
            Assert.Equal(Canonical(x + y), sum[i]);
            Assert.Equal(Canonical(x * y), product[i]);
            Assert.Equal((i, Fused(x, y, z)), (i, fused[i]));
            Assert.Equal(Canonical(x + z) | Canonical(y + x) << 16, packed[i]);
        }

        static Half Half(ulong bits) => BitConverter.UInt16BitsToHalf((ushort)bits);

        static ulong Canonical(Half value) => System.Half.IsNaN(value) ? 0x7FFFUL : BitConverter.HalfToUInt16Bits(value);

        static ulong Fused(Half x, Half y, Half z)
        {
            if (!System.Half.IsFinite(x) || !System.Half.IsFinite(y) || !System.Half.IsFinite(z))
                return Canonical((Half)((double)x * (double)y + (double)z));
            // Every half is a multiple of 2^-24: the sum is an integer multiple of 2^-48.
            Int128 exact = (Int128)((double)x * 16777216) * (Int128)((double)y * 16777216) + ((Int128)((double)z * 16777216) << 24);
            if (exact == 0)
                return (double)x * (double)y == 0 && double.IsNegative((double)x * (double)y) && double.IsNegative((double)z)
                    ? 0x8000UL : 0;
            Int128 magnitude = Int128.Abs(exact);
            ulong low = 0, high = 0x7C00;
            while (high - low > 1)
            {
                ulong middle = (low + high) / 2;
                if (Units(middle) <= magnitude) low = middle; else high = middle;
            }
            Int128 twice = 2 * magnitude, tie = Units(low) + (high == 0x7C00 ? (Int128)65536 << 48 : Units(high));
            ulong rounded = twice > tie || (twice == tie && (low & 1) != 0) ? high : low;
            return rounded | (exact < 0 ? 0x8000UL : 0);
        }

        static Int128 Units(ulong bits) => (Int128)((double)Half(bits) * 16777216) << 24;
    }

    [Fact]
    public void Bfloat_arithmetic_is_rounded_once()
    {
        var random = new Random(12);
        ulong[] a = Random(0), b = Random(1), c = Random(2);
        ulong[] sum = PtxText.Apply("add.rn.bf16 d, a, b;", 16, [16, 16], [a, b]);
        const string packed = "{ .reg .b32 x, y, z; .reg .b16 t; mov.b32 x, {a, a}; mov.b32 y, {b, b}; mov.b32 z, {c, c}; " +
            "fma.rn.bf16x2 x, x, y, z; mov.b32 {t, d}, x; }";
        ulong[] fused = PtxText.Apply(packed, 16, [16, 16, 16], [a, b, c]);
        for (int i = 0; i < a.Length; i++)
        {
            decimal x = (decimal)Value(a[i]), y = (decimal)Value(b[i]), z = (decimal)Value(c[i]);
            Assert.Equal(RoundBySearch((double)(x + y) + 0.0, BFloatValues, Rounding.Nearest), sum[i]);
            Assert.Equal(RoundBySearch((double)(x * y + z) + 0.0, BFloatValues, Rounding.Nearest), fused[i]);
        }

        // Exponents near one: decimal then holds every result exactly, and double does.
        ulong[] Random(int salt) => [.. Enumerable.Range(0, 1000).Select(_ => Any(0x3E80 + salt))];

        ulong Any(int least) => (uint)random.Next(least, 0x4180) | (uint)random.Next(2) << 15;

        static double Value(ulong bits) => PtxFloat.Decode(bits, PtxType.BF16);
    }

    [Fact]
    public void Double_precision_arithmetic_equals_the_processors()
    {
        double[] a = [1, 0.1, -3.7e200, 1e-310, double.NaN, 5], b = [3, 0.2, 1e200, 2, 1, double.PositiveInfinity],
            c = [1e-20, -0.02, 1e300, -1, 1, 1];
        ulong[][] inputs = [Bits64(a), Bits64(b), Bits64(c)];
        ulong[] fused = PtxText.Apply("fma.rn.f64 d, a, b, c;", 64, [64, 64, 64], inputs),
            quotient = PtxText.Apply("div.rn.f64 d, a, b;", 64, [64, 64, 64], inputs);
        ulong[] root = PtxText.Apply("{ abs.f64 d, a; sqrt.rn.f64 d, d; }", 64, [64, 64, 64], inputs),
            least = PtxText.Apply("min.f64 d, a, b;", 64, [64, 64, 64], inputs);
        for (int i = 0; i < a.Length; i++)
        {
            Assert.Equal(Math.FusedMultiplyAdd(a[i], b[i], c[i]), BitConverter.UInt64BitsToDouble(fused[i]));
            Assert.Equal(a[i] / b[i], BitConverter.UInt64BitsToDouble(quotient[i]));
            Assert.Equal(Math.Sqrt(Math.Abs(a[i])), BitConverter.UInt64BitsToDouble(root[i]));
            Assert.Equal(double.IsNaN(a[i]) ? b[i] : Math.Min(a[i], b[i]), BitConverter.UInt64BitsToDouble(least[i]));
        }

        static ulong[] Bits64(double[] values) => [.. values.Select(BitConverter.DoubleToUInt64Bits)];
    }
}
