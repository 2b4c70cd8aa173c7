namespace Engine.Kernels;

/// <summary>
/// The body of a parallel operation: a struct of raw views. Every worker runs it once with its own number and does its static share,
/// so the result does not depend on scheduling.
/// </summary>
public interface IJob
{
    /// <summary>Does the share of worker number <paramref name="worker"/> of <paramref name="workers"/>.</summary>
    void Run(int worker, int workers);
}

/// <summary>Static partition of a range.</summary>
public static class Partition
{
    /// <summary>The share of one worker: a contiguous part of [0, count) whose borders are multiples of <paramref name="grain"/>.</summary>
    public static (int Start, int End) Share(int count, int grain, int worker, int workers)
    {
        (long start, long end) = Share((long)count, grain, worker, workers);
        return ((int)start, (int)end);
    }

    /// <inheritdoc cref="Share(int, int, int, int)"/>
    public static (long Start, long End) Share(long count, int grain, int worker, int workers)
    {
        long grains = (count + grain - 1) / grain;
        return (Math.Min(grains * worker / workers * grain, count), Math.Min(grains * (worker + 1) / workers * grain, count));
    }
}
