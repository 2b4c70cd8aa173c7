namespace Engine.Kernels;

/// <summary>The products of a share of the rows; see <see cref="MultiplyColumns"/>. The pointers are those of the ranges.</summary>
internal readonly unsafe struct MultiplyColumnsJob<T>(
    float* x, int xColumns, float* z, int zColumns, float* y, int yColumns, int rows, int width, bool accumulate) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
        {
            float* first = x + ((long)r * xColumns), second = z + ((long)r * zColumns), result = y + ((long)r * yColumns);
            int i = 0;
            for (; i + T.Lanes <= width; i += T.Lanes) One<T>(first + i, second + i, result + i);
            for (; i < width; i++) One<SimdScalar>(first + i, second + i, result + i);
        }
    }

    private void One<TR>(float* first, float* second, float* result)
        where TR : unmanaged, ISimd<TR>
    {
        TR product = TR.Load(first) * TR.Load(second);
        TR.Store(result, accumulate ? TR.Load(result) + product : product);
    }
}
