using System.Numerics.Tensors;

namespace Dnabert2.FineTuning.Baselines;

/// <summary>
/// Minimises a smooth convex function by L-BFGS (Liu and Nocedal, Math. Program. 45, 1989) with a line search that halves its step until
/// the function has decreased enough. Deterministic.
/// </summary>
internal static class Lbfgs
{
    private const int Memory = 10;
    private const double Decrease = 1e-4;

    /// <summary>Moves <paramref name="x"/> to the minimum.</summary>
    /// <param name="function">The value at a point; fills the gradient.</param>
    /// <param name="x">Where to start; in the end, the minimum.</param>
    /// <param name="tolerance">The largest component of the gradient at which it ends.</param>
    /// <param name="iterations">The most iterations.</param>
    /// <param name="cancellation">Ends it between two iterations.</param>
    /// <returns>Whether the tolerance was reached.</returns>
    public static bool Minimise(
        Func<double[], double[], double> function, double[] x, double tolerance, int iterations, CancellationToken cancellation)
    {
        var steps = new List<(double[] Step, double[] Change, double Product)>(Memory);
        double[] gradient = new double[x.Length], next = new double[x.Length], nextGradient = new double[x.Length];
        double value = function(x, gradient);
        for (int iteration = 0; iteration < iterations; iteration++)
        {
            cancellation.ThrowIfCancellationRequested();
            if (TensorPrimitives.MaxMagnitude<double>(gradient) is var largest && Math.Abs(largest) <= tolerance) return true;
            double[] direction = Direction(gradient, steps);
            double slope = TensorPrimitives.Dot<double>(direction, gradient);
            double step = steps.Count > 0 ? 1 : 1 / TensorPrimitives.Norm<double>(gradient), nextValue;
            while (true)
            {
                for (int i = 0; i < x.Length; i++) next[i] = x[i] + (step * direction[i]);
                nextValue = function(next, nextGradient);
                if (nextValue <= value + (Decrease * step * slope)) break;
                step /= 2;
                // Rounding hides what decrease is left.
                if (step < 1e-12) return false;
            }

            Remember(steps, x, next, gradient, nextGradient);
            next.CopyTo(x, 0);
            value = nextValue;
            (gradient, nextGradient) = (nextGradient, gradient);
        }

        return false;
    }

    private static void Remember(
        List<(double[] Step, double[] Change, double Product)> steps, double[] x, double[] next, double[] gradient, double[] nextGradient)
    {
        double[] step = new double[x.Length], change = new double[x.Length];
        TensorPrimitives.Subtract<double>(next, x, step);
        TensorPrimitives.Subtract<double>(nextGradient, gradient, change);
        double product = TensorPrimitives.Dot<double>(step, change);
        if (product <= 0) return;
        if (steps.Count == Memory) steps.RemoveAt(0);
        steps.Add((step, change, product));
    }

    /// <summary>Minus the gradient times the estimate of the inverse Hessian, by two loops over the remembered steps.</summary>
    private static double[] Direction(double[] gradient, List<(double[] Step, double[] Change, double Product)> steps)
    {
        double[] direction = new double[gradient.Length];
        TensorPrimitives.Negate<double>(gradient, direction);
        double[] weights = new double[steps.Count];
        for (int i = steps.Count - 1; i >= 0; i--)
        {
            weights[i] = TensorPrimitives.Dot<double>(steps[i].Step, direction) / steps[i].Product;
            TensorPrimitives.MultiplyAdd<double>(steps[i].Change, -weights[i], direction, direction);
        }

        if (steps.Count > 0)
            TensorPrimitives.Multiply(direction, steps[^1].Product / TensorPrimitives.SumOfSquares<double>(steps[^1].Change), direction);
        for (int i = 0; i < steps.Count; i++)
        {
            double back = TensorPrimitives.Dot<double>(steps[i].Change, direction) / steps[i].Product;
            TensorPrimitives.MultiplyAdd<double>(steps[i].Step, weights[i] - back, direction, direction);
        }

        return direction;
    }
}
