using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Cases;
using Tests.Kernels;

namespace Tests.Gpu;

public sealed class InterpretedKernelTests
{
    public static TheoryData<string> Names()
    {
        var data = new TheoryData<string>();
        foreach (string name in Cases().Select(c => c.Name).Distinct()) data.Add(name);
        return data;
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_kernel_equals_the_float64_reference_in_the_interpreter(string name)
    {
        using Backend backend = new CudaBackend(new InterpretedDevice());
        foreach (OpCase op in Cases().Where(c => c.Name == name)) ConformanceTests.Check(op, backend);
    }

    private static IEnumerable<OpCase> Cases()
    {
        foreach (int n in (int[])[0, 1, 7, 128, 129])
            foreach (Activation f in (Activation[])[Activation.None, Activation.Gelu, Activation.Geglu])
            {
                yield return new LinearCase(n, 34, 20, f, n % 2 == 0, n % 3 == 0, n % 2 == 1);
                yield return new LinearCase(5, 2 * n + 2, 36, f, n % 2 == 1, n % 3 == 1, n % 2 == 0);
            }
        foreach (int n in (int[])[1, 2, 8, 9, 255, 256, 257, 2050]) yield return new TanhCase(n);
        foreach (int rows in (int[])[0, 1, 7, 9])
            foreach (int width in (int[])[8, 24, 768, 1024, 1032])
            {
                yield return new LayerNormCase(rows, width, rows == 1);
                if (width <= 1024) yield return new EmbeddingCase(rows, 11, width, types: rows > 1);
                yield return new PoolingCase([rows, 0, 3], width, (Pooling)(rows % 3));
                yield return new CrossEntropyCase(rows, width);
            }
        foreach (int classes in (int[])[1, 2, 3, 17, 300]) yield return new CrossEntropyCase(3, classes, weighted: classes % 2 == 0);
        foreach (int n in (int[])[0, 1, 5, 86, 300])
        {
            yield return new ElementLossCase(n, 3, binary: true, weighted: n % 2 == 0);
            yield return new ElementLossCase(n, 3, binary: false, weighted: n % 2 == 1);
            yield return new ScaleCase(7 * n);
        }
        int[][] batches = [[1], [64], [65], [130], [0, 7, 0, 0, 33, 1, 0]];
        foreach (int[] lengths in batches)
        {
            yield return new AttentionCase<Alibi>(lengths, 12, 4, default);
            yield return new AttentionCase<NoModification>(lengths, 2, 16, default);
            yield return new AttentionCase<Causal>(lengths, 1, 8, default);
            yield return new AttentionCase<SlidingWindow>(lengths, 2, 8, new SlidingWindow(20));
            yield return new AttentionCase<SoftCap>(lengths, 2, 8, new SoftCap(1.5f));
        }
        foreach (int headSize in (int[])[4, 32, 64, 68, 128]) yield return new AttentionCase<Alibi>([40, 9], 3, headSize, default);
    }
}
