using Engine.Runtime;
using Tests.Cases;

namespace Tests.Kernels;

public class ConformanceTests
{
    private static readonly OpCase[] Ops = [.. OpCases.Small()];

    public static TheoryData<string> Forms => Backends.Names();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_op_equals_the_float64_reference_on_odd_shapes_and_stays_within_its_tensors(string form)
    {
        foreach (int threads in (int[])[1, 3])
        {
            using Backend backend = Backends.Create(form, threads);
            foreach (OpCase op in Ops) Check(op, backend);
            Assert.Equal(0, LiveStoragesWithoutScratch(backend));
        }
    }

    [Fact]
    public void The_check_notices_a_wrong_value()
    {
        Assert.Throws<Xunit.Sdk.FailException>(() => Compare("op", [1.0, 2.0], [1f, 2.00002f], 3e-6));
        Assert.Throws<Xunit.Sdk.FailException>(() => Compare("op", [1.0, 2.0], [1f, float.NaN], 3e-6));
        Assert.Throws<Xunit.Sdk.FailException>(() => Compare("op", [double.NegativeInfinity], [-1e30f], 3e-6));
        Compare("op", [1.0, double.NegativeInfinity], [1.000001f, float.NegativeInfinity], 3e-6);
    }

    internal static void Check(OpCase op, Backend backend)
    {
        using var arena = new Arena(backend);
        var storages = new List<Storage>();
        Tensor Guarded(Shape shape, DType dtype)
        {
            storages.Add(backend.Allocate(shape.Count * dtype.Size()));
            return new Tensor(storages[^1], 0, shape, dtype);
        }

        try
        {
            (Action run, Tensor[] outputs) = op.Prepare(backend, arena, Guarded);
            run();
            double[][] expected = op.Expected;
            Assert.Equal(expected.Length, outputs.Length);
            for (int i = 0; i < expected.Length; i++)
            {
                var actual = new float[outputs[i].Count];
                backend.Download<float>(outputs[i], actual);
                Compare($"{op.Name}, output {i}, {backend.Description}", expected[i], actual, op.Tolerance);
            }
        }
        finally
        {
            foreach (Storage storage in storages) storage.Dispose();
        }
    }

    private static int LiveStoragesWithoutScratch(Backend backend)
    {
        backend.Dispose();
        return backend.LiveStorages;
    }

    private static void Compare(string what, double[] expected, float[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        double scale = 1;
        foreach (double e in expected) scale = double.IsFinite(e) ? Math.Max(scale, Math.Abs(e)) : scale;
        for (int i = 0; i < expected.Length; i++)
        {
            if (expected[i].Equals(actual[i])) continue;
            if (!(Math.Abs(expected[i] - actual[i]) <= tolerance * scale)) Assert.Fail($"{what}: element {i} is {actual[i]:R}, expected {expected[i]:R} (tolerance {tolerance * scale:G3})");
        }
    }
}
