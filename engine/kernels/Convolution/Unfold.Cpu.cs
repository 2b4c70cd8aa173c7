namespace Engine.Kernels;

/// <summary>Writes a share of the windows; see <see cref="Unfold"/>. rows: of y.</summary>
internal readonly unsafe struct UnfoldJob(float* x, float* y, int rows, int channels, int length, int width) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        int windows = length - width + 1;
        for (int row = start; row < end; row++)
        {
            int sequence = row / windows;
            float* source = x + (((long)sequence * length) + (row - (sequence * windows))) * channels;
            float* destination = y + ((long)row * channels * width);
            for (int j = 0; j < width; j++, source += channels)
                for (int c = 0; c < channels; c++) destination[(c * width) + j] = source[c];
        }
    }
}

/// <summary>Sums a share of the rows of dx; see <see cref="Fold"/>. rows: of dx.</summary>
internal readonly unsafe struct FoldJob(float* dy, float* dx, int rows, int channels, int length, int width, bool accumulate) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        int windows = length - width + 1;
        for (int row = start; row < end; row++)
        {
            int sequence = row / length, t = row - (sequence * length), last = Math.Min(t, width - 1);
            float* destination = dx + ((long)row * channels);
            if (!accumulate) new Span<float>(destination, channels).Clear();
            for (int j = Math.Max(0, t - windows + 1); j <= last; j++)
            {
                float* window = dy + ((((long)sequence * windows) + t - j) * channels * width) + j;
                for (int c = 0; c < channels; c++) destination[c] += window[(long)c * width];
            }
        }
    }
}
