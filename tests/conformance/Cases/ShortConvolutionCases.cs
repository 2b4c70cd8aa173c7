using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Causal convolutions of a few positions.</summary>
internal sealed class ShortConvolutionCases : OperationSuite
{
    private static readonly int[] TapeLengths = [4, 0, 1, 7];

    public override IEnumerable<OpCase> Sizes =>
    [
        .. Enumerable.Range(1, 130).Select(n => new ShortConvolutionCase([n, 0, 2], 1 + (n * 7 % 37), 1 + (n % 5))),
        new ShortConvolutionCase([700], 19, 3),
    ];

    public override IEnumerable<OpCase> GpuSizes => [new ShortConvolutionCase([7, 0, 1, 300], 3, 3), new ShortConvolutionCase([3], 258, 2)];

    public override IEnumerable<OperationCase> OnTape => new[] { 1, 3 }.Select(width =>
        new OperationCase("ShortConvolution.Forward", $"{width} positions", (12, 5))
        {
            Declare = owner =>
            {
                ShortConvolution convolution = ShortConvolution.Declare(owner.Set, "c", 5, width);
                return (inputs, x) => convolution.Forward(inputs.Tape, x[0], inputs.Borders(TapeLengths));
            },
            Reference = (x, p, _) => LongConvolutionCases.Sum(TapeLengths, 5, (start, t, c) => p[1][c]
                + Enumerable.Range(0, width).Sum(j => t - width + 1 + j < start ? 0
                    : p[0][(c * width) + j] * x[0][((t - width + 1 + j) * 5) + c])),
        });

    public override void Launch(KernelLaunches on)
    {
        const int Channels = 5;
        CuSeqlens borders = on.Borders(7, 9);
        Tensor x = on.Floats(16, Channels), y = on.Floats(16, Channels), row = on.Floats(Channels), weight = on.Floats(Channels, 1, 3);
        on.Run(new ShortConvolutionForward(x, borders, weight, row, y));
        on.Run(new ShortConvolutionBackward(x, y, borders, weight, weight, accumulate: false, x));
    }
}

/// <summary>The short convolution over packed sequences and its gradients.</summary>
internal sealed class ShortConvolutionCase(int[] lengths, int channels, int width)
    : OpCase($"short convolution {string.Join("+", lengths)} tokens, {channels} channels, {width} positions")
{
    private readonly int _tokens = lengths.Sum();
    private double[][]? _inputs;

    private bool Accumulate => _tokens % 2 == 1;

    public override double Bytes => 20.0 * channels * _tokens;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        double[][] inputs = Inputs();
        Tensor x = Upload(backend, rent, inputs[0], _tokens, channels), dy = Upload(backend, rent, inputs[1], _tokens, channels),
            weight = Upload(backend, rent, inputs[3], channels, 1, width), bias = Upload(backend, rent, inputs[5], channels);
        Tensor y = rent(x.Shape, DType.F32), dx = rent(x.Shape, DType.F32), dweight = rent(weight.Shape, DType.F32);
        float[] before = Array.ConvertAll(inputs[2], v => (float)v), weightBefore = Array.ConvertAll(inputs[4], v => (float)v);
        CuSeqlens borders = arena.RentCuSeqlens(lengths);
        return (() =>
        {
            backend.Upload<float>(before, dx);
            backend.Upload<float>(weightBefore, dweight);
            backend.Run(new ShortConvolutionForward(x, borders, weight, bias, y));
            backend.Run(new ShortConvolutionBackward(x, dy, borders, weight, dweight, Accumulate, dx));
        }, [y, dx, dweight]);
    }

    protected override double[][] Reference()
    {
        double[][] inputs = Inputs();
        double[] x = inputs[0], dy = inputs[1], weight = inputs[3], y = new double[x.Length],
            dx = Accumulate ? [.. inputs[2]] : new double[x.Length], dweight = [.. inputs[4]];
        int start = 0;
        foreach (int length in lengths)
        {
            for (int i = start * channels; i < (start + length) * channels; i++)
            {
                int c = i % channels;
                y[i] = inputs[5][c];
                for (int j = 0; j < width; j++)
                {
                    int source = i - ((width - 1 - j) * channels);
                    if (source < start * channels) continue;
                    y[i] += weight[(c * width) + j] * x[source];
                    dx[source] += weight[(c * width) + j] * dy[i];
                    dweight[(c * width) + j] += dy[i] * x[source];
                }
            }

            start += length;
        }

        return [y, dx, dweight];
    }

    private double[][] Inputs() => _inputs ??=
    [
        Normal(_tokens * channels), Normal(_tokens * channels), Normal(_tokens * channels), Normal(channels * width),
        Normal(channels * width), Normal(channels),
    ];
}
