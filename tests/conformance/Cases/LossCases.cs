using Engine.Kernels;
using Engine.Runtime;

namespace Conformance.Cases;

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

/// <summary><c>y = factor · x</c>, in place where the length is odd.</summary>
internal sealed class ScaleCase(int count) : OpCase($"scale {count}")
{
    private double[]? _x;

    public override double Bytes => 8.0 * count;

    public override double Tolerance => 3e-7;

    public override (Action Run, Tensor[] Outputs) Prepare(Backend backend, Arena arena, Rent rent)
    {
        Tensor x = Upload(backend, rent, X(), count), y = count % 2 == 1 ? x : rent(x.Shape, DType.F32);
        return (() => backend.Run(new Scale(x, 1.5f, y)), [y]);
    }

    protected override double[][] Reference() => [Array.ConvertAll(X(), v => 1.5 * v)];

    private double[] X() => _x ??= Normal(count);
}
