using Conformance.Cases;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Kernels;

/// <summary>
/// Products of rounded factors, against the same factors rounded by plain code and multiplied in float64: only the order of fp32 sums
/// may differ.
/// </summary>
public class PrecisionTests
{
    private const double Tolerance = 4e-6;

    private static readonly (int Rows, int Outputs, int Inputs)[] Shapes =
        [(1, 1, 1), (2, 3, 5), (9, 48, 32), (10, 50, 33), (13, 66, 64), (31, 98, 130), (64, 64, 1601), (37, 130, 3072)];

    // Gradients of weights with more outputs than inputs are computed in another order: here with more rows, and with more columns, than
    // are worked on together.
    private static readonly (int Rows, int Outputs, int Inputs)[] GradientShapes = [.. Shapes, (2100, 163, 100), (20, 800, 790)];

    public static TheoryData<string> Forms => Backends.Names();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Float_and_bfloat16_products_equal_those_of_rounded_factors(string form)
    {
        foreach (Precision precision in (Precision[])[Precision.F32, Precision.BF16])
            foreach ((int rows, int outputs, int inputs) in GradientShapes)
            {
                using Backend backend = Backends.Create(form, 2, precision);
                float[] x = Values(rows * inputs, 1), w = Values(outputs * inputs, 2), dy = Values(rows * outputs, 3);
                double[] rx = Rounded(x, precision), rw = Rounded(w, precision), rdy = Rounded(dy, precision);
                Near(Reference.MatMul(rx, rw, rows, outputs, inputs), Forward(backend, x, w, rows, outputs, inputs), "x wᵀ");

                using var arena = new Arena(backend);
                Tensor tdy = Upload(backend, arena, dy, rows, outputs), tx = Upload(backend, arena, x, rows, inputs);
                Tensor tw = Upload(backend, arena, w, outputs, inputs);
                Tensor dx = Upload(backend, arena, x, rows, inputs), dw = Upload(backend, arena, w, outputs, inputs);
                backend.Run(new LinearInputBackward(tdy, tw, accumulate: true, dx));
                backend.Run(new LinearWeightBackward(tdy, tx, dw));
                double[] expected = Reference.MatMul(rdy, Transposed(rw, outputs, inputs), rows, inputs, outputs);
                Near(Sum(expected, x), Download(backend, dx), "dy w");
                expected = Reference.MatMul(Transposed(rdy, rows, outputs), Transposed(rx, rows, inputs), outputs, inputs, rows);
                Near(Sum(expected, w), Download(backend, dw), "dyᵀ x");
            }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Int8_products_equal_those_of_factors_quantised_per_row_and_per_output(string form)
    {
        foreach ((int rows, int outputs, int inputs) in Shapes)
            using (Backend backend = Backends.Create(form, 2, Precision.I8))
            {
                float[] x = Values(rows * inputs, 1), w = Values(outputs * inputs, 2);
                Array.Clear(x, 0, inputs);
                double[] expected = Reference.MatMul(Quantised(x, inputs), Quantised(w, inputs), rows, outputs, inputs);
                Near(expected, Forward(backend, x, w, rows, outputs, inputs), "x wᵀ");
            }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Gated_products_in_bfloat16_and_int8_pair_the_halves_of_the_weight(string form)
    {
        const int Rows = 25, Half = 37, Inputs = 70;
        float[] x = Values(Rows * Inputs, 1), w = Values(2 * Half * Inputs, 2);
        foreach ((Precision precision, Activation activation) in ((Precision, Activation)[])
            [(Precision.BF16, Activation.Geglu), (Precision.I8, Activation.Geglu), (Precision.BF16, Activation.Swiglu)])
        {
            using Backend backend = Backends.Create(form, 2, precision);
            bool rounds = precision == Precision.BF16;
            double[] g = Reference.MatMul(
                rounds ? Rounded(x) : Quantised(x, Inputs), rounds ? Rounded(w) : Quantised(w, Inputs), Rows, 2 * Half, Inputs);
            Near(
                Reference.Activate(activation, g, Rows, Half), Forward(backend, x, w, Rows, 2 * Half, Inputs, activation),
                $"{activation} in {precision}");
        }
    }

    // A weight is rounded by 2⁻⁹ of itself at most, and the weights of a query sum to one.
    [Theory]
    [MemberData(nameof(Forms))]
    public void Attention_in_lower_precision_is_that_of_rounded_factors_but_for_the_rounding_of_weights(string form)
    {
        foreach (Precision precision in (Precision[])[Precision.BF16, Precision.I8])
        {
            using Backend backend = Backends.Create(form, 2, precision), floats = Backends.Create(form, 1);
            foreach ((int heads, int headSize) in ((int, int)[])[(3, 7), (2, 64)])
            {
                Check(backend, floats, heads, headSize, new Alibi());
                Check(backend, floats, heads, headSize, new SlidingWindow(37));
            }
        }

        static void Check<TMod>(Backend backend, Backend floats, int heads, int headSize, TMod mod)
            where TMod : unmanaged, IScoreModification<TMod>
        {
            int[] lengths = [1, 2, 0, 33, 191, 193, 401];
            int tokens = lengths.Sum(), hidden = heads * headSize;
            float[] qkv = [.. Rounded(Values(tokens * 3 * hidden, 4)).Select(v => (float)v)];
            float[] expected = Run(floats, logSumExp: false), actual = Run(backend, logSumExp: false);
            float most = 0;
            for (int i = 0; i < qkv.Length; i++) most = i % (3 * hidden) < 2 * hidden ? most : Math.Max(most, Math.Abs(qkv[i]));
            for (int i = 0; i < expected.Length; i++)
                if (!(Math.Abs(expected[i] - actual[i]) <= most * ((1.0 / 512) + 1e-5)))
                    Assert.Fail($"element {i} is {actual[i]:R}, expected {expected[i]:R}");
            // The backward pass computes scores in floats, so the pass that it needs does too.
            Assert.Equal(Run(floats, logSumExp: true), Run(backend, logSumExp: true));

            float[] Run(Backend on, bool logSumExp)
            {
                using var arena = new Arena(on);
                Tensor y = arena.Rent(new Shape(tokens, hidden), DType.F32);
                Tensor saved = logSumExp ? arena.Rent(new Shape(heads, tokens), DType.F32) : default;
                Tensor operand = Upload(on, arena, qkv, tokens, 3 * hidden);
                on.Run(new AttentionForward<TMod>(operand, arena.RentCuSeqlens(lengths), heads, mod, saved, y));
                return Download(on, y);
            }
        }
    }

    [Fact]
    public void Training_in_int8_is_refused()
    {
        using Backend backend = CpuBackend.Create(1, Precision.I8);
        using var arena = new Arena(backend);
        Tensor square = Upload(backend, arena, Values(16, 1), 4, 4), result = Upload(backend, arena, Values(16, 2), 4, 4);
        Assert.Throws<InvalidOperationException>(() => backend.Run(new LinearWeightBackward(square, square, result)));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_factor_that_is_not_a_number_stays_one_in_every_precision(string form)
    {
        foreach (Precision precision in (Precision[])[Precision.BF16, Precision.I8])
        {
            using Backend backend = Backends.Create(form, 1, precision);
            float[] x = Values(2 * 40, 1), w = Values(3 * 40, 2);
            x[57] = float.NaN;
            float[] y = Forward(backend, x, w, 2, 3, 40);
            Assert.All(y[..3], v => Assert.True(float.IsFinite(v)));
            Assert.All(y[3..], v => Assert.True(float.IsNaN(v)));
        }
    }

    private static float[] Forward(
        Backend backend, float[] x, float[] w, int rows, int outputs, int inputs, Activation activation = Activation.None)
    {
        using var arena = new Arena(backend);
        Weight weight = backend.Pack(Upload(backend, arena, w, outputs, inputs), activation, arena);
        Tensor y = arena.Rent(new Shape(rows, activation.IsGated() ? outputs / 2 : outputs), DType.F32);
        backend.Run(new LinearForward(Upload(backend, arena, x, rows, inputs), weight, default, activation, default, y));
        return Download(backend, y);
    }

    private static float[] Values(int count, int seed)
    {
        var values = new float[count];
        var random = new Random(seed);
        for (int i = 0; i < count; i++) values[i] = (float)((random.NextDouble() * 2) - 1) * (i % 7 == 0 ? 3 : 1);
        return values;
    }

    private static double[] Rounded(float[] values, Precision precision = Precision.BF16) =>
        [.. values.Select(v => precision == Precision.BF16 ? (double)(float)(BFloat16)v : v)];

    private static double[] Quantised(float[] values, int row)
    {
        var quantised = new double[values.Length];
        for (int start = 0; start < values.Length; start += row)
        {
            float scale = values.AsSpan(start, row).ToArray().Max(MathF.Abs) / 127;
            for (int i = start; i < start + row; i++) quantised[i] = scale == 0 ? 0 : Math.Round(values[i] * (1 / scale)) * scale;
        }

        return quantised;
    }

    private static double[] Transposed(double[] x, int rows, int columns)
    {
        var y = new double[x.Length];
        for (int r = 0; r < rows; r++)
            for (int c = 0; c < columns; c++) y[(c * rows) + r] = x[(r * columns) + c];
        return y;
    }

    private static double[] Sum(double[] x, float[] y) => [.. x.Zip(y, (a, b) => a + b)];

    private static Tensor Upload(Backend backend, Arena arena, float[] values, int rows, int columns)
    {
        Tensor tensor = arena.Rent(new Shape(rows, columns), DType.F32);
        backend.Upload<float>(values, tensor);
        return tensor;
    }

    private static float[] Download(Backend backend, Tensor tensor)
    {
        var values = new float[tensor.Count];
        backend.Download<float>(tensor, values);
        return values;
    }

    private static void Near(double[] expected, float[] actual, string what)
    {
        double scale = Math.Max(1, expected.Max(Math.Abs));
        for (int i = 0; i < expected.Length; i++)
            if (!(Math.Abs(expected[i] - actual[i]) <= Tolerance * scale))
                Assert.Fail($"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R}");
    }
}
