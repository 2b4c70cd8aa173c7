using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Attention with score modifications, its gradients and those of tables.</summary>
internal sealed class AttentionCases : OperationSuite
{
    private static readonly int[] TapeLengths = [2, 0, 4];

    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths) yield return new AttentionCase<Alibi>([n], 3, 8, default);
            int[][] batches = [[1], [192], [193], [500], [0, 7, 0, 0, 33, 1, 0], [64, 31, 32, 33, 12, 13, 190, 5]];
            foreach (int[] lengths in batches)
                foreach (OpCase attention in Modified(lengths)) yield return attention;
            foreach (int headSize in (int[])[1, 2, 3, 5, 8, 12, 13, 31, 32, 63, 64, 65, 96, 128, 200])
                yield return new AttentionCase<Alibi>([40, 9], 3, headSize, default);
        }
    }

    public override IEnumerable<OpCase> GpuSizes
    {
        get
        {
            int[][] batches = [[1], [64], [65], [130], [0, 7, 0, 0, 33, 1, 0]];
            foreach (int[] lengths in batches)
            {
                foreach (OpCase attention in Modified(lengths)) yield return attention;
                yield return new AttentionCase<UniformScores>(lengths, 2, 8, default);
            }

            foreach (int headSize in (int[])[4, 32, 64, 68, 128]) yield return new AttentionCase<Alibi>([40, 9], 3, headSize, default);
        }
    }

    public override IEnumerable<BackendRun> Runs
    {
        get
        {
            foreach (int[] lengths in Batches)
            {
                yield return Gradient(lengths, 2, 64, default(Alibi));
                yield return Gradient(lengths, 3, 8, default(NoModification));
                yield return Gradient(lengths, 1, 8, default(Causal));
                yield return Gradient(lengths, 2, 8, new SlidingWindow(20));
                yield return Gradient(lengths, 2, 8, new SoftCap(1.5f));
                yield return Gradient(lengths, 2, 5, default(Alibi));
                yield return Gradient(lengths, 2, 8, default(Alibi), dropout: 0.3f);
                yield return Gradient(lengths, 2, 5, default(Alibi), dropout: 0.6f);
                yield return TableGradient(lengths, 3, 8, radius: lengths.Length == 1 ? 0 : 9);
                yield return TableGradient(lengths, 1, 5, radius: 150);
                yield return TableGradient(lengths, 2, 8, radius: 4, dropout: 0.3f);
            }

            yield return Gradient([70], 1, 128, default(Alibi));
        }
    }

    public override IEnumerable<OperationCase> OnTape
    {
        get
        {
            foreach (float dropout in (float[])[0, 0.25f])
            {
                yield return new OperationCase("Attention.Forward", $"ALiBi, dropout {dropout}", (6, 12))
                {
                    Declare = owner =>
                    {
                        var attention = new Attention<Alibi>(owner.Set, heads: 2, default, dropout);
                        return (inputs, x) => attention.Forward(inputs.Tape, x[0], inputs.Borders(TapeLengths));
                    },
                    Like = -1,
                    Reference = (x, _, random) => Reference.Attention(
                        x[0], TapeLengths, 2, 2, default(Alibi), dropout > 0 ? new AttentionMask(random(0), dropout) : default).Result,
                    Draws = dropout > 0,
                };
            }

            yield return new OperationCase("Attention.Forward", "relative biases, radius 2", (6, 12))
            {
                Declare = owner =>
                {
                    Attention<RelativeBias> attention = RelativeAttention.Declare(owner.Set, "a", heads: 2, radius: 2);
                    return (inputs, x) => attention.Forward(inputs.Tape, x[0], inputs.Borders(TapeLengths));
                },
                Like = -1,
                Reference = (x, p, _) => DoubleRelative.Attention(x[0], TapeLengths, 2, 2, p[0], radius: 2),
            };
            int[] keys = [3, 1, 1];
            yield return new OperationCase("Attention.Forward", "queries and keys of their own, grouped, sinks", (6, 8), (5, 4), (5, 4))
            {
                Declare = owner =>
                {
                    var attention = new Attention<Causal>(new(4, 2), default) { Sinks = owner.Set.Declare("sinks", ParameterKind.Bias, 4) };
                    return (inputs, x) => attention.Forward(
                        inputs.Tape, x[0], x[1], x[2], new AttentionSequences(inputs.Borders(TapeLengths), inputs.Borders(keys)));
                },
                Like = 0,
                Reference = (x, p, _) => new ReferenceAttention(TapeLengths, keys, new(4, 2), 2) { Sinks = p[0] }.Run(
                    x[0], x[1], x[2], default(Causal)).Result,
            };
        }
    }

    public override void Launch(KernelLaunches on)
    {
        foreach (int headSize in on.Type == DType.F32 ? (int[])[32, 5] : [32, 64, 128])
        {
            foreach (float dropout in (float[])[0, 0.5f])
            {
                Launch<Alibi>(on, headSize, dropout);
                Launch<NoModification>(on, headSize, dropout);
            }
        }
    }

    private static void Launch<TMod>(KernelLaunches on, int headSize, float dropout)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        const int Heads = 2;
        CuSeqlens borders = on.Borders(7, 9);
        var dropped = new AttentionDropout(on.Integers(3), site: 1, dropout);
        Tensor qkv = on.Numbers(16, 3 * Heads * headSize), y = on.Numbers(16, Heads * headSize), logSumExp = on.Floats(Heads, 16),
            sinks = on.Floats(Heads);
        on.Run(new AttentionForward<TMod>(qkv, borders, Heads, default, logSumExp, y, dropped, sinks));
        on.Run(new AttentionBackward<TMod>(qkv, borders, Heads, default, logSumExp, y, y, qkv, dropped, default, sinks, sinks));
    }

    private static IEnumerable<OpCase> Modified(int[] lengths)
    {
        yield return new AttentionCase<Alibi>(lengths, 12, 4, default);
        yield return new AttentionCase<NoModification>(lengths, 2, 16, default);
        yield return new AttentionCase<Causal>(lengths, 1, 8, default);
        yield return new AttentionCase<SlidingWindow>(lengths, 2, 8, new SlidingWindow(20));
        yield return new AttentionCase<SoftCap>(lengths, 2, 8, new SoftCap(1.5f));
        yield return new AttentionCase<RelativeBias>(lengths, 3, 8, default);
        yield return new AttentionCase<Alibi>(lengths, 3, 8, default, dropout: 0.3f);
    }

    private static BackendRun Gradient<TMod>(int[] lengths, int heads, int size, TMod mod, float dropout = 0)
        where TMod : unmanaged, IScoreModification<TMod>
        => new($"attention gradient {typeof(TMod).Name} {string.Join("+", lengths)}, {heads} heads of "
        + $"{size}{(dropout > 0 ? ", dropout" : "")}", i =>
        {
            int tokens = lengths.Sum(), hidden = heads * size;
            var borders = i.Arena.RentCuSeqlens(lengths);
            var dropped = new AttentionDropout(i.Integers(11, 0, 5), 2, dropout);
            Tensor qkv = i.Normal(tokens, 3 * hidden), dy = i.Normal(tokens, hidden), y = i.Empty(tokens, hidden),
                lse = i.Empty(heads, tokens);
            Tensor dqkv = i.Empty(tokens, 3 * hidden);
            i.Backend.Run(new AttentionForward<TMod>(qkv, borders, heads, mod, lse, y, dropped));
            i.Backend.Run(new AttentionBackward<TMod>(qkv, borders, heads, mod, lse, y, dy, dqkv, dropped));
            return [i.Read(y), i.Read(dqkv)];
        });

    private static BackendRun TableGradient(int[] lengths, int heads, int size, int radius, float dropout = 0) =>
        new($"attention gradient, relative biases up to {radius}, {string.Join("+", lengths)}, {heads} heads of {size}"
            + (dropout > 0 ? ", dropout" : ""), i =>
        {
            int tokens = lengths.Sum(), hidden = heads * size;
            var borders = i.Arena.RentCuSeqlens(lengths);
            var dropped = new AttentionDropout(i.Integers(11, 0, 5), 2, dropout);
            Tensor qkv = i.Normal(tokens, 3 * hidden), dy = i.Normal(tokens, hidden), y = i.Empty(tokens, hidden),
                lse = i.Empty(heads, tokens);
            Tensor dqkv = i.Empty(tokens, 3 * hidden), dtable = i.Normal(heads, (2 * radius) + 1);
            RelativeBias mod = RelativeTable.Of(heads, radius).On(i.Backend, i.Arena.Rent);
            i.Backend.Run(new AttentionForward<RelativeBias>(qkv, borders, heads, mod, lse, y, dropped));
            i.Backend.Run(new AttentionBackward<RelativeBias>(qkv, borders, heads, mod, lse, y, dy, dqkv, dropped, dtable));
            return [i.Read(y), i.Read(dqkv), i.Read(dtable)];
        });
}

/// <summary>Attention over packed sequences of these lengths.</summary>
internal sealed class AttentionCase<TMod>(int[] lengths, int heads, int headSize, TMod mod, float dropout = 0)
    : OpCase(
        $"attention {typeof(TMod).Name} {(lengths.Length > 6 ? $"{lengths.Length} of {lengths.Max()}" : string.Join("+", lengths))} "
        + $"tokens, {heads} heads of {headSize}"
        + (dropout > 0 ? ", dropout" : ""))
    where TMod : unmanaged, IScoreModification<TMod>
{
    private readonly int _tokens = lengths.Sum();
    private readonly RelativeTable _table = RelativeTable.Of(heads);
    private double[]? _qkv;

    private int Hidden => heads * headSize;

    public override double Flops => 4.0 * Hidden * lengths.Sum(l => (double)l * l);

    public override double Bytes => 16.0 * _tokens * Hidden;

    public override double Tolerance => 5e-6;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor qkv = Upload(backend, rent, Qkv(), _tokens, 3 * Hidden), y = rent(new Shape(_tokens, Hidden), DType.F32);
        Tensor logSumExp = rent(new Shape(heads, _tokens), DType.F32);
        var cuSeqlens = arena.RentCuSeqlens(lengths);
        Tensor stream = rent(new Shape(3), DType.I32);
        backend.Upload<uint>([0x3456789A, 0x12, 7], stream);
        var dropped = new AttentionDropout(stream, 3, dropout);
        TMod on = mod is RelativeBias ? (TMod)(object)_table.On(backend, rent) : mod;
        return (() => backend.Run(new AttentionForward<TMod>(qkv, cuSeqlens, heads, on, logSumExp, y, dropped)), [y, logSumExp]);
    }

    protected override double[][] Reference()
    {
        TMod here = mod is RelativeBias ? (TMod)(object)_table.Here : mod;
        (double[] result, double[] logSumExp) = Cases.Reference.Attention(
            Qkv(), lengths, heads, headSize, here, new(new Philox(0x123456789A, 7, 3), dropout));
        return [result, logSumExp];
    }

    private double[] Qkv() => _qkv ??= Normal(_tokens * 3 * Hidden);
}
