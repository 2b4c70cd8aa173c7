using Conformance.Cases;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Kernels;

[Trait("Category", "Slow")]
public class OptimizerKernelTests
{
    public static TheoryData<string> Forms => Backends.NamesWithGpu();

    [Theory]
    [MemberData(nameof(Forms))]
    public void AdamW_equals_the_float64_formula_at_every_length(string form)
    {
        using Backend backend = Backends.Create(form, 3);
        // On a GPU a thread has one element: what differs is where a warp or a block ends, and the runs begin.
        IEnumerable<int> counts = form == "gpu"
            ? [1, 2, 3, 16, 17, 31, 32, 33, 48, 49, 63, 64, 65, 127, 128, 129, 255, 256, 257, 600] : Enumerable.Range(1, 256);
        foreach (int count in counts)
        {
            using var arena = new Arena(backend);
            double[] losses = [1, 2], report = new double[2];
            float[][] values = [.. Enumerable.Range(0, 4).Select(i => Normal(i, count))];
            for (int i = 0; i < count; i++) values[3][i] *= values[3][i];
            // The first 16 decay, the next do not, and the third are left.
            if (count > 48) values[1].AsSpan(32, 16).Clear();
            AdamWRun[] runs = count <= 48 ? [new(0, count, true)] : [new(0, 16, true), new(16, 16, false), new(48, count - 48, true)];
            Tensor[] t = [.. values.Select(v => Upload(backend, arena, v))];
            double norm = Math.Sqrt(values[1].Sum(v => (double)v * v)), clip = 0.5 * norm;
            Tensor numbers = arena.Rent(new Shape(AdamWStep.Count), DType.F32), told = arena.Rent(new Shape(2), DType.F64),
                sums = arena.Rent(new Shape(2), DType.F64);
            backend.Upload<AdamWStep>([AdamWStep.Of(0.01f, 0.9f, 0.98f, 1e-6f, 0.1f, 3, (float)clip)], numbers);
            backend.Upload<double>(losses, sums);
            var updated = new AdamWRuns(runs, count);
            backend.Run(
                new AdamWUpdate(numbers, updated, OptimizerOperands.Words(arena, updated), t[0], t[1], t[2], t[3], sums, default, told));
            backend.Download(told, report.AsSpan());
            float[][] after = [.. t.Select(tensor => Read(backend, tensor))];
            Assert.Equal(norm, report[0], 1e-5 * norm);
            Assert.Equal(1, report[1]);
            for (int i = 0; i < count; i++)
            {
                Assert.Equal(0, after[1][i]);
                if (count > 48 && i is >= 32 and < 48)
                {
                    Assert.Equal((values[0][i], values[2][i], values[3][i]), (after[0][i], after[2][i], after[3][i]));
                    continue;
                }

                double g = values[1][i] * 0.5, m = (0.9f * values[2][i]) + ((1 - 0.9f) * g),
                    v = (0.98f * values[3][i]) + ((1 - 0.98f) * g * g);
                double decayed = values[0][i] * (count > 48 && i is >= 16 and < 32 ? 1 : 1 - (0.01 * 0.1));
                double w = decayed - (0.01 / (1 - Math.Pow(0.9f, 3)) * m / (Math.Sqrt(v / (1 - Math.Pow(0.98f, 3))) + 1e-6));
                Assert.Equal(w, after[0][i], 2e-6);
                Assert.Equal(m, after[2][i], 1e-6);
                Assert.Equal(v, after[3][i], 1e-6 * Math.Max(1, v));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_step_with_a_loss_or_gradient_that_is_not_finite_changes_nothing_but_the_gradients(string form)
    {
        using Backend backend = Backends.Create(form, 2);
        foreach ((double loss, float gradient, double told) in ((double, float, double)[])
            [(double.NaN, 1, double.NaN), (double.NegativeInfinity, 1, double.NaN), (1, float.NaN, double.NaN),
                (1, float.PositiveInfinity, double.PositiveInfinity)])
        {
            using var arena = new Arena(backend);
            float[][] values = [.. Enumerable.Range(0, 4).Select(i => Normal(i, 300))];
            values[1][299] = gradient;
            Tensor[] t = [.. values.Select(v => Upload(backend, arena, v))];
            Tensor numbers = arena.Rent(new Shape(AdamWStep.Count), DType.F32), report = arena.Rent(new Shape(2), DType.F64),
                sums = arena.Rent(new Shape(2), DType.F64);
            backend.Upload<AdamWStep>([AdamWStep.Of(0.01f, 0.9f, 0.98f, 1e-6f, 0.1f, 3, 1)], numbers);
            backend.Upload<double>([loss, 2], sums);
            var runs = new AdamWRuns([new(0, 300, true)], 300);
            backend.Run(
                new AdamWUpdate(numbers, runs, OptimizerOperands.Words(arena, runs), t[0], t[1], t[2], t[3], sums, default, report));
            var read = new double[2];
            backend.Download<double>(report, read);
            Assert.Equal((told, 0), (read[0], read[1]));
            Assert.All(Read(backend, t[1]), g => Assert.Equal(0, g));
            foreach (int i in (int[])[0, 2, 3]) Assert.Equal(values[i], Read(backend, t[i]));
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_norm_of_gradients_equals_float64_and_is_bit_equal_for_every_number_of_threads(string form)
    {
        foreach (int count in (int[])[1, 2, 15, 16, 17, 127, 128, 129, 4095, 4096, 4097, 50_001])
        {
            float[] values = Normal(7, count);
            var norms = new HashSet<double>();
            foreach (int threads in (int[])[1, 2, 5])
            {
                using Backend backend = Backends.Create(form, threads);
                using var arena = new Arena(backend);
                norms.Add(OptimizerOperands.Norm(backend, Upload(backend, arena, values)));
            }

            double expected = Math.Sqrt(values.Sum(v => (double)v * v));
            Assert.Equal(expected, Assert.Single(norms), 1e-6 * expected);
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
