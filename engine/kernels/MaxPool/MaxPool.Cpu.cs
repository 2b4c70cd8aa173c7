namespace Engine.Kernels;

/// <summary>Maxima of a share of the stretches; see <see cref="MaxPoolForward"/>. rows: of y.</summary>
internal readonly unsafe struct MaxPoolJob(float* x, float* y, int rows, int channels, int length, int width) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        int stretches = length / width;
        for (int row = start; row < end; row++)
        {
            int sequence = row / stretches;
            float* first = x + ((((long)sequence * length) + ((row - (sequence * stretches)) * width)) * channels);
            for (int c = 0; c < channels; c++)
                y[((long)row * channels) + c] = first[c + ((long)Largest(first + c, channels, width) * channels)];
        }
    }

    /// <summary>The position of the first of the largest elements, or of the first that is no number.</summary>
    public static int Largest(float* values, int channels, int width)
    {
        int best = 0;
        for (int j = 1; j < width && !float.IsNaN(values[(long)best * channels]); j++)
        {
            float value = values[(long)j * channels];
            if (value > values[(long)best * channels] || float.IsNaN(value)) best = j;
        }

        return best;
    }
}

/// <summary>The gradient of a share of the sequences; see <see cref="MaxPoolBackward"/>.</summary>
internal readonly unsafe struct MaxPoolGradientJob(
    float* x, float* dy, float* dx, int batch, int channels, int length, int width, bool accumulate) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(batch, 1, worker, workers);
        int stretches = length / width;
        for (int sequence = start; sequence < end; sequence++)
        {
            float* source = x + ((long)sequence * length * channels), gradient = dx + ((long)sequence * length * channels);
            float* pooled = dy + ((long)sequence * stretches * channels);
            if (!accumulate) new Span<float>(gradient, length * channels).Clear();
            for (int p = 0; p < stretches; p++)
            {
                long first = (long)p * width * channels;
                for (int c = 0; c < channels; c++)
                    gradient[first + c + ((long)MaxPoolJob.Largest(source + first + c, channels, width) * channels)] +=
                        pooled[((long)p * channels) + c];
            }
        }
    }
}
