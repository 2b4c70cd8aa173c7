namespace Engine.Kernels;

/// <summary>Picks rows: <c>y[i] = x[rows[i]]</c>; x: [n, width], y: [count, width].</summary>
internal readonly unsafe struct GatherRowsJob(float* x, int* rows, float* y, int count, int width) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(count, 1, worker, workers);
        for (int i = start; i < end; i++)
            Buffer.MemoryCopy(x + ((long)rows[i] * width), y + ((long)i * width), 4L * width, 4L * width);
    }
}

/// <summary>
/// The gradient of <see cref="GatherRowsJob"/> for distinct rows: dx is dy in the rows picked; the others are left as they are.
/// </summary>
internal readonly unsafe struct ScatterRowsJob<T>(float* dy, int* rows, float* dx, int count, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(width, T.Lanes, worker, workers);
        for (int i = 0; i < count; i++)
        {
            float* row = dx + ((long)rows[i] * width) + start;
            Elementwise.Add<T>(row, dy + ((long)i * width) + start, row, end - start);
        }
    }
}
