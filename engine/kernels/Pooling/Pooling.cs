namespace Engine.Kernels;

/// <summary>How the vectors of a sequence's tokens become one.</summary>
public enum Pooling
{
    /// <summary>The mean over all tokens, special ones included.</summary>
    Mean,

    /// <summary>The first token, [CLS].</summary>
    Cls,

    /// <summary>The largest value of each component.</summary>
    Max,
}

/// <summary>
/// Pools packed sequences: x [tokens, width] and <c>cu_seqlens</c> [sequences + 1] → y [sequences, width]. Empty sequences give zeros.
/// </summary>
internal readonly unsafe struct PoolingJob<TS, TV>(float* x, int* cuSeqlens, int sequences, int width, Pooling pooling, float* y) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(sequences, 1, worker, workers);
        for (int s = start; s < end; s++)
        {
            int rows = cuSeqlens[s + 1] - cuSeqlens[s];
            float* source = x + ((long)cuSeqlens[s] * width);
            float* destination = y + ((long)s * width);
            int vectors = width - (width % TS.Lanes);
            Columns<TS, TV>(source, rows, 0, vectors, destination);
            Columns<SimdScalar, float>(source, rows, vectors, width, destination);
        }
    }

    private void Columns<TF, TR>(float* source, int rows, int start, int end, float* destination)
        where TF : struct, ISimd<TR>
        where TR : unmanaged
    {
        TR factor = TF.Broadcast(pooling == Pooling.Mean && rows > 0 ? 1f / rows : 1f);
        int used = pooling == Pooling.Cls ? Math.Min(rows, 1) : rows;
        for (int c = start; c < end; c += TF.Lanes)
        {
            TR value = used == 0 ? TF.Constant(0) : TF.Load(source + c);
            for (int r = 1; r < used; r++)
            {
                TR next = TF.Load(source + ((long)r * width) + c);
                value = pooling == Pooling.Max ? TF.Max(value, next) : TF.Add(value, next);
            }

            TF.Store(destination + c, TF.Multiply(value, factor));
        }
    }
}
