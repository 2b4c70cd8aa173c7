using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Sines with learned frequencies.</summary>
internal sealed class SineCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes =>
        [.. Enumerable.Range(1, 130).Select(n => new SineCase(n, 1 + (n * 7 % 37))), new SineCase(300, 20)];

    public override IEnumerable<OpCase> GpuSizes => [new SineCase(7, 5), new SineCase(270, 2)];

    public override IEnumerable<OperationCase> OnTape => BothPlaces(
        "Sine", "", owner =>
        {
            Sine sine = Sine.Declare(owner.Set, "s", 7);
            return ((inputs, x) => sine.Forward(inputs.Tape, x[0]), (inputs, x) => sine.ForwardInPlace(inputs.Tape, x[0]));
        },
        (x, p, _) => [.. x[0].Select((v, i) => Math.Sin(p[0][i % 7] * v))]);

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Floats(16, 5), y = on.Floats(16, 5), row = on.Floats(5);
        on.Run(new SineForward(x, row, y));
        on.Run(new SineBackward(x, y, row, row, accumulate: false, x));
    }
}

/// <summary>The sine with frequencies and its gradients.</summary>
internal sealed class SineCase(int rows, int channels) : OpCase($"sine {rows}×{channels}")
{
    private (double[] X, double[] Dy, double[] Frequency)? _inputs;

    public override double Bytes => 20.0 * rows * channels;

    // Of the sums over rows; an argument of 30 is known to 1e-6 in floats.
    public override double Tolerance => 1e-5;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, Inputs().X, rows, channels), dy = Upload(backend, rent, Inputs().Dy, rows, channels),
            frequency = Upload(backend, rent, Inputs().Frequency, 1, channels);
        Tensor y = rent(x.Shape, DType.F32), dx = rent(x.Shape, DType.F32), dfrequency = rent(frequency.Shape, DType.F32);
        float[] zeros = new float[channels];
        return (() =>
        {
            backend.Upload<float>(zeros, dfrequency);
            backend.Run(new SineForward(x, frequency, y));
            backend.Run(new SineBackward(x, dy, frequency, dfrequency, accumulate: false, dx));
        }, [y, dx, dfrequency]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] dy, double[] a) = Inputs();
        var dfrequency = new double[channels];
        for (int i = 0; i < x.Length; i++) dfrequency[i % channels] += dy[i] * x[i] * Math.Cos(a[i % channels] * x[i]);
        return
        [
            [.. x.Select((v, i) => Math.Sin(a[i % channels] * v))],
            [.. x.Select((v, i) => dy[i] * a[i % channels] * Math.Cos(a[i % channels] * v))],
            dfrequency,
        ];
    }

    private (double[] X, double[] Dy, double[] Frequency) Inputs() =>
        _inputs ??= (Normal(rows * channels), Normal(rows * channels), Normal(channels, 5));
}
