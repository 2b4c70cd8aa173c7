using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>What makes Hyena's implicit filter: features of positions and decay.</summary>
internal sealed class HyenaFilterCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes =>
        [.. Enumerable.Range(1, 130).Select(n => new HyenaFilterCase(n, 1 + (n * 7 % 37))), new HyenaFilterCase(300, 20)];

    public override IEnumerable<OpCase> GpuSizes => [new HyenaFilterCase(7, 5), new HyenaFilterCase(270, 2)];

    public override IEnumerable<OperationCase> OnTape => BothPlaces(
        "FilterDecay", "", _ =>
        {
            var decay = new FilterDecay(longest: 9);
            return ((inputs, x) => decay.Forward(inputs.Tape, x[0]), (inputs, x) => decay.ForwardInPlace(inputs.Tape, x[0]));
        },
        (x, _, _) => [.. x[0].Select((v, i) => v * HyenaFilterCase.Decay(i / 7, i % 7, 7, longest: 9))]);

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Floats(16, 5), y = on.Floats(16, 5);
        on.Run(new FilterPositions(16, x));
        on.Run(new ApplyFilterDecay(x, 16, accumulate: false, y));
    }
}

/// <summary>Decay, into another tensor and added to it, and the features of positions.</summary>
internal sealed class HyenaFilterCase(int rows, int channels) : OpCase($"filter {rows}×{channels}")
{
    private const int Longest = 300;
    private (double[] X, double[] Z)? _inputs;

    public override double Bytes => 20.0 * rows * channels;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, Inputs().X, rows, channels), z = Upload(backend, rent, Inputs().Z, rows, channels),
            y = rent(x.Shape, DType.F32), positions = rent(new Shape(rows, 7), DType.F32);
        return (() =>
        {
            backend.Run(new ApplyFilterDecay(x, Longest, accumulate: false, y));
            backend.Run(new ApplyFilterDecay(z, Longest, accumulate: true, y));
            backend.Run(new FilterPositions(Longest, positions));
        }, [y, positions]);
    }

    /// <summary>What a filter is multiplied by at a position.</summary>
    public static double Decay(int position, int channel, int channels, int longest)
    {
        double slow = -Math.Log(0.01) / 1.5, fast = -Math.Log(0.01) / 0.3;
        double delta = slow + (channels == 1 ? 0 : (fast - slow) * channel / (channels - 1));
        return Math.Exp(-position / (longest - 1.0) * delta) + 0.05;
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] z) = Inputs();
        return
        [
            [.. x.Select((v, i) => (v + z[i]) * Decay(i / channels, i % channels, channels, Longest))],
            [.. Enumerable.Range(0, rows * 7).Select(i =>
            {
                int position = i / 7, column = i % 7;
                double frequency = 1e-4 + ((column - 1) % 3 * (2 - 1e-4) / 2), angle = 2 * Math.PI * position / Longest * frequency;
                return column == 0 ? position / (Longest - 1.0) : column <= 3 ? Math.Cos(angle) : -Math.Sin(angle);
            })],
        ];
    }

    private (double[] X, double[] Z) Inputs() => _inputs ??= (Normal(rows * channels), Normal(rows * channels));
}
