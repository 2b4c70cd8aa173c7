using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Causal convolutions as long as the sequence.</summary>
internal sealed class LongConvolutionCases : OperationSuite
{
    private static readonly int[] TapeLengths = [4, 0, 1, 7];

    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            for (int n = 1; n <= 130; n++)
                yield return new LongConvolutionCase(
                    n % 3 == 0 ? [n, 0, 1, n] : n % 3 == 1 ? [n] : [3, n], 1 + (n * 7 % 37), Math.Max(n, 3) + (n % 4));
            foreach (int length in (int[])[255, 256, 257, 320, 384, 385, 513, 700])
                yield return new LongConvolutionCase([length, 9], 5, length);
        }
    }

    public override IEnumerable<OpCase> GpuSizes =>
        [new LongConvolutionCase([5, 0, 12], 3, 13), new LongConvolutionCase([130], 2, 130), new LongConvolutionCase([3, 4], 257, 4)];

    public override IEnumerable<OperationCase> OnTape =>
    [
        new("LongConvolution.Forward", "several lengths", (8, 5), (12, 5))
        {
            Declare = owner =>
            {
                LongConvolution convolution = LongConvolution.Declare(owner.Set, "c", 5);
                return (inputs, x) => convolution.Forward(inputs.Tape, x[1], x[0], inputs.Borders(TapeLengths));
            },
            Reference = (x, p, _) => Sum(TapeLengths, 5, (start, t, c) => (p[0][c] * x[1][(t * 5) + c])
                + Enumerable.Range(0, t - start + 1).Sum(tau => x[0][(tau * 5) + c] * x[1][((t - tau) * 5) + c])),
        },
    ];

    public override void Launch(KernelLaunches on)
    {
        const int Channels = 5;
        CuSeqlens borders = on.Borders(7, 9);
        Tensor x = on.Floats(16, Channels), y = on.Floats(16, Channels), row = on.Floats(Channels), filter = on.Floats(9, Channels);
        on.Run(new LongConvolutionForward(x, borders, filter, row, y));
        on.Run(new LongConvolutionBackward(x, y, borders, filter, row, accumulateFilter: false, filter, row, accumulate: false, x));
    }

    /// <summary>The sums at each token and channel, given the start of the sequence.</summary>
    public static double[] Sum(int[] lengths, int channels, Func<int, int, int, double> at)
    {
        var y = new List<double>();
        int start = 0;
        foreach (int length in lengths)
        {
            for (int t = start; t < start + length; t++)
                for (int c = 0; c < channels; c++) y.Add(at(start, t, c));
            start += length;
        }

        return [.. y];
    }
}

/// <summary>
/// The long convolution over packed sequences and all its gradients, which are added where there is an odd number of tokens.
/// </summary>
internal sealed class LongConvolutionCase(int[] lengths, int channels, int positions)
    : OpCase($"long convolution {string.Join("+", lengths)} tokens, {channels} channels, {positions} positions")
{
    private readonly int _tokens = lengths.Sum();
    private double[][]? _inputs;

    private bool Accumulate => _tokens % 2 == 1;

    public override double Flops => 30.0 * _tokens * channels * Math.Log2(Math.Max(2, lengths.Max()));

    public override double Bytes => 4.0 * channels * ((2 * _tokens) + positions);

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        double[][] inputs = Inputs();
        Tensor x = Upload(backend, rent, inputs[0], _tokens, channels), dy = Upload(backend, rent, inputs[1], _tokens, channels),
            filter = Upload(backend, rent, inputs[3], positions, channels), skip = Upload(backend, rent, inputs[5], channels);
        Tensor y = rent(x.Shape, DType.F32), dx = rent(x.Shape, DType.F32), dfilter = rent(filter.Shape, DType.F32),
            dskip = rent(skip.Shape, DType.F32);
        float[][] before = [.. new[] { 2, 4, 6 }.Select(i => Array.ConvertAll(inputs[i], v => (float)v))];
        CuSeqlens borders = arena.RentCuSeqlens(lengths);
        return (() =>
        {
            backend.Upload<float>(before[0], dx);
            backend.Upload<float>(before[1], dfilter);
            backend.Upload<float>(before[2], dskip);
            backend.Run(new LongConvolutionForward(x, borders, filter, skip, y));
            backend.Run(new LongConvolutionBackward(x, dy, borders, filter, skip, Accumulate, dfilter, dskip, Accumulate, dx));
        }, [y, dx, dfilter, dskip]);
    }

    protected override double[][] Reference()
    {
        double[][] inputs = Inputs();
        double[] x = inputs[0], dy = inputs[1], filter = inputs[3], skip = inputs[5], y = new double[x.Length],
            dx = Accumulate ? [.. inputs[2]] : new double[x.Length], dfilter = Accumulate ? [.. inputs[4]] : new double[filter.Length],
            dskip = [.. inputs[6]];
        int start = 0;
        foreach (int length in lengths)
        {
            for (int t = start; t < start + length; t++)
            {
                for (int c = 0; c < channels; c++)
                {
                    int i = (t * channels) + c;
                    y[i] = skip[c] * x[i];
                    dx[i] += skip[c] * dy[i];
                    dskip[c] += dy[i] * x[i];
                    for (int tau = 0; tau <= t - start; tau++)
                    {
                        int source = ((t - tau) * channels) + c, k = (tau * channels) + c;
                        y[i] += filter[k] * x[source];
                        dx[source] += filter[k] * dy[i];
                        dfilter[k] += dy[i] * x[source];
                    }
                }
            }

            start += length;
        }

        return [y, dx, dfilter, dskip];
    }

    private double[][] Inputs() => _inputs ??=
    [
        Normal(_tokens * channels), Normal(_tokens * channels), Normal(_tokens * channels),
        Normal(positions * channels, 1 / Math.Sqrt(positions)), Normal(positions * channels), Normal(channels), Normal(channels),
    ];
}
