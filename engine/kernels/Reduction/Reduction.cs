namespace Engine.Kernels;

/// <summary>
/// Partial sums of squares, one for each block of <see cref="Block"/> elements, so that the total does not depend on the number of
/// workers. x: [count], partial: [⌈count / Block⌉], float64.
/// </summary>
internal readonly unsafe struct SumOfSquaresJob<TS, TV>(float* x, long count, double* partial) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
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
        while (i + TS.Lanes <= count)
        {
            TV sum = TS.Constant(0);
            for (int end = Math.Min(count - TS.Lanes, i + (7 * TS.Lanes)); i <= end; i += TS.Lanes)
            {
                TV value = TS.Load(values + i);
                sum = TS.MultiplyAdd(value, value, sum);
            }

            total += TS.Sum(sum);
        }

        for (; i < count; i++) total += (double)values[i] * values[i];
        return total;
    }
}

/// <summary>
/// Adds the sum over the rows to y, in one order whatever the number of workers: each takes a range of columns. x: [rows, width],
/// y: [width].
/// </summary>
internal readonly unsafe struct SumRowsJob<TS, TV>(float* x, float* y, int rows, int width) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    // Rows added up in registers before y is touched: their parts of a cache line are read side by side.
    private const int RowBlock = 16;

    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(width, TS.Lanes, worker, workers);
        int vectors = start + ((end - start) / TS.Lanes * TS.Lanes);
        for (int row = 0; row < rows; row += RowBlock)
        {
            int count = Math.Min(RowBlock, rows - row);
            Columns<TS, TV>(x + ((long)row * width), count, start, vectors);
            Columns<SimdScalar, float>(x + ((long)row * width), count, vectors, end);
        }
    }

    private void Columns<TF, TR>(float* block, int count, int start, int end)
        where TF : struct, ISimd<TR>
        where TR : unmanaged
    {
        for (int c = start; c < end; c += TF.Lanes)
        {
            TR sum = TF.Load(y + c);
            for (int r = 0; r < count; r++) sum = TF.Add(sum, TF.Load(block + ((long)r * width) + c));
            TF.Store(y + c, sum);
        }
    }
}
