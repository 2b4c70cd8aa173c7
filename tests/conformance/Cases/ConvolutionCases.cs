using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Convolutions, which are products of windows.</summary>
internal sealed class ConvolutionCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes =>
        Enumerable.Range(1, 70).Select(n => new UnfoldCase(1 + (n % 3), n, 1 + (n * 5 % 23), 1 + (n % Math.Min(n, 9))));

    public override IEnumerable<OpCase> GpuSizes => [new UnfoldCase(2, 9, 5, 8), new UnfoldCase(1, 40, 3, 3)];

    public override IEnumerable<OperationCase> OnTape
    {
        get
        {
            foreach ((int length, int inputs, int outputs, int width) in ((int, int, int, int)[])[(7, 3, 5, 3), (4, 2, 1, 4), (5, 1, 2, 1)])
            {
                yield return new OperationCase("Convolution.Forward", $"{outputs} windows of {width} over {length}", (3 * length, inputs))
                {
                    Declare = owner =>
                    {
                        Convolution convolution = Convolution.Declare(owner.Set, "c", inputs, outputs, width, length);
                        return (given, x) => convolution.Forward(given.Tape, x[0]);
                    },
                    Like = -1,
                    Reference = (x, p, _) => Convolved(x[0], p[0], p[1], length, inputs, width),
                };
            }
        }
    }

    public override void Launch(KernelLaunches on)
    {
        const int Length = 9, Width = 2, Channels = 5;
        Tensor x = on.Floats(2 * Length, Channels), windows = on.Floats(2 * (Length - Width + 1), Channels * Width);
        on.Run(new Unfold(x, Length, Width, windows));
        on.Run(new Fold(windows, Length, Width, accumulate: false, x));
    }

    private static double[] Convolved(double[] x, double[] weight, double[] bias, int length, int inputs, int width)
    {
        int batch = x.Length / length / inputs, positions = length - width + 1, outputs = bias.Length;
        var y = new double[batch * positions * outputs];
        for (int i = 0; i < y.Length; i++)
        {
            int o = i % outputs, row = i / outputs, start = (row / positions * length) + (row % positions);
            y[i] = bias[o];
            for (int c = 0; c < inputs; c++)
                for (int j = 0; j < width; j++) y[i] += weight[(((o * inputs) + c) * width) + j] * x[((start + j) * inputs) + c];
        }

        return y;
    }
}

/// <summary>The windows of a convolution and their gradient, which is added where the length is odd.</summary>
internal sealed class UnfoldCase(int batch, int length, int channels, int width)
    : OpCase($"unfold {batch}×{length}×{channels}, windows of {width}")
{
    private readonly int _windows = length - width + 1;
    private (double[] X, double[] Dy, double[] Dx)? _inputs;

    public override double Bytes => 8.0 * batch * channels * (length + (_windows * width));

    public override double Tolerance => 1e-6;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] dy, double[] dx) = Inputs();
        Tensor tx = Upload(backend, rent, x, batch * length, channels), tdy = Upload(backend, rent, dy, batch * _windows, channels * width);
        Tensor y = rent(tdy.Shape, DType.F32), tdx = rent(tx.Shape, DType.F32);
        float[] before = Array.ConvertAll(dx, v => (float)v);
        return (() =>
        {
            backend.Upload<float>(before, tdx);
            backend.Run(new Unfold(tx, length, width, y));
            backend.Run(new Fold(tdy, length, width, length % 2 == 1, tdx));
        }, [y, tdx]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] dy, double[] before) = Inputs();
        var y = new double[batch * _windows * channels * width];
        double[] dx = length % 2 == 1 ? [.. before] : new double[x.Length];
        for (int i = 0; i < y.Length; i++)
        {
            int j = i % width, c = i / width % channels, row = i / width / channels;
            int source = (((row / _windows * length) + (row % _windows) + j) * channels) + c;
            y[i] = x[source];
            dx[source] += dy[i];
        }

        return [y, dx];
    }

    private (double[] X, double[] Dy, double[] Dx) Inputs() => _inputs ??=
        (Normal(batch * length * channels), Normal(batch * _windows * channels * width), Normal(batch * length * channels));
}
