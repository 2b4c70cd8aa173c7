using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

/// <summary>Losses of single predictions, and sums of losses.</summary>
internal sealed class ElementLossCases : OperationSuite
{
    public override IEnumerable<OpCase> Sizes =>
        Lengths.Select(n => new ElementLossCase(n, 3, binary: n % 4 < 2, weighted: n % 2 == 0));

    public override IEnumerable<OpCase> GpuSizes =>
        from n in (int[])[0, 1, 5, 86, 300]
        from binary in (bool[])[true, false]
        select new ElementLossCase(n, 3, binary, weighted: binary == (n % 2 == 0));

    public override IEnumerable<BackendRun> Runs => Counts.Select(count => new BackendRun($"sum of losses {count}", i =>
    {
        Tensor sums = i.Doubles(0, 0, 0);
        i.Backend.Run(new SumOfLosses(i.Normal(count), i.Integers(1), sums));
        return [i.ReadDoubles(sums)];
    }));

    public override IEnumerable<OperationCase> OnTape
    {
        get
        {
            float[] targets = [0, 1, 0.25f, 1, 0, 1], weights = [1, 2, 0.5f, 0, 3, 1];
            yield return new OperationCase("BinaryCrossEntropy.Forward", "weighted", (2, 3))
            {
                Declare = _ => (inputs, x) => BinaryCrossEntropy.Instance.Forward(
                    inputs.Tape, x[0], inputs.Numbers([2, 3], targets), inputs.Scale(), inputs.Numbers([2, 3], weights)),
                Reference = (x, _, _) => [.. x[0].Select((v, i) =>
                    weights[i] * ((targets[i] * Math.Log(1 + Math.Exp(-v))) + ((1 - targets[i]) * Math.Log(1 + Math.Exp(v)))))],
                IsLoss = true,
            };
            yield return new OperationCase("SquaredError.Forward", "weighted", (2, 3))
            {
                Declare = _ => (inputs, x) => SquaredError.Instance.Forward(
                    inputs.Tape, x[0], inputs.Numbers([2, 3], targets), inputs.Scale(), inputs.Numbers([2, 3], weights)),
                Reference = (x, _, _) => [.. x[0].Select((v, i) => weights[i] * Math.Pow(v - targets[i], 2))],
                IsLoss = true,
            };
        }
    }

    public override void Launch(KernelLaunches on)
    {
        Tensor x = on.Floats(on.Rows), one = on.Floats(1);
        on.Run(new BinaryCrossEntropyForward(x, x, default, x));
        on.Run(new BinaryCrossEntropyBackward(x, x, default, one, x));
        on.Run(new SquaredErrorForward(x, x, default, x));
        on.Run(new SquaredErrorBackward(x, x, default, one, x));
        on.Run(new SumOfLosses(x, on.Integers(1), on.Doubles(2)));
    }
}

/// <summary>
/// Element-by-element losses of predictions and targets, and beside them their gradients; a few predictions are far from 0, where an
/// exponential would overflow.
/// </summary>
internal sealed class ElementLossCase(int rows, int width, bool binary, bool weighted)
    : OpCase($"{(binary ? "binary cross-entropy" : "squared error")} {rows}×{width}{(weighted ? " weighted" : "")}")
{
    private const float Scale = 0.25f;
    private (double[] X, double[] Targets, double[] Weights)? _inputs;

    public override double Bytes => 4.0 * rows * width * (weighted ? 6 : 4);

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        (double[] x, double[] targets, double[] weights) = Inputs();
        Tensor tx = Upload(backend, rent, x, rows, width), tt = Upload(backend, rent, targets, rows, width);
        Tensor tw = weighted ? Upload(backend, rent, weights, rows, width) : default;
        Tensor scale = Upload(backend, rent, [Scale], 1), losses = rent(tx.Shape, DType.F32), dx = rent(tx.Shape, DType.F32);
        return (() =>
        {
            if (binary)
            {
                backend.Run(new BinaryCrossEntropyForward(tx, tt, tw, losses));
                backend.Run(new BinaryCrossEntropyBackward(tx, tt, tw, scale, dx));
            }
            else
            {
                backend.Run(new SquaredErrorForward(tx, tt, tw, losses));
                backend.Run(new SquaredErrorBackward(tx, tt, tw, scale, dx));
            }
        }, [losses, dx]);
    }

    protected override double[][] Reference()
    {
        (double[] x, double[] targets, double[] weights) = Inputs();
        double[] losses = new double[x.Length], dx = new double[x.Length];
        for (int i = 0; i < x.Length; i++)
        {
            double weight = weighted ? weights[i] : 1, t = targets[i], p = 1 / (1 + Math.Exp(-x[i]));
            // log σ(x) = −log(1 + exp(−x)); float64 holds exp(±100).
            double bce = (t * Math.Log(1 + Math.Exp(-x[i]))) + ((1 - t) * Math.Log(1 + Math.Exp(x[i])));
            losses[i] = weight * (binary ? bce : Math.Pow(x[i] - t, 2));
            dx[i] = Scale * weight * (binary ? p - t : 2 * (x[i] - t));
        }

        return [losses, dx];
    }

    private (double[] X, double[] Targets, double[] Weights) Inputs()
    {
        if (_inputs is { } made) return made;
        int count = rows * width;
        double[] x = Normal(count, 3), targets = binary ? Array.ConvertAll(Integers(count, 5), v => v / 4) : Normal(count, 2),
            weights = Normal(count);
        for (int i = 0; i < count; i += 7) x[i] = i % 2 == 0 ? 100 : -100;
        return (_inputs = (x, targets, weights)).Value;
    }
}
