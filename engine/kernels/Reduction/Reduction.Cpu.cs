namespace Engine.Kernels;

/// <summary>
/// Partial sums of squares, one for each block of <see cref="Block"/> elements, so that the total does not depend on the number of
/// workers. x: [count], partial: [⌈count / Block⌉], float64.
/// </summary>
internal readonly unsafe struct SumOfSquaresJob<T>(float* x, long count, double* partial) : IJob
    where T : unmanaged, ISimd<T>
{
    public const int Block = 4096;

    public static long Blocks(long count) => (count + Block - 1) / Block;

    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(Blocks(count), 1, worker, workers);
        for (long b = start; b < end; b++) partial[b] = Sum(x + (b * Block), (int)Math.Min(Block, count - (b * Block)));
    }

    // In pieces of a few registers, each added up in float64: the float32 sum of a piece is short.
    private static double Sum(float* values, int count)
    {
        double total = 0;
        int i = 0;
        while (i + T.Lanes <= count)
        {
            T sum = 0f;
            for (int end = Math.Min(count - T.Lanes, i + (7 * T.Lanes)); i <= end; i += T.Lanes)
            {
                T value = T.Load(values + i);
                sum = T.MultiplyAdd(value, value, sum);
            }

            total += T.Sum(sum);
        }

        for (; i < count; i++) total += (double)values[i] * values[i];
        return total;
    }
}

/// <summary>
/// Adds the sum over the rows to y, in one order whatever the number of workers: each takes a range of columns. x: [rows, width],
/// y: [width].
/// </summary>
internal readonly unsafe struct SumRowsJob<T>(float* x, float* y, int rows, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    // Rows added up in registers before y is touched: their parts of a cache line are read side by side.
    private const int RowBlock = 16;

    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(width, T.Lanes, worker, workers);
        int vectors = start + ((end - start) / T.Lanes * T.Lanes);
        for (int row = 0; row < rows; row += RowBlock)
        {
            int count = Math.Min(RowBlock, rows - row);
            Columns<T>(x + ((long)row * width), count, start, vectors);
            Columns<SimdScalar>(x + ((long)row * width), count, vectors, end);
        }
    }

    private void Columns<TR>(float* block, int count, int start, int end)
        where TR : unmanaged, ISimd<TR>
    {
        for (int c = start; c < end; c += TR.Lanes)
        {
            TR sum = TR.Load(y + c);
            for (int r = 0; r < count; r++) sum += TR.Load(block + ((long)r * width) + c);
            TR.Store(y + c, sum);
        }
    }
}
