using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Transposed matrices.</summary>
internal sealed class TransposeCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes => Enumerable.Range(1, 70).Select(n => new TransposeCase(1 + (n % 3), n, 1 + (n * 3 % 17)));

    public override IEnumerable<OpCase> GpuSizes => [new TransposeCase(2, 7, 20), new TransposeCase(1, 16, 17)];

    public override IEnumerable<OperationCase> OnTape =>
    [
        new("FlattenChannels.Forward", "", (2 * 3, 4))
        {
            Declare = _ => (inputs, x) => new FlattenChannels(3).Forward(inputs.Tape, x[0]),
            Like = -1,
            Reference = (x, _, _) => [.. Enumerable.Range(0, 24).Select(i => x[0][(i / 12 * 12) + (i % 3 * 4) + (i % 12 / 3)])],
        },
    ];

    public override void Launch(KernelLaunches on)
    {
        const int Length = 9, Channels = 5;
        Tensor x = on.Floats(2 * Length, Channels), y = on.Floats(2, Length * Channels);
        on.Run(new TransposeMatrices(x, Length, Channels, accumulate: false, y));
    }
}

/// <summary>Transposed matrices, added where there is an odd number of rows.</summary>
internal sealed class TransposeCase(int batch, int rows, int columns) : OpCase($"transpose {batch}×{rows}×{columns}")
{
    private (double[] X, double[] Y)? _inputs;

    public override double Bytes => 8.0 * batch * rows * columns;

    public override double Tolerance => 1e-7;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] y) = Inputs();
        Tensor tx = Upload(backend, rent, x, batch * rows, columns), ty = rent(new Shape(batch, rows * columns), DType.F32);
        float[] before = Array.ConvertAll(y, v => (float)v);
        return (() =>
        {
            backend.Upload<float>(before, ty);
            backend.Run(new TransposeMatrices(tx, rows, columns, rows % 2 == 1, ty));
        }, [ty]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] before) = Inputs();
        return [[.. before.Select((v, i) =>
        {
            int matrix = i / (rows * columns), c = i / rows % columns, r = i % rows;
            return (rows % 2 == 1 ? v : 0) + x[(((matrix * rows) + r) * columns) + c];
        })]];
    }

    private (double[] X, double[] Y) Inputs() => _inputs ??= (Normal(batch * rows * columns), Normal(batch * rows * columns));
}
