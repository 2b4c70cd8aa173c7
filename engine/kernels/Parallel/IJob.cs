namespace Engine.Kernels;

/// <summary>
/// The body of a parallel operation: a struct of raw views. Every worker runs it once with its own number and does its static share,
/// so the result does not depend on scheduling.
/// </summary>
internal interface IJob
{
    /// <summary>Does the share of worker number <paramref name="worker"/> of <paramref name="workers"/>.</summary>
    void Run(int worker, int workers);
}

/// <summary>Static partition of a range.</summary>
internal static class Partition
{
    /// <summary>The share of one worker: a contiguous part of [0, count) whose borders are multiples of <paramref name="grain"/>.</summary>
    public static (int Start, int End) Share(int count, int grain, int worker, int workers)
    {
        long grains = (count + (long)grain - 1) / grain;
        long start = grains * worker / workers * grain;
        long end = grains * (worker + 1) / workers * grain;
        return ((int)Math.Min(start, count), (int)Math.Min(end, count));
    }
}
