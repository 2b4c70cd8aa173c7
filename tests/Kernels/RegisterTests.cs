using Conformance.Cases;
using Engine.Kernels;

namespace Tests.Kernels;

/// <summary>The registers beside a single float and a float64, and the formulas that are written once for all of them.</summary>
public unsafe class RegisterTests
{
    private static readonly float[] Numbers =
        [0f, -0f, 1f, -1f, 0.3f, -2.5f, 7e-20f, -3e15f, 1e-42f, float.MaxValue, float.PositiveInfinity, float.NegativeInfinity];

    [Fact]
    public void Every_lane_of_every_register_computes_what_a_float_does()
    {
        EveryLane<Simd128>();
        EveryLane<Simd256>();
        EveryLane<Simd512>();
    }

    [Fact]
    public void The_logarithm_of_a_positive_number_is_within_four_ulp()
    {
        Logarithm<SimdScalar>();
        Logarithm<Simd128>();
        Logarithm<Simd256>();
        Logarithm<Simd512>();
    }

    [Fact]
    public void A_formula_in_float64_is_its_definition()
    {
        foreach (double x in (double[])[-40, -9, -3.3, -1, -0.2, 0, 1e-9, 0.4, 1, 2.7, 8, 40])
        {
            const double Tiny = 1e-6;
            Near(Reference.Gelu(x), GeluFunction.Apply<Float64>(x, x), 3e-8);
            Near((Reference.Gelu(x + Tiny) - Reference.Gelu(x - Tiny)) / (2 * Tiny) * 3, GeluGradient.Apply<Float64>(x, 3), 1e-6);
            Near(Math.Tanh(x), TanhFunction.Apply<Float64>(x, x), 0);
            Near(3 * (1 - (Math.Tanh(x) * Math.Tanh(x))), TanhGradient.Apply<Float64>(Math.Tanh(x), 3), 1e-15);
            Near(x + 3, AddFunction.Apply<Float64>(x, 3), 0);
            Near(Math.Max(x, 0), ReluFunction.Apply<Float64>(x, x), 0);
            Near(x > 0 ? 3 : 0, ReluGradient.Apply<Float64>(Math.Max(x, 0), 3), 0);
            double sigmoid = 1 / (1 + Math.Exp(-x));
            Near(sigmoid, SigmoidFunction.Apply<Float64>(x, x), 1e-15);
            Near(3 * sigmoid * (1 - sigmoid), SigmoidGradient.Apply<Float64>(sigmoid, 3), 1e-15);
            Near(GeluTanh(x), GeluTanhFunction.Apply<Float64>(x, x), 1e-6);
            Near((GeluTanh(x + Tiny) - GeluTanh(x - Tiny)) / (2 * Tiny) * 3, GeluTanhGradient.Apply<Float64>(x, 3), 1e-6);
            foreach (double t in (double[])[0, 0.25, 1])
            {
                double p = 1 / (1 + Math.Exp(-x));
                Near((t * Math.Log(
                    1 + Math.Exp(-x))) + ((1 - t) * Math.Log(1 + Math.Exp(x))), BinaryCrossEntropyLoss.Loss<Float64>(x, t), 1e-13);
                Near(p - t, BinaryCrossEntropyLoss.Derivative<Float64>(x, t), 1e-15);
                Near(Math.Pow(x - t, 2), SquaredErrorLoss.Loss<Float64>(x, t), 1e-12);
                Near(2 * (x - t), SquaredErrorLoss.Derivative<Float64>(x, t), 1e-13);
            }
        }

        static void Near(double expected, Float64 actual, double tolerance) =>
            Assert.True(Math.Abs(expected - actual.Value) <= tolerance, $"{actual.Value:R}, expected {expected:R}");

        static double GeluTanh(double x) => 0.5 * x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + (0.044715 * x * x * x))));
    }

    [Fact]
    public void Sine_and_cosine_are_within_four_ulp_of_one_up_to_ten_thousand()
    {
        Sine<SimdScalar>();
        Sine<Simd128>();
        Sine<Simd256>();
        Sine<Simd512>();
        foreach (double x in (double[])[-9000, -40, -3.3, -1e-9, 0, 0.4, 1.5707963, 2.7, 8, 4711])
        {
            Assert.Equal(Math.Sin(x), SineFormula.Sin<Float64>(x).Value, 1e-6);
            Assert.Equal(Math.Cos(x), SineFormula.Cos<Float64>(x).Value, 1e-6);
        }

        foreach (float x in (float[])[float.NaN, float.PositiveInfinity, float.NegativeInfinity])
        {
            Assert.True(float.IsNaN(SineFormula.Sin<SimdScalar>(x).Value));
            Assert.True(float.IsNaN(SineFormula.Cos<SimdScalar>(x).Value));
        }
    }

    private static void Sine<T>()
        where T : unmanaged, ISimd<T>
    {
        const double Four = 4 / 16777216.0;
        float* x = stackalloc float[T.Lanes], sine = stackalloc float[T.Lanes], cosine = stackalloc float[T.Lanes];
        for (int step = -20000; step < 20000; step++)
        {
            for (int i = 0; i < T.Lanes; i++) x[i] = (step + (i / 16f)) * (step % 2 == 0 ? 0.5f : 1e-3f);
            T.Store(sine, SineFormula.Sin(T.Load(x)));
            T.Store(cosine, SineFormula.Cos(T.Load(x)));
            for (int i = 0; i < T.Lanes; i++)
                Assert.True(
                    Math.Abs(sine[i] - Math.Sin(x[i])) <= Four && Math.Abs(cosine[i] - Math.Cos(x[i])) <= Four,
                    $"{typeof(T).Name}: of {x[i]:R} sine {sine[i]:R}, cosine {cosine[i]:R}");
        }
    }

    private static void Logarithm<T>()
        where T : unmanaged, ISimd<T>
    {
        float* x = stackalloc float[T.Lanes], y = stackalloc float[T.Lanes];
        for (uint bits = 1; bits < 0x7F80_0000; bits += 40009)
        {
            for (int i = 0; i < T.Lanes; i++) x[i] = BitConverter.UInt32BitsToSingle(bits + (uint)i);
            T.Store(y, T.Log(T.Load(x)));
            for (int i = 0; i < T.Lanes; i++)
            {
                double expected = Math.Log(x[i]);
                Assert.True(Math.Abs(
                    y[i] - expected) <= 4.8e-7 * Math.Abs(expected), $"{typeof(T).Name}: log {x[i]:R} is {y[i]:R}, expected {expected:R}");
            }
        }
    }

    private static void EveryLane<T>()
        where T : unmanaged, ISimd<T>
    {
        float* left = stackalloc float[T.Lanes], right = stackalloc float[T.Lanes];
        for (int start = 0; start < Numbers.Length * Numbers.Length; start++)
        {
            for (int i = 0; i < T.Lanes; i++)
            {
                int pair = (start + i) % (Numbers.Length * Numbers.Length);
                (left[i], right[i]) = (Numbers[pair / Numbers.Length], Numbers[pair % Numbers.Length]);
            }

            T a = T.Load(left), b = T.Load(right);
            Same(a + b, (x, y) => x + y);
            Same(a - b, (x, y) => x - y);
            Same(a * b, (x, y) => x * y);
            Same(a / b, (x, y) => x / y);
            Same(-a, (x, _) => -x);
            Same(a * 0.1f, (x, _) => x * 0.1f);
            Same(T.Reciprocal(a), (x, _) => 1 / x);
            Same(T.Abs(a), (x, _) => MathF.Abs(x));
            Same(T.Sqrt(T.Abs(a)), (x, _) => MathF.Sqrt(MathF.Abs(x)));
            Same(T.IfLess(a, b, b, a), (x, y) => x < y ? y : x);
            Same(T.Max(a, b) + 0f, (x, y) => MathF.Max(x, y) + 0f);
            Same(T.Min(a, b) + 0f, (x, y) => MathF.Min(x, y) + 0f);
        }

        void Same(T actual, Func<float, float, float> expected)
        {
            float* values = stackalloc float[T.Lanes];
            T.Store(values, actual);
            for (int i = 0; i < T.Lanes; i++)
            {
                float e = expected(left[i], right[i]);
                Assert.True(BitConverter.SingleToInt32Bits(e) == BitConverter.SingleToInt32Bits(values[i])
                    || (float.IsNaN(e) && float.IsNaN(values[i])),
                    $"{typeof(T).Name}, lane {i}: {values[i]:R} of {left[i]:R} and {right[i]:R}, expected {e:R}");
            }
        }
    }
}
