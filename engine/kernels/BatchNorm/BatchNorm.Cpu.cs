namespace Engine.Kernels;

/// <summary>
/// Mean, biased and unbiased variance of a share of the columns. x: [rows, channels]; statistics: [3, channels]. Summed in float64: a batch
/// has many rows, and a network of this kind few channels.
/// </summary>
internal readonly unsafe struct BatchStatisticsJob(float* x, float* statistics, int rows, int channels) : IJob
{
    // Columns that are summed together: those of one or two cache lines.
    private const int Block = 16;

    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(channels, 1, worker, workers);
        double* sums = stackalloc double[Block], squares = stackalloc double[Block];
        for (int first = start; first < end; first += Block)
        {
            int count = Math.Min(Block, end - first);
            for (int c = 0; c < count; c++) sums[c] = squares[c] = 0;
            for (int r = 0; r < rows; r++)
                for (int c = 0; c < count; c++) sums[c] += x[((long)r * channels) + first + c];
            for (int c = 0; c < count; c++) sums[c] /= rows;
            for (int r = 0; r < rows; r++)
            {
                for (int c = 0; c < count; c++)
                {
                    double centered = x[((long)r * channels) + first + c] - sums[c];
                    squares[c] += centered * centered;
                }
            }

            for (int c = 0; c < count; c++)
            {
                statistics[first + c] = (float)sums[c];
                statistics[channels + first + c] = (float)(squares[c] / rows);
                statistics[(2 * channels) + first + c] = (float)(squares[c] / (rows - 1));
            }
        }
    }
}

/// <summary>
/// Normalises a share of the rows, <c>y = (x − mean) · scale + bias</c>. x, y: [rows, channels], which may be one; the others: [channels].
/// </summary>
internal readonly unsafe struct BatchNormJob(float* x, float* mean, float* scale, float* bias, float* y, int rows, int channels) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
        {
            long row = (long)r * channels;
            for (int c = 0; c < channels; c++) y[row + c] = ((x[row + c] - mean[c]) * scale[c]) + bias[c];
        }
    }
}

/// <summary>The gradients of a share of the columns; see <see cref="BatchNormBackward"/>. Summed in float64.</summary>
internal readonly unsafe struct BatchNormGradientJob(
    float* x, float* dy, float* weight, float* statistics, float epsilon, float* dweight, float* dbias, bool accumulate, float* dx,
    int rows, int channels) : IJob
{
    private const int Block = 16;

    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(channels, 1, worker, workers);
        double* sums = stackalloc double[Block], products = stackalloc double[Block];
        float* scales = stackalloc float[Block];
        for (int first = start; first < end; first += Block)
        {
            int count = Math.Min(Block, end - first);
            float* mean = statistics + first;
            for (int c = 0; c < count; c++)
            {
                sums[c] = products[c] = 0;
                scales[c] = 1 / MathF.Sqrt(statistics[channels + first + c] + epsilon);
            }

            for (int r = 0; r < rows; r++)
            {
                long row = ((long)r * channels) + first;
                for (int c = 0; c < count; c++)
                {
                    sums[c] += dy[row + c];
                    products[c] += (double)dy[row + c] * ((x[row + c] - mean[c]) * scales[c]);
                }
            }

            for (int c = 0; c < count; c++)
            {
                if (dbias != null) dbias[first + c] += (float)sums[c];
                if (dweight != null) dweight[first + c] += (float)products[c];
            }

            if (dx != null) Rows(first, count, mean, scales, sums, products);
        }
    }

    private void Rows(int first, int count, float* mean, float* scales, double* sums, double* products)
    {
        for (int r = 0; r < rows; r++)
        {
            long row = ((long)r * channels) + first;
            for (int c = 0; c < count; c++)
            {
                float normal = (x[row + c] - mean[c]) * scales[c];
                float value = weight[first + c] * scales[c]
                    * (dy[row + c] - (float)(sums[c] / rows) - (normal * (float)(products[c] / rows)));
                dx[row + c] = accumulate ? dx[row + c] + value : value;
            }
        }
    }
}
