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
            foreach (OpCase op in Ops) OpCheck.Run(op, backend);
            Assert.Equal(0, LiveStoragesWithoutScratch(backend));
        }
    }

    [Fact]
    public void The_check_notices_a_wrong_value()
    {
        Assert.Throws<CheckFailedException>(() => Check.NearRelative([1.0, 2.0], [1f, 2.00002f], 3e-6, "op"));
        Assert.Throws<CheckFailedException>(() => Check.NearRelative([1.0, 2.0], [1f, float.NaN], 3e-6, "op"));
        Assert.Throws<CheckFailedException>(() => Check.NearRelative([double.NegativeInfinity], [-1e30f], 3e-6, "op"));
        Check.NearRelative([1.0, double.NegativeInfinity], [1.000001f, float.NegativeInfinity], 3e-6, "op");
    }

    private static int LiveStoragesWithoutScratch(Backend backend)
    {
        backend.Dispose();
        return backend.LiveStorages;
    }
}
