using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>The maximum over stretches.</summary>
internal sealed class MaxPoolCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes =>
        Enumerable.Range(1, 70).Select(n => new MaxPoolCase(1 + (n % 4), n, 1 + (n * 7 % 19), 1 + (n % 4)));

    public override IEnumerable<OpCase> GpuSizes => [new MaxPoolCase(3, 7, 11, 2), new MaxPoolCase(1, 100, 4, 3)];

    public override IEnumerable<OperationCase> OnTape =>
        from size in ((int Length, int Width)[])[(6, 2), (7, 2), (5, 3), (4, 1)]
        select new OperationCase("MaxPool.Forward", $"{size.Width} of {size.Length}", (3 * size.Length, 5))
        {
            Declare = _ => (inputs, x) => new MaxPool(size.Length, size.Width).Forward(inputs.Tape, x[0]),
            Like = -1,
            Reference = (x, _, _) => Pooled(x[0], size.Length, size.Width, channels: 5),
        };

    public override void Launch(KernelLaunches on)
    {
        const int Length = 9, Width = 2, Channels = 5;
        Tensor x = on.Floats(2 * Length, Channels), pooled = on.Floats(2 * (Length / Width), Channels);
        on.Run(new MaxPoolForward(x, Length, Width, pooled));
        on.Run(new MaxPoolBackward(x, pooled, Length, Width, accumulate: false, x));
    }

    private static double[] Pooled(double[] x, int length, int width, int channels)
    {
        int batch = x.Length / length / channels, positions = length / width;
        return [.. Enumerable.Range(0, batch * positions * channels).Select(i =>
        {
            int row = i / channels, start = (row / positions * length) + (row % positions * width);
            return Enumerable.Range(start, width).Max(r => x[(r * channels) + (i % channels)]);
        })];
    }
}

/// <summary>The maximum over stretches and its gradient, with equal elements among them; added where the length is odd.</summary>
internal sealed class MaxPoolCase(int batch, int length, int channels, int width)
    : OpCase($"max pool {batch}×{length}×{channels}, stretches of {width}")
{
    private readonly int _positions = length / width;
    private (double[] X, double[] Dy, double[] Dx)? _inputs;

    public override double Bytes => 4.0 * batch * channels * (length + _positions);

    public override double Tolerance => 0;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] dy, double[] dx) = Inputs();
        Tensor tx = Upload(backend, rent, x, batch * length, channels), tdy = Upload(backend, rent, dy, batch * _positions, channels);
        Tensor y = rent(tdy.Shape, DType.F32), tdx = rent(tx.Shape, DType.F32);
        float[] before = Array.ConvertAll(dx, v => (float)v);
        return (() =>
        {
            backend.Upload<float>(before, tdx);
            backend.Run(new MaxPoolForward(tx, length, width, y));
            backend.Run(new MaxPoolBackward(tx, tdy, length, width, length % 2 == 1, tdx));
        }, [y, tdx]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] dy, double[] before) = Inputs();
        double[] y = new double[batch * _positions * channels], dx = length % 2 == 1 ? [.. before] : new double[x.Length];
        for (int i = 0; i < y.Length; i++)
        {
            int c = i % channels, row = i / channels, first = (row / _positions * length) + (row % _positions * width), best = first;
            for (int r = first; r < first + width; r++) best = x[(r * channels) + c] > x[(best * channels) + c] ? r : best;
            y[i] = x[(best * channels) + c];
            dx[(best * channels) + c] = (float)(dx[(best * channels) + c] + dy[i]);
        }

        return [y, dx];
    }

    private (double[] X, double[] Dy, double[] Dx) Inputs() => _inputs ??=
        (Integers(batch * length * channels, 4), Normal(batch * _positions * channels), Normal(batch * length * channels));
}
