using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Kernels;

public class OptimizerKernelTests
{
    public static TheoryData<string> Forms => Backends.NamesWithGpu();

    [Theory]
    [MemberData(nameof(Forms))]
    public void AdamW_equals_the_float64_formula_at_every_length(string form)
    {
        using Backend backend = Backends.Create(form, 3);
        for (int count = 1; count <= 256; count++)
        {
            using var arena = new Arena(backend);
            var step = new AdamWStep(0.01f, 0.9f, 0.98f, 1e-6f, 0.1f, 3, 0.5f);
            float[][] values = [.. Enumerable.Range(0, 4).Select(i => Normal(i, count))];
            for (int i = 0; i < count; i++) values[3][i] *= values[3][i];
            Tensor[] t = [.. values.Select(v => Upload(backend, arena, v))];
            backend.AdamW(step, t[0], t[1], t[2], t[3]);
            float[][] after = [.. t.Select(tensor => Read(backend, tensor))];
            for (int i = 0; i < count; i++)
            {
                double g = values[1][i] * 0.5, m = (0.9f * values[2][i]) + ((1 - 0.9f) * g), v = (0.98f * values[3][i]) + ((1 - 0.98f) * g * g);
                double decayed = values[0][i] * (1 - (0.01 * 0.1));
                double w = decayed - (0.01 / (1 - Math.Pow(0.9f, 3)) * m / (Math.Sqrt(v / (1 - Math.Pow(0.98f, 3))) + 1e-6));
                Assert.Equal(w, after[0][i], 2e-6);
                Assert.Equal(m, after[2][i], 1e-6);
                Assert.Equal(v, after[3][i], 1e-6 * Math.Max(1, v));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_sum_of_squares_equals_float64_and_is_bit_equal_for_every_number_of_threads(string form)
    {
        foreach (int count in (int[])[1, 2, 15, 16, 17, 127, 128, 129, 4095, 4096, 4097, 50_001])
        {
            float[] values = Normal(7, count);
            var sums = new HashSet<double>();
            foreach (int threads in (int[])[1, 2, 5])
            {
                using Backend backend = Backends.Create(form, threads);
                using var arena = new Arena(backend);
                sums.Add(backend.SumOfSquares(Upload(backend, arena, values)));
            }

            double expected = values.Sum(v => (double)v * v);
            Assert.Equal(expected, Assert.Single(sums), 1e-6 * expected);
        }
    }

    private static float[] Normal(int site, int count)
    {
        var values = new float[count];
        new Philox(9, 0, (uint)site).FillNormal(values, 1);
        return values;
    }

    private static float[] Read(Backend backend, Tensor tensor)
    {
        var values = new float[tensor.Count];
        backend.Download<float>(tensor, values);
        return values;
    }

    private static Tensor Upload(Backend backend, Arena arena, float[] values)
    {
        Tensor tensor = arena.Rent(new Shape(values.Length), DType.F32);
        backend.Upload<float>(values, tensor);
        return tensor;
    }
}
