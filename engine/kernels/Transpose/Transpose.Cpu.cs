namespace Engine.Kernels;

/// <summary>Writes a share of the rows of the transposed matrices; see <see cref="TransposeMatrices"/>.</summary>
internal readonly unsafe struct TransposeJob(float* x, float* y, long count, int rows, int columns, bool accumulate) : IJob
{
    public void Run(int worker, int workers)
    {
        // A row of y is a column of x.
        (long start, long end) = Partition.Share(count / rows, 1, worker, workers);
        for (long row = start; row < end; row++)
        {
            long matrix = row / columns;
            float* source = x + (matrix * rows * columns) + (row - (matrix * columns)), destination = y + (row * rows);
            for (int r = 0; r < rows; r++)
            {
                float value = source[(long)r * columns];
                destination[r] = accumulate ? destination[r] + value : value;
            }
        }
    }
}
