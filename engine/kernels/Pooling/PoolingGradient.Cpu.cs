namespace Engine.Kernels;

/// <summary>
/// The gradient of mean and CLS pooling: <c>dx[t] (+)= dy[s] / n</c> for all n tokens of sequence s, or <c>dy[s]</c> for its first
/// token and 0 for the others. The maximum has none.
/// </summary>
internal readonly unsafe struct PoolingGradientJob<T>(
    float* dy, int* cuSeqlens, int sequences, int width, Pooling pooling, float* dx, bool accumulate) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int first, int last) = Partition.Share(sequences, 1, worker, workers);
        for (int s = first; s < last; s++)
        {
            int start = cuSeqlens[s], end = cuSeqlens[s + 1];
            for (int t = start; t < end; t++)
            {
                float factor = pooling == Pooling.Mean ? 1f / (end - start) : t == start ? 1f : 0f;
                float* row = dx + ((long)t * width), gradient = dy + ((long)s * width);
                if (!accumulate) new Span<float>(row, width).Clear();
                if (factor != 0) Add(gradient, factor, row);
            }
        }
    }

    private void Add(float* gradient, float factor, float* row)
    {
        int i = 0;
        T scale = factor;
        for (; i + T.Lanes <= width; i += T.Lanes) T.Store(row + i, T.MultiplyAdd(T.Load(gradient + i), scale, T.Load(row + i)));
        for (; i < width; i++) row[i] += gradient[i] * factor;
    }
}
