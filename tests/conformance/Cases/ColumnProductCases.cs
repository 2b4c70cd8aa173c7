using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Products of columns.</summary>
internal sealed class ColumnProductCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes =>
        [.. Enumerable.Range(1, 130).Select(n => new ColumnProductCase(n, 1 + (n * 7 % 37))), new ColumnProductCase(300, 20)];

    public override IEnumerable<OpCase> GpuSizes => [new ColumnProductCase(7, 5), new ColumnProductCase(270, 2)];

    public override IEnumerable<OperationCase> OnTape
    {
        get
        {
            yield return new OperationCase("ColumnProduct.Forward", "of two matrices", (5, 7), (5, 4))
            {
                Declare = _ => (inputs, x) => new ColumnProduct(2, 0, 4).Forward(inputs.Tape, x[0], x[1]),
                Reference = (x, _, _) => [.. x[1].Select((v, i) => v * x[0][(i / 4 * 7) + 2 + (i % 4)])],
            };
            yield return new OperationCase("ColumnProduct.Forward", "of one matrix", (5, 7))
            {
                Declare = _ => (inputs, x) => new ColumnProduct(4, 1, 3).Forward(inputs.Tape, x[0], x[0]),
                Like = -1,
                Reference = (x, _, _) =>
                    [.. Enumerable.Range(0, 15).Select(i => x[0][(i / 3 * 7) + 4 + (i % 3)] * x[0][(i / 3 * 7) + 1 + (i % 3)])],
            };
        }
    }

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Floats(16, 5), y = on.Floats(16, 5);
        on.Run(new MultiplyColumns(new(x, 0), new(x, 2), 2, accumulate: false, new(y, 1)));
    }
}

/// <summary>The product of columns of one matrix, and added to it that of two.</summary>
internal sealed class ColumnProductCase(int rows, int channels) : OpCase($"column product {rows}×{channels}")
{
    private (double[] X, double[] Z, double[] Wide)? _inputs;

    public override double Bytes => 28.0 * rows * channels;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, Inputs().X, rows, channels), z = Upload(backend, rent, Inputs().Z, rows, channels),
            wide = Upload(backend, rent, Inputs().Wide, rows, (2 * channels) + 1), y = rent(x.Shape, DType.F32);
        return (() =>
        {
            backend.Run(new MultiplyColumns(new(wide, 1), new(wide, channels + 1), channels, accumulate: false, new(y, 0)));
            backend.Run(new MultiplyColumns(new(x, 0), new(z, 0), channels, accumulate: true, new(y, 0)));
        }, [y]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] z, double[] wide) = Inputs();
        return [[.. x.Select((v, i) =>
        {
            int row = i / channels * ((2 * channels) + 1), c = i % channels;
            return (wide[row + 1 + c] * wide[row + channels + 1 + c]) + (v * z[i]);
        })]];
    }

    private (double[] X, double[] Z, double[] Wide) Inputs() =>
        _inputs ??= (Normal(rows * channels), Normal(rows * channels), Normal(rows * ((2 * channels) + 1)));
}
