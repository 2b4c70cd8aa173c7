using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Pooling of sequences.</summary>
internal sealed class PoolingCases : OperationSuite
{
    private static readonly int[] TapeLengths = [2, 0, 4];

    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths)
            {
                yield return new PoolingCase([n], 3, (Pooling)(n % 3));
                if (n > 0) yield return new PoolingCase([2, 0, 3], n, (Pooling)(n % 3));
            }
        }
    }

    public override IEnumerable<OpCase> GpuSizes =>
        from rows in (int[])[0, 1, 7, 9]
        from width in (int[])[8, 24, 768, 1024, 1032]
        select new PoolingCase([rows, 0, 3], width, (Pooling)(rows % 3));

    public override IEnumerable<OpCase> NarrowSizes =>
        new[] { 8, 768, 1024, 1032 }.Select(width => new PoolingCase([3, 0, 2], width, Pooling.Max));

    public override IEnumerable<BackendRun> Runs =>
        from lengths in Batches
        from width in (int[])[40, 13]
        select new BackendRun($"pooling gradient {string.Join("+", lengths)}×{width}", i =>
        {
            int tokens = lengths.Sum();
            CuSeqlens borders = i.Arena.RentCuSeqlens(lengths);
            Tensor x = i.Normal(tokens, width), dy = i.Normal(lengths.Length, width), mean = i.Normal(tokens, width),
                cls = i.Empty(tokens, width), y = i.Empty(lengths.Length, width);
            i.Backend.Run(new PoolingBackward(dy, borders, Pooling.Mean, true, mean));
            i.Backend.Run(new PoolingBackward(dy, borders, Pooling.Cls, false, cls));
            i.Backend.Run(new PoolingForward(x, borders, Pooling.Mean, y));
            return [i.Read(mean), i.Read(cls), i.Read(y)];
        });

    public override IEnumerable<OperationCase> OnTape => Enum.GetValues<Pooling>().Select(pooling =>
        new OperationCase("Pool.Forward", $"{pooling}", (6, 7))
        {
            Declare = _ => (inputs, x) => new Pool(pooling).Forward(inputs.Tape, x[0], inputs.Borders(TapeLengths)),
            Like = -1,
            Reference = (x, _, _) => PoolingCase.Pooled(x[0], TapeLengths, 7, pooling),
            HasGradient = pooling != Pooling.Max,
        });

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths)
        {
            CuSeqlens borders = on.Borders(7, 9);
            Tensor x = on.Numbers(16, width), y = on.Numbers(2, width);
            foreach (Pooling pooling in (Pooling[])[Pooling.Mean, Pooling.Cls, Pooling.Max])
                on.Run(new PoolingForward(x, borders, pooling, y));
            on.Run(new PoolingBackward(y, borders, Pooling.Mean, accumulate: false, x));
        }
    }
}

/// <summary>Pooling of packed sequences.</summary>
internal sealed class PoolingCase(int[] lengths, int width, Pooling pooling)
    : OpCase($"pooling {pooling} {string.Join("+", lengths)}×{width}")
{
    private readonly int _tokens = lengths.Sum();
    private double[]? _x;

    public override double Bytes => 4.0 * _tokens * width;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, X(), _tokens, width), y = rent(new Shape(lengths.Length, width), DType.F32);
        var cuSeqlens = arena.RentCuSeqlens(lengths);
        return (() => backend.Run(new PoolingForward(x, cuSeqlens, pooling, y)), [y]);
    }

    protected override double[][] Reference() => [Pooled(X(), lengths, width, pooling)];

    /// <summary>The definition in plain loops; 0 of an empty sequence.</summary>
    public static double[] Pooled(double[] x, int[] lengths, int width, Pooling pooling)
    {
        var y = new double[lengths.Length * width];
        for (int s = 0, start = 0; s < lengths.Length; start += lengths[s++])
            for (int c = 0; c < width && lengths[s] > 0; c++)
            {
                IEnumerable<double> column = Enumerable.Range(start, lengths[s]).Select(t => x[(t * width) + c]);
                y[(s * width) + c] = pooling switch { Pooling.Mean => column.Average(), Pooling.Max => column.Max(), _ => column.First() };
            }

        return y;
    }

    private double[] X() => _x ??= Normal(_tokens * width);
}
