using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Linear layers, with what is computed in the same pass, and low-rank additions.</summary>
internal sealed class LinearCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes
    {
        get
        {
            foreach (int n in Lengths)
            {
                var activation = (Activation)(n % 4);
                yield return new LinearCase(n, 34, 17, activation, bias: n % 2 == 0, residual: n % 5 == 0, packed: n % 2 == 1);
                if (n == 0) continue;
                yield return new LinearCase(
                    5, activation.IsGated() ? 2 * n : n, 19, activation, bias: n % 2 == 1, residual: n % 4 == 0, packed: n % 2 == 0);
                yield return new LinearCase(3, 36, n, activation, bias: true, residual: false, packed: n % 2 == 0);
            }

            foreach (int depth in (int[])[767, 768, 769, 1537])
                yield return new LinearCase(
                    37, 70, depth, depth % 2 == 0 ? Activation.Gelu : Activation.Geglu, bias: true, residual: true, packed: depth % 2 == 1);
            yield return new LinearCase(200, 400, 800, Activation.None, bias: false, residual: false, packed: true);
        }
    }

    public override IEnumerable<OpCase> GpuSizes
    {
        get
        {
            foreach (int n in (int[])[0, 1, 7, 128, 129])
                foreach (Activation f in Enum.GetValues<Activation>())
                {
                    yield return new LinearCase(n, 34, 20, f, n % 2 == 0, n % 3 == 0, n % 2 == 1);
                    yield return new LinearCase(5, 2 * n + 2, 36, f, n % 2 == 1, n % 3 == 1, n % 2 == 0);
                }
        }
    }

    public override IEnumerable<OpCase> NarrowSizes =>
        from f in Enum.GetValues<Activation>()
        from rows in (int[])[1, 129]
        select new LinearCase(rows, 34, 40, f, bias: rows > 1, residual: true, packed: false);

    public override IEnumerable<BackendRun> Runs
    {
        get
        {
            foreach ((int rows, int outputs, int inputs) in ((int, int, int)[])[(1, 1, 1), (7, 34, 20), (129, 130, 36), (40, 8, 24)])
            {
                yield return new($"linear gradients {rows}×{outputs}×{inputs}", i =>
                {
                    Tensor dy = i.Normal(rows, outputs), w = i.Normal(outputs, inputs), x = i.Normal(rows, inputs),
                        dx = i.Normal(rows, inputs), dw = i.Normal(outputs, inputs);
                    i.Backend.Run(new LinearInputBackward(dy, w, true, dx));
                    i.Backend.Run(new LinearWeightBackward(dy, x, dw));
                    return [i.Read(dx), i.Read(dw)];
                });
            }
        }
    }

    public override IEnumerable<OperationCase> OnTape
    {
        get
        {
            yield return Case("Linear.Forward", "GELU", 6, 5, 5, Activation.Gelu, residual: false, dropout: 0);
            yield return Case("Linear.Forward", "residual", 6, 5, 5, Activation.None, residual: true, dropout: 0);
            yield return Case("Linear.Forward", "GEGLU, dropout, residual", 6, 5, 5, Activation.Geglu, residual: true, dropout: 0.25f);
            yield return Case("Linear.ForwardInPlace", "residual", 6, 5, 5, Activation.None, residual: true, dropout: 0);
            yield return Case("Linear.Forward", "SwiGLU", 6, 5, 5, Activation.Swiglu, residual: false, dropout: 0);
            yield return Case(
                "Linear.ForwardInPlace", "GEGLU, dropout, residual", 6, 5, 4, Activation.Geglu, residual: true, dropout: 0.25f);
            yield return LowRankCase("Linear.Forward");
            yield return LowRankCase("Linear.ForwardInPlace");
        }
    }

    public override void Launch(KernelLaunches on)
    {
        // Rows for more shares than one of the gradient of weights.
        const int Many = 4096, Inputs = 64, Outputs = 128;
        Tensor x = on.Numbers(Many, Inputs), weight = on.Numbers(Outputs, Inputs);
        foreach (Activation activation in Enum.GetValues<Activation>())
            on.Run(new LinearForward(x, new Weight(weight), default, activation, default,
                on.Numbers(Many, activation.IsGated() ? Outputs / 2 : Outputs)));
        on.Run(new LinearInputBackward(on.Numbers(Many, Outputs), weight, accumulate: false, x));
        on.Run(new LinearWeightBackward(on.Numbers(Many, Outputs), x, on.Floats(Outputs, Inputs)));
    }

    /// <summary><c>x wᵀ + bias</c> in float64.</summary>
    public static double[] Affine(double[] x, double[] weight, double[] bias, int rows, int inputs)
    {
        double[] z = Reference.MatMul(x, weight, rows, bias.Length, inputs);
        for (int i = 0; i < z.Length; i++) z[i] += bias[i % bias.Length];
        return z;
    }

    private static OperationCase Case(
        string method, string setting, int rows, int inputs, int outputs, Activation activation, bool residual, float dropout)
    {
        bool inPlace = method == "Linear.ForwardInPlace";
        (int, int)[] operands = residual ? [(rows, inputs), (rows, outputs)] : [(rows, inputs)];
        return new OperationCase(method, setting, operands)
        {
            Declare = owner =>
            {
                Linear linear = Linear.Declare(owner.Set, "linear", inputs, outputs, activation, dropout: dropout);
                return (given, x) =>
                    inPlace ? linear.ForwardInPlace(given.Tape, x[0], x[1]) : linear.Forward(given.Tape, x[0], residual ? x[1] : default);
            },
            Reference = (x, p, random) =>
            {
                double[] y = Dropped(
                    Cases.Reference.Activate(activation, Affine(x[0], p[0], p[1], rows, inputs), rows, outputs), dropout, random(0));
                return residual ? [.. y.Zip(x[1], (v, r) => v + r)] : y;
            },
            InPlace = inPlace ? 1 : -1,
            Draws = dropout > 0,
        };
    }

    /// <summary>With a low-rank addition whose dropout draws.</summary>
    private static OperationCase LowRankCase(string method)
    {
        const int Rows = 5, Inputs = 7, Outputs = 7, Rank = 3;
        bool inPlace = method == "Linear.ForwardInPlace";
        return new OperationCase(method, "low-rank addition", (Rows, Inputs), (Rows, Outputs))
        {
            Declare = owner =>
            {
                Linear linear = Linear.Declare(owner.Set, "linear", Inputs, Outputs);
                linear.Add(owner.Set, Rank, scale: 1.5f, dropout: 0.25f);
                return (given, x) => inPlace ? linear.ForwardInPlace(given.Tape, x[0], x[1]) : linear.Forward(given.Tape, x[0], x[1]);
            },
            Reference = (x, p, random) =>
            {
                double[] low = Reference.MatMul(Dropped(x[0], 0.25f, random(1)), p[2], Rows, Rank, Inputs);
                double[] added = Reference.MatMul(low, p[3], Rows, Outputs, Rank), z = Affine(x[0], p[0], p[1], Rows, Inputs);
                return [.. z.Select((v, i) => v + (1.5 * added[i]) + x[1][i])];
            },
            InPlace = inPlace ? 1 : -1,
            Draws = true,
        };
    }

}

/// <summary><c>f(x wᵀ + bias) + residual</c>, with a weight that is packed beforehand or at each call.</summary>
internal sealed class LinearCase(int rows, int outputs, int inputs, Activation activation, bool bias, bool residual, bool packed)
    : OpCase(
        $"linear {rows}×{outputs}×{inputs} {activation}{(bias ? " bias" : "")}{(residual ? " residual" : "")}{(packed ? " packed" : "")}")
{
    private int Width => activation.IsGated() ? outputs / 2 : outputs;

    public override double Flops => 2.0 * rows * outputs * inputs;

    public override double Bytes =>
        4.0 * (((double)rows * inputs) + ((double)outputs * inputs) + ((double)rows * Width * (residual ? 2 : 1)));

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] w, double[] b, double[] r) = Inputs();
        Tensor tx = Upload(backend, rent, x, rows, inputs), y = rent(new Shape(rows, Width), DType.F32);
        var weight = new Weight(Upload(backend, rent, w, outputs, inputs));
        if (packed) weight = backend.Pack(weight.Data, activation, arena);
        Tensor tb = bias ? Upload(backend, rent, b, outputs) : default, tr = residual ? Upload(backend, rent, r, rows, Width) : default;
        return (() => backend.Run(new LinearForward(tx, weight, tb, activation, tr, y)), [y]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] w, double[] b, double[] r) = Inputs();
        double[] product = Cases.Reference.MatMul(x, w, rows, outputs, inputs);
        for (int i = 0; i < product.Length && bias; i++) product[i] += b[i % outputs];
        double[] y = Cases.Reference.Activate(activation, product, rows, Width);
        for (int i = 0; i < y.Length && residual; i++) y[i] += r[i];
        return [y];
    }

    private (double[] X, double[] W, double[] B, double[] R)? _inputs;

    private (double[] X, double[] W, double[] B, double[] R) Inputs() =>
        _inputs ??= (
            Normal(rows * inputs), Normal(outputs * inputs, 1 / Math.Sqrt(Math.Max(inputs, 1))), Normal(outputs), Normal(rows * Width));
}
