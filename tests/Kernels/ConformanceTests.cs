using System.Runtime.Intrinsics;
using Conformance.Cases;
using Engine.Kernels;
using Engine.Runtime;

namespace Tests.Kernels;

public class ConformanceTests
{
    private static readonly OpCase[] Ops = [.. OperationSuite.AllSizes];

    public static TheoryData<string> Forms => Backends.NamesWithHalves();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Every_op_equals_the_float64_reference_on_odd_shapes_and_stays_within_its_tensors(string form)
    {
        // The scalar form is slow, and runs with one thread in a process without SIMD.
        foreach (int threads in form != "scalar" ? (int[])[1, 3] : Vector128.IsHardwareAccelerated ? [3] : [1])
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

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_long_convolution_and_its_gradients_are_bit_equal_for_every_number_of_threads(string form)
    {
        var convolution = new LongConvolutionCase([100, 3, 100, 77], 53, 100);
        float[]? first = null;
        foreach (int threads in (int[])[1, 2, 5])
        {
            using Backend backend = Backends.Create(form, threads);
            using var arena = new Arena(backend);
            (Action run, Tensor[] outputs) = convolution.Prepare(backend, arena, arena.Rent);
            run();
            float[] result = [.. outputs.SelectMany(output => output.Span<float>().ToArray())];
            Assert.Equal(first ??= result, result);
        }
    }

    [Fact]
    public void A_size_of_a_transform_is_the_smallest_of_its_kind_and_its_convolution_is_that_of_the_definition()
    {
        int[] sizes = [.. new[] { 1, 3, 5 }.SelectMany(odd => Enumerable.Range(0, 20).Select(a => odd << a)).Order()];
        for (int length = 1; length <= 3000; length++)
            Assert.Equal(sizes.First(size => size >= length), FourierTable.SizeFor(length));
        using Backend backend = Backends.Create("scalar", 1);
        foreach (int length in (int[])[1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 40, 48, 160, 192, 640])
            OpCheck.Run(new LongConvolutionCase([length], 2, length), backend);
    }

    private static int LiveStoragesWithoutScratch(Backend backend)
    {
        backend.Dispose();
        return backend.LiveStorages;
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Attention_over_more_queries_than_go_together_is_right_and_bit_equal_for_every_number_of_threads(string form)
    {
        Check(default(Alibi));
        Check(new SlidingWindow(150));

        void Check<TMod>(TMod mod)
            where TMod : unmanaged, IScoreModification<TMod>
        {
            var attention = new AttentionCase<TMod>([3, 700, 0, 300], 2, 8, mod);
            float[]? first = null;
            foreach (int threads in (int[])[1, 2, 5])
            {
                using Backend backend = Backends.Create(form, threads);
                OpCheck.Run(attention, backend);
                using var arena = new Arena(backend);
                (Action run, Tensor[] outputs) = attention.Prepare(backend, arena, arena.Rent);
                run();
                float[] result = [.. outputs.SelectMany(output => output.Span<float>().ToArray())];
                Assert.Equal(first ??= result, result);
            }
        }
    }
}
