using Conformance.Cases;
using Conformance.Gpu;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;
using Engine.Runtime.Cuda;
using Tests.Autograd;

namespace Tests.Kernels;

/// <summary>Grouped heads, queries and keys of their own, and sinks.</summary>
public sealed class GroupedAttentionTests
{
    private const int Size = 4;

    public static TheoryData<string> Forms => Backends.NamesWithGpu();

    [Theory]
    [MemberData(nameof(Forms))]
    public void Queries_and_keys_of_their_own_lengths_equal_the_reference_forward_and_backward(string form)
    {
        // No keys, no queries, neither, and one of each.
        int[] queries = [3, 4, 0, 0, 1, 9], keys = [7, 0, 5, 0, 1, 2];
        Check(form, queries, keys, 2, default(NoModification));
        Check(form, queries, keys, new(4, 2), new SoftCap(1.5f));
        Check(form, queries, keys, new(3, 1), default(Causal), dropout: 0.3f);
        Check(form, queries, keys, new(4, 2), default(NoModification), sinks: true, dropout: 0.3f);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Grouped_heads_in_one_tensor_equal_the_reference_forward_and_backward(string form)
    {
        int[] lengths = [5, 0, 1, 11];
        foreach (AttentionHeads heads in (AttentionHeads[])[2, new(4, 2), new(4, 1)])
            foreach (bool sinks in (bool[])[false, true])
            {
                using var check = new GradientCheck(Backends.Create(form, 2));
                Parameter? sink = sinks ? check.Parameters.Declare("sinks", ParameterKind.Bias, heads.Queries) : null;
                double[][] parameters = sinks ? check.Fill() : [];
                int hidden = heads.Queries * Size, width = hidden + (2 * heads.Keys * Size);
                (Variable qkv, double[] values) = check.Input("qkv", lengths.Sum(), width);
                Variable y = new Attention<Alibi>(check.Parameters, heads, default, 0.2f) { Sinks = sink }
                    .Forward(check.Tape, qkv, check.Arena.RentCuSeqlens(lengths));
                var mask = new AttentionMask(check.Random(0), 0.2f);
                check.Compare(y, () => new ReferenceAttention(lengths, lengths, heads, Size)
                { Dropout = mask, Sinks = sinks ? parameters[0] : null }
                    .Run(Columns(values, width, 0, hidden), Columns(values, width, hidden, heads.Keys * Size),
                        Columns(values, width, hidden + (heads.Keys * Size), heads.Keys * Size), default(Alibi)).Result);
            }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Grouped_cross_attention_over_many_tiles_equals_the_reference(string form)
    {
        int[] lengths = [130, 3, 0, 70], keyLengths = [67, 200, 9, 0];
        var heads = new AttentionHeads(4, 2);
        using Backend backend = Backends.Create(form, 3);
        using var i = new BackendRun.Inputs(backend);
        (Tensor q, Tensor k, Tensor v, Tensor y, Tensor lse, Tensor sinks) = (
            i.Normal(lengths.Sum(), heads.Queries * Size), i.Normal(keyLengths.Sum(), heads.Keys * Size),
            i.Normal(keyLengths.Sum(), heads.Keys * Size),
            i.Empty(lengths.Sum(), heads.Queries * Size), i.Empty(heads.Queries, lengths.Sum()), i.Normal(heads.Queries));
        var sequences = new AttentionSequences(i.Arena.RentCuSeqlens(lengths), i.Arena.RentCuSeqlens(keyLengths));
        backend.Run(new AttentionForward<SlidingWindow>(new(q, k, v), sequences, heads, new SlidingWindow(90), lse, y, sinks: sinks));
        (double[] expected, double[] logSumExp) = new ReferenceAttention(lengths, keyLengths, heads, Size) { Sinks = Wide(i.Read(sinks)) }
            .Run(Wide(i.Read(q)), Wide(i.Read(k)), Wide(i.Read(v)), new SlidingWindow(90));
        Conformance.Cases.Check.NearRelative(expected, i.Read(y), 5e-6, "y");
        Conformance.Cases.Check.NearRelative(logSumExp, i.Read(lse), 5e-6, "log-sum-exp");
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Grouped_heads_are_as_good_as_repeated_ones(string form)
    {
        // One head of keys for three of queries, and three times the same.
        int[] lengths = [70, 0, 9];
        int tokens = lengths.Sum();
        using Backend backend = Backends.Create(form, 2);
        using var i = new BackendRun.Inputs(backend);
        CuSeqlens borders = i.Arena.RentCuSeqlens(lengths);
        Tensor q = i.Normal(tokens, 3 * Size), k = i.Normal(tokens, Size), v = i.Normal(tokens, Size), dy = i.Normal(tokens, 3 * Size);
        Tensor grouped = Run(new(q, k, v), new(3, 1), Size), repeated = Run(new(q, Repeat(k), Repeat(v)), 3, 3 * Size);
        float[] one = i.Read(grouped), three = i.Read(repeated);
        for (int at = 0; at < one.Length; at++)
            Assert.Equal(Enumerable.Range(0, 3).Sum(head => three[(at / Size * 3 * Size) + (head * Size) + (at % Size)]), one[at], 2e-5f);

        Tensor Run(QueryKeyValue qkv, AttentionHeads heads, int width)
        {
            Tensor y = i.Empty(tokens, 3 * Size), lse = i.Empty(3, tokens), dq = i.Empty(tokens, 3 * Size), dk = i.Empty(tokens, width),
                dv = i.Empty(tokens, width);
            backend.Run(new AttentionForward<Causal>(qkv, borders, heads, default, lse, y));
            backend.Run(new AttentionBackward<Causal>(qkv, borders, heads, default, lse, y, dy, new(dq, dk, dv)));
            return dk;
        }

        Tensor Repeat(Tensor one)
        {
            float[] values = i.Read(one);
            Tensor three = i.Empty(tokens, 3 * Size);
            backend.Upload<float>([.. Enumerable.Range(0, 3 * values.Length).Select(at => values[(at / (3 * Size) * Size) + (at % Size)])],
                three);
            return three;
        }
    }

    [Fact]
    public void Tensor_cores_equal_the_CPU_with_groups_cross_attention_and_sinks()
    {
        using Backend cpu = CpuBackend.Create(1);
        using var gpu = new CudaBackend(new InterpretedDevice(), DType.BF16);
        foreach (float dropout in (float[])[0, 0.4f])
        {
            float[][] expected = On(cpu, dropout), actual = On(gpu, dropout);
            for (int i = 0; i < expected.Length; i++) Conformance.Cases.Check.NearRelative(Wide(expected[i]), actual[i], 0.02,
                $"output {i}");
        }

        static float[][] On(Backend backend, float dropout)
        {
            const int HeadSize = 16;
            int[] lengths = [130, 0, 3, 5], keyLengths = [70, 2, 140, 0];
            var heads = new AttentionHeads(4, 2);
            using var arena = new Arena(backend);
            var t = new Activations(backend, arena);
            var sequences = new AttentionSequences(arena.RentCuSeqlens(lengths), arena.RentCuSeqlens(keyLengths));
            int tokens = lengths.Sum(), keys = keyLengths.Sum(), width = heads.Queries * HeadSize, keyWidth = heads.Keys * HeadSize;
            var qkv = new QueryKeyValue(t.Normal(tokens, width, 1), t.Normal(keys, keyWidth, 2), t.Normal(keys, keyWidth, 3));
            Tensor dq = t.Empty(tokens, width), dk = t.Empty(keys, keyWidth), dv = t.Empty(keys, keyWidth), y = t.Empty(tokens, width),
                dy = t.Normal(tokens, width, 4);
            Tensor lse = arena.Rent(new Shape(heads.Queries, tokens), DType.F32), sinks = arena.Rent(new Shape(heads.Queries), DType.F32);
            Tensor dsinks = arena.Rent(sinks.Shape, DType.F32), stream = arena.Rent(new Shape(3), DType.I32);
            backend.Upload<float>([0.5f, -1, 2, 0], sinks);
            backend.Upload<uint>([7, 8, 9], stream);
            backend.Clear(dsinks);
            var dropped = new AttentionDropout(stream, 5, dropout);
            backend.Run(new AttentionForward<Alibi>(qkv, sequences, heads, default, lse, y, dropped, sinks));
            backend.Run(new AttentionBackward<Alibi>(
                qkv, sequences, heads, default, lse, y, dy, new(dq, dk, dv), dropped, default, sinks, dsinks));
            return [t.Read(y), t.Read(dq), t.Read(dk), t.Read(dv), t.Read(lse), t.Read(dsinks)];
        }
    }

    [Fact]
    public void Operands_that_do_not_fit_are_refused_by_name()
    {
        using Backend backend = CpuBackend.Create(1);
        using var i = new BackendRun.Inputs(backend);
        Tensor qkv = i.Normal(5, 24), q = i.Normal(5, 8), k = i.Normal(7, 8), y = i.Empty(5, 8), lse = i.Empty(2, 5);
        CuSeqlens five = i.Arena.RentCuSeqlens([2, 3]), seven = i.Arena.RentCuSeqlens([3, 4]), one = i.Arena.RentCuSeqlens([7]);
        Refuses("2 sequences of queries and 1 of keys", () => new AttentionSequences(five, one));
        Refuses("3 heads do not divide a width of 8", () => Run(qkv, five, 3));
        Refuses("heads of keys do not divide", () => Run(qkv, five, new(4, 3)));
        Refuses("qkv is one tensor", () => Run(qkv, new(five, seven), 2));
        Refuses("keys is", () => Run(new(q, k, k), five, 2));
        Refuses("values is", () => Run(new(q, k, q), new(five, seven), 2));
        Refuses("sinks is", () => backend.Run(new AttentionForward<Causal>(qkv, five, 2, default, lse, y, sinks: i.Normal(3))));
        Refuses("in one tensor where those are", () => backend.Run(
            new AttentionBackward<Causal>(new QueryKeyValue(q, k, k), new(five, seven), 2, default, lse, y, y, qkv)));

        void Run(QueryKeyValue inputs, AttentionSequences sequences, AttentionHeads heads) =>
            backend.Run(new AttentionForward<Causal>(inputs, sequences, heads, default, lse, y));

        static void Refuses(string text, Action action) => Assert.Contains(text, Assert.ThrowsAny<ArgumentException>(action).Message,
            StringComparison.Ordinal);
    }

    private static void Check<TMod>(
        string form, int[] lengths, int[] keyLengths, AttentionHeads heads, TMod mod, bool sinks = false, float dropout = 0)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        using var check = new GradientCheck(Backends.Create(form, 2));
        Parameter? sink = sinks ? check.Parameters.Declare("sinks", ParameterKind.Bias, heads.Queries) : null;
        double[][] parameters = sinks ? check.Fill() : [];
        (Variable q, double[] qs) = check.Input("queries", lengths.Sum(), heads.Queries * Size);
        (Variable k, double[] ks) = check.Input("keys", keyLengths.Sum(), heads.Keys * Size);
        (Variable v, double[] vs) = check.Input("values", keyLengths.Sum(), heads.Keys * Size);
        var sequences = new AttentionSequences(check.Arena.RentCuSeqlens(lengths), check.Arena.RentCuSeqlens(keyLengths));
        Variable y = new Attention<TMod>(check.Parameters, heads, mod, dropout) { Sinks = sink }.Forward(check.Tape, q, k, v, sequences);
        var mask = new AttentionMask(check.Random(0), dropout);
        check.Compare(y, () => new ReferenceAttention(lengths, keyLengths, heads, Size)
        { Dropout = mask, Sinks = sinks ? parameters[0] : null }
            .Run(qs, ks, vs, mod).Result);
    }

    private static double[] Columns(double[] values, int width, int first, int count) =>
        [.. Enumerable.Range(0, values.Length / width * count).Select(i => values[(i / count * width) + first + (i % count)])];

    private static double[] Wide(float[] values) => Array.ConvertAll(values, v => (double)v);
}
