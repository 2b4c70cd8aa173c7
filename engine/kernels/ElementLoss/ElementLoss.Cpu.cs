namespace Engine.Kernels;

/// <summary>
/// The losses of predictions, element by element, <c>losses[i] = weights[i] · l(x[i], targets[i])</c>. x, targets, weights, losses:
/// [count]; weights may be null: all 1. Computed one by one in float64: a head has few outputs.
/// </summary>
internal readonly unsafe struct ElementLossJob<TLoss>(float* x, float* targets, float* weights, float* losses, long count) : IJob
    where TLoss : struct, IElementLoss
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, 1024, worker, workers);
        for (long i = start; i < end; i++)
            losses[i] = (float)((weights == null ? 1 : weights[i]) * TLoss.Loss<Float64>(x[i], targets[i]).Value);
    }
}

/// <summary>
/// The gradient of <see cref="ElementLossJob{TLoss}"/>, <c>dx[i] = scale · weights[i] · l'(x[i], targets[i])</c>. dx may be x.
/// </summary>
internal readonly unsafe struct ElementLossGradientJob<TLoss>(
    float* x, float* targets, float* weights, float scale, float* dx, long count) : IJob
    where TLoss : struct, IElementLoss
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, 1024, worker, workers);
        for (long i = start; i < end; i++)
            dx[i] = (float)(scale * (weights == null ? 1 : weights[i]) * TLoss.Derivative<Float64>(x[i], targets[i]).Value);
    }
}
