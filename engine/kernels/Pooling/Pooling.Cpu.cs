namespace Engine.Kernels;

/// <summary>
/// Pools packed sequences: x [tokens, width] and <c>cu_seqlens</c> [sequences + 1] → y [sequences, width]. Empty sequences give zeros.
/// </summary>
internal readonly unsafe struct PoolingJob<T>(float* x, int* cuSeqlens, int sequences, int width, Pooling pooling, float* y) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(sequences, 1, worker, workers);
        for (int s = start; s < end; s++)
        {
            int rows = cuSeqlens[s + 1] - cuSeqlens[s];
            float* source = x + ((long)cuSeqlens[s] * width);
            float* destination = y + ((long)s * width);
            int vectors = width - (width % T.Lanes);
            Columns<T>(source, rows, 0, vectors, destination);
            Columns<SimdScalar>(source, rows, vectors, width, destination);
        }
    }

    private void Columns<TR>(float* source, int rows, int start, int end, float* destination)
        where TR : unmanaged, ISimd<TR>
    {
        TR factor = pooling == Pooling.Mean && rows > 0 ? 1f / rows : 1f;
        int used = pooling == Pooling.Cls ? Math.Min(rows, 1) : rows;
        for (int c = start; c < end; c += TR.Lanes)
        {
            TR value = used == 0 ? 0f : TR.Load(source + c);
            for (int r = 1; r < used; r++)
            {
                TR next = TR.Load(source + ((long)r * width) + c);
                value = pooling == Pooling.Max ? TR.Max(value, next) : value + next;
            }

            TR.Store(destination + c, value * factor);
        }
    }
}
