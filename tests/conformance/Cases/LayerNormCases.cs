using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Layer normalisation.</summary>
internal sealed class LayerNormCases : OperationSuite
{
    private const float Epsilon = 1e-3f;

    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths)
            {
                yield return new LayerNormCase(n, 5, inPlace: false);
                if (n > 0) yield return new LayerNormCase(3, n, inPlace: n % 3 == 0);
            }
        }
    }

    public override IEnumerable<OpCase> GpuSizes =>
        from rows in (int[])[0, 1, 7, 9]
        from width in (int[])[8, 24, 768, 1024, 1032]
        select new LayerNormCase(rows, width, rows == 1);

    public override IEnumerable<OpCase> NarrowSizes =>
        new[] { 8, 768, 1024, 1032 }.Select(width => new LayerNormCase(5, width, inPlace: false));

    public override IEnumerable<BackendRun> Runs => Rows.Select(size => new BackendRun($"layer norm gradient {size.Rows}×{size.Width}", i =>
    {
        (int rows, int width) = size;
        Tensor x = i.Normal(rows, width), dy = i.Normal(rows, width), w = i.Normal(width), b = i.Normal(width),
            statistics = i.Empty(rows, 2);
        Tensor dw = i.Normal(width), db = i.Normal(width), dx = i.Normal(rows, width);
        i.Backend.Run(new LayerNormForward(x, new Norm(w, b, 1e-5f), statistics, i.Empty(rows, width)));
        i.Backend.Run(new LayerNormBackward(x, dy, w, statistics, dw, db, true, dx));
        return [i.Read(dw), i.Read(db), i.Read(dx)];
    }));

    public override IEnumerable<OperationCase> OnTape => BothPlaces(
        "LayerNorm", "", owner =>
        {
            LayerNorm norm = LayerNorm.Declare(owner.Set, "norm", 7, Epsilon);
            return ((inputs, x) => norm.Forward(inputs.Tape, x[0]), (inputs, x) => norm.ForwardInPlace(inputs.Tape, x[0]));
        },
        (x, p, _) => Reference.LayerNorm(x[0], p[0], p[1], Epsilon));

    public override void Launch(KernelLaunches on)
    {
        foreach (int width in on.Widths)
        {
            Tensor x = on.Numbers(on.Rows, width), y = on.Numbers(on.Rows, width), row = on.Numbers(width),
                statistics = on.Floats(on.Rows, 2);
            on.Run(new LayerNormForward(x, new Norm(row, row, 1e-5f), statistics, y));
            on.Run(new LayerNormBackward(x, y, row, statistics, on.Floats(width), on.Floats(width), accumulate: false, y));
        }
    }
}

/// <summary>Layer normalisation, into another tensor or in place.</summary>
internal sealed class LayerNormCase(int rows, int width, bool inPlace) : OpCase($"layer norm {rows}×{width}{(inPlace ? " in place" : "")}")
{
    private const float Epsilon = 1e-5f;
    private (double[] X, double[] W, double[] B)? _inputs;

    public override double Bytes => 8.0 * rows * width;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] w, double[] b) = Inputs();
        Tensor tx = Upload(backend, rent, x, rows, width);
        var norm = new Norm(Upload(backend, rent, w, width), Upload(backend, rent, b, width), Epsilon);
        Tensor y = inPlace ? tx : rent(tx.Shape, DType.F32);
        return (() => backend.Run(new LayerNormForward(tx, norm, statistics: default, y)), [y]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] w, double[] b) = Inputs();
        return [Cases.Reference.LayerNorm(x, w, b, Epsilon)];
    }

    private (double[] X, double[] W, double[] B) Inputs() =>
        _inputs ??= (Array.ConvertAll(Normal(rows * width), v => (double)(float)(v + 3)), Normal(width), Normal(width));
}
