using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>The sizes at which operations are tested, and those at which they are measured.</summary>
public static class OpCases
{
    /// <summary>Odd shapes: every length from 0 to 256 in each dimension that a kernel blocks, and what lies around its tiles.</summary>
    public static IEnumerable<OpCase> Small()
    {
        for (int n = 0; n <= 256; n++)
        {
            foreach (OpCase linear in Linear(n)) yield return linear;
            yield return new TanhCase(n);
            yield return new LayerNormCase(n, 5, inPlace: false);
            yield return new CrossEntropyCase(n, 3, weighted: n % 2 == 1);
            yield return new ElementLossCase(n, 3, binary: n % 4 < 2, weighted: n % 2 == 0);
            yield return new ScaleCase(n);
            yield return new EmbeddingCase(n, 11, 6, types: n % 2 == 0);
            yield return new AttentionCase<Alibi>([n], 3, 8, default);
            yield return new PoolingCase([n], 3, (Pooling)(n % 3));
            yield return new PositionsCase([n], 3, inPlace: n % 2 == 0);
            yield return new TokenDropoutCase([n], 3, inPlace: n % 2 == 1);
            yield return new RotaryCase([n], rotated: 2, heads: 3, headSize: 8, inPlace: n % 2 == 0, inverse: n % 4 < 2);
            if (n == 0) continue;
            yield return new LayerNormCase(3, n, inPlace: n % 3 == 0);
            yield return new CrossEntropyCase(3, n);
            yield return new EmbeddingCase(5, 7, n, types: n % 2 == 1);
            yield return new PoolingCase([2, 0, 3], n, (Pooling)(n % 3));
            yield return new PositionsCase([2, 0, 3], n, inPlace: n % 3 == 0);
            yield return new TokenDropoutCase([2, 0, 3], n, inPlace: n % 3 == 1);
            yield return new RotaryCase(
                [2, 0, 3], rotated: 2, heads: 2 + (n % 2), headSize: 2 * n, inPlace: n % 3 == 0, inverse: n % 2 == 0);
        }

        foreach (int depth in (int[])[767, 768, 769, 1537])
            yield return new LinearCase(
                37, 70, depth, depth % 2 == 0 ? Activation.Gelu : Activation.Geglu, bias: true, residual: true, packed: depth % 2 == 1);
        yield return new LinearCase(200, 400, 800, Activation.None, bias: false, residual: false, packed: true);
        foreach (OpCase attention in Attention()) yield return attention;
        foreach (OpCase convolution in ConvolutionCases.Small().Concat(CausalCases.Small())) yield return convolution;
    }

    /// <summary>The operations of the 117M model on a batch of so many sequences of so many tokens.</summary>
    public static IEnumerable<OpCase> Model(int sequences, int tokens)
    {
        int total = sequences * tokens;
        int[] lengths = [.. Enumerable.Repeat(tokens, sequences)];
        yield return new EmbeddingCase(total, 4096, 768, types: false);
        yield return new LinearCase(total, 2304, 768, Activation.None, bias: true, residual: false, packed: true);
        yield return new AttentionCase<Alibi>(lengths, 12, 64, default);
        yield return new LinearCase(total, 768, 768, Activation.None, bias: true, residual: true, packed: true);
        yield return new LayerNormCase(total, 768, inPlace: true);
        yield return new LinearCase(total, 6144, 768, Activation.Geglu, bias: false, residual: false, packed: true);
        yield return new LinearCase(total, 768, 3072, Activation.None, bias: true, residual: true, packed: true);
    }

    /// <summary>Odd shapes around the tiles of the GPU kernels: few and small enough to be interpreted.</summary>
    public static IEnumerable<OpCase> Gpu()
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
                yield return new EmbeddingCase(rows, 11, width, types: rows > 1);
                yield return new PoolingCase([rows, 0, 3], width, (Pooling)(rows % 3));
                yield return new CrossEntropyCase(rows, width);
                yield return new PositionsCase([rows, 0, 3], width, inPlace: rows == 7);
                yield return new TokenDropoutCase([rows, 0, 3], width, inPlace: rows == 9);
            }
        foreach (int classes in (int[])[1, 2, 3, 17, 300]) yield return new CrossEntropyCase(3, classes, weighted: classes % 2 == 0);
        foreach (int n in (int[])[0, 1, 5, 86, 300])
        {
            yield return new ElementLossCase(n, 3, binary: true, weighted: n % 2 == 0);
            yield return new ElementLossCase(n, 3, binary: false, weighted: n % 2 == 1);
            yield return new ScaleCase(7 * n);
        }

        foreach (int headSize in (int[])[2, 10, 64])
            foreach (bool inPlace in (bool[])[false, true])
            {
                yield return new RotaryCase([7, 0, 65, 1], rotated: 8, heads: 12, headSize, inPlace);
                yield return new RotaryCase([3], rotated: 2, heads: 2, headSize, inPlace, inverse: true);
            }

        int[][] batches = [[1], [64], [65], [130], [0, 7, 0, 0, 33, 1, 0]];
        foreach (int[] lengths in batches)
        {
            yield return new AttentionCase<Alibi>(lengths, 12, 4, default);
            yield return new AttentionCase<NoModification>(lengths, 2, 16, default);
            yield return new AttentionCase<UniformScores>(lengths, 2, 8, default);
            yield return new AttentionCase<Causal>(lengths, 1, 8, default);
            yield return new AttentionCase<SlidingWindow>(lengths, 2, 8, new SlidingWindow(20));
            yield return new AttentionCase<SoftCap>(lengths, 2, 8, new SoftCap(1.5f));
            yield return new AttentionCase<RelativeBias>(lengths, 3, 8, default);
            yield return new AttentionCase<Alibi>(lengths, 3, 8, default, dropout: 0.3f);
        }
        foreach (int headSize in (int[])[4, 32, 64, 68, 128]) yield return new AttentionCase<Alibi>([40, 9], 3, headSize, default);
        foreach (OpCase convolution in ConvolutionCases.Gpu().Concat(CausalCases.Gpu())) yield return convolution;
    }

    private static IEnumerable<OpCase> Linear(int n)
    {
        Activation activation = (Activation)(n % 3);
        bool geglu = activation == Activation.Geglu;
        yield return new LinearCase(n, 34, 17, activation, bias: n % 2 == 0, residual: n % 5 == 0, packed: n % 2 == 1);
        if (n == 0) yield break;
        yield return new LinearCase(5, geglu ? 2 * n : n, 19, activation, bias: n % 2 == 1, residual: n % 4 == 0, packed: n % 2 == 0);
        yield return new LinearCase(3, 36, n, activation, bias: true, residual: false, packed: n % 2 == 0);
    }

    private static IEnumerable<OpCase> Attention()
    {
        int[][] batches = [[1], [192], [193], [500], [0, 7, 0, 0, 33, 1, 0], [64, 31, 32, 33, 12, 13, 190, 5]];
        foreach (int[] lengths in batches)
        {
            yield return new AttentionCase<Alibi>(lengths, 12, 4, default);
            yield return new AttentionCase<NoModification>(lengths, 2, 16, default);
            yield return new AttentionCase<Causal>(lengths, 1, 8, default);
            yield return new AttentionCase<SlidingWindow>(lengths, 2, 8, new SlidingWindow(20));
            yield return new AttentionCase<SoftCap>(lengths, 2, 8, new SoftCap(1.5f));
            yield return new AttentionCase<RelativeBias>(lengths, 3, 8, default);
            yield return new AttentionCase<Alibi>(lengths, 3, 8, default, dropout: 0.3f);
        }

        foreach (int headSize in (int[])[1, 2, 3, 5, 8, 12, 13, 31, 32, 63, 64, 65, 96, 128, 200])
            yield return new AttentionCase<Alibi>([40, 9], 3, headSize, default);
    }
}
