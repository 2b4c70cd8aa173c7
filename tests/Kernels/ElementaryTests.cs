using System.Runtime.Intrinsics;
using Conformance.Cases;
using Engine.Kernels;

namespace Tests.Kernels;

public unsafe class ElementaryTests
{
    [Fact]
    public void Gelu_is_within_1e_6_of_the_erf_form_everywhere()
    {
        Sweep(x => Math.Abs(x) > 60 ? Math.Max(x, 0) : Reference.Gelu(x), &Gelu,
            (x, expected) => Math.Max(1e-6, 2e-7 * Math.Abs(expected)));
    }

    [Fact]
    public void Gelu_keeps_the_relative_accuracy_of_its_negative_tail()
    {
        for (float x = -1; x > -10; x -= 0.01f)
            Assert.InRange(SimdGelu(x) / Reference.Gelu(x), 1 - 2e-5, 1 + 2e-5);
    }

    [Fact]
    public void Exp_is_within_two_ulp_and_zero_below_the_normal_range()
    {
        Sweep(x => x < -87.33f ? 0 : Math.Exp(Math.Min(x, 88)), &Exp, (x, expected) => 2.4e-7 * expected);
        Assert.Equal(0, SimdScalar.Exp(float.NegativeInfinity).Value);
    }

    [Fact]
    public void Tanh_is_within_three_ulp()
    {
        Sweep(x => Math.Tanh(x), &Tanh, (x, expected) => 3.6e-7 * Math.Abs(expected));
    }

    [Fact]
    public void Tanh_of_what_is_no_number_is_none_and_of_infinity_is_one()
    {
        float* x = stackalloc float[16];
        float* y = stackalloc float[16];
        for (int i = 0; i < 16; i++) x[i] = i % 3 == 0 ? float.NaN : i % 3 == 1 ? float.PositiveInfinity : float.NegativeInfinity;
        foreach (delegate*<float*, float*, void> form in (delegate*<float*, float*, void>[])[&Tanh, &Tanh256, &Tanh128, &TanhScalar])
        {
            form(x, y);
            for (int i = 0; i < 16; i++) Assert.Equal(MathF.Tanh(x[i]), y[i]);
        }
    }

    private static void Tanh256(float* x, float* y)
    {
        for (int i = 0; i < 16; i += 8) Simd256.Store(y + i, Simd256.Tanh(Simd256.Load(x + i)));
    }

    private static void Tanh128(float* x, float* y)
    {
        for (int i = 0; i < 16; i += 4) Simd128.Store(y + i, Simd128.Tanh(Simd128.Load(x + i)));
    }

    private static void TanhScalar(float* x, float* y)
    {
        for (int i = 0; i < 16; i++) y[i] = SimdScalar.Tanh(x[i]).Value;
    }

    private static float SimdGelu(float x) => GeluFormula.Value<SimdScalar>(x).Value;

    private static void Gelu(float* x, float* y)
    {
        Elementwise.Apply<Simd512, GeluFunction>(x, x, y, 16, accumulate: false);
    }

    private static void Exp(float* x, float* y) => Simd512.Store(y, Simd512.Exp(Simd512.Load(x)));

    private static void Tanh(float* x, float* y) => Simd512.Store(y, Simd512.Tanh(Simd512.Load(x)));

    /// <summary>Floats spread over all exponents and signs, sixteen at a time.</summary>
    private static void Sweep(Func<float, double> expected, delegate*<float*, float*, void> actual, Func<float, double, double> tolerance)
    {
        float* x = stackalloc float[16];
        float* y = stackalloc float[16];
        for (uint bits = 0; bits < 0x42C8_0000; bits += 16 * 4001)
        {
            for (uint i = 0; i < 16; i++) x[i] = BitConverter.UInt32BitsToSingle((bits + (i / 2 * 4001)) | (i % 2 << 31));
            actual(x, y);
            for (int i = 0; i < 16; i++)
            {
                double e = expected(x[i]);
                if (!(Math.Abs(y[i] - e) <= tolerance(x[i], e))) Assert.Fail($"f({x[i]:R}) is {y[i]:R}, expected {e:R}");
            }
        }
    }

    [Fact]
    public void An_element_has_the_same_bits_wherever_it_stands_in_an_array()
    {
        Check<SimdScalar>();
        if (Vector128.IsHardwareAccelerated) Check<Simd128>();
        if (!Vector256.IsHardwareAccelerated) return;
        Check<Simd256>();
        Check<Simd512>();

        static void Check<T>()
            where T : unmanaged, ISimd<T>
        {
            const int Most = 64;
            float* x = stackalloc float[Most], whole = stackalloc float[Most], part = stackalloc float[Most];
            for (int i = 0; i < Most; i++) x[i] = MathF.Sin(i) * 3;
            Same<TanhFunction>();
            Same<GeluFunction>();

            void Same<TFunction>()
                where TFunction : struct, IElementwise
            {
                Elementwise.Apply<T, TFunction>(x, x, whole, Most, accumulate: false);
                for (int count = 1; count < Most; count++)
                {
                    Elementwise.Apply<T, TFunction>(x, x, part, count, accumulate: false);
                    for (int i = 0; i < count; i++) Assert.Equal(whole[i], part[i]);
                }
            }
        }
    }
}
