namespace Engine.Kernels;

/// <summary>A loss of one prediction and one target.</summary>
internal interface IElementLoss
{
    static abstract double Loss(double x, double target);

    /// <summary>The derivative with respect to x.</summary>
    static abstract double Derivative(double x, double target);
}

/// <summary>
/// Binary cross-entropy of a logit, <c>−t log σ(x) − (1 − t) log(1 − σ(x))</c> = <c>max(x, 0) − x t + log(1 + exp(−|x|))</c>, which does not
/// overflow.
/// </summary>
internal readonly struct BinaryCrossEntropyLoss : IElementLoss
{
    public static double Loss(double x, double target) => Math.Max(x, 0) - (x * target) + Math.Log(1 + Math.Exp(-Math.Abs(x)));

    public static double Derivative(double x, double target) => (1 / (1 + Math.Exp(-x))) - target;
}

/// <summary>The squared error, <c>(x − t)²</c>.</summary>
internal readonly struct SquaredErrorLoss : IElementLoss
{
    public static double Loss(double x, double target) => (x - target) * (x - target);

    public static double Derivative(double x, double target) => 2 * (x - target);
}

/// <summary>
/// The losses of predictions, element by element, <c>losses[i] = weights[i] · l(x[i], targets[i])</c>. x, targets, weights, losses: [count];
/// weights may be null: all 1. Computed one by one in float64: a head has few outputs.
/// </summary>
internal readonly unsafe struct ElementLossJob<TLoss>(float* x, float* targets, float* weights, float* losses, long count) : IJob
    where TLoss : struct, IElementLoss
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, 1024, worker, workers);
        for (long i = start; i < end; i++) losses[i] = (float)((weights == null ? 1 : weights[i]) * TLoss.Loss(x[i], targets[i]));
    }
}

/// <summary>
/// The gradient of <see cref="ElementLossJob{TLoss}"/>, <c>dx[i] = scale · weights[i] · l'(x[i], targets[i])</c>. dx may be x.
/// </summary>
internal readonly unsafe struct ElementLossGradientJob<TLoss>(float* x, float* targets, float* weights, float scale, float* dx, long count) : IJob
    where TLoss : struct, IElementLoss
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, 1024, worker, workers);
        for (long i = start; i < end; i++) dx[i] = (float)(scale * (weights == null ? 1 : weights[i]) * TLoss.Derivative(x[i], targets[i]));
    }
}
