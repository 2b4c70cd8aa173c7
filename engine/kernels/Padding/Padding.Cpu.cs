namespace Engine.Kernels;

/// <summary>
/// The padded view of packed sequences: x [tokens, width] → y [sequences, longest, width], zero where a sequence has ended.
/// </summary>
internal readonly unsafe struct PadJob(float* x, int* cuSeqlens, int sequences, int longest, int width, float* y) : IJob
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(sequences, 1, worker, workers);
        for (int s = start; s < end; s++)
        {
            int rows = cuSeqlens[s + 1] - cuSeqlens[s];
            float* destination = y + ((long)s * longest * width);
            Buffer.MemoryCopy(x + ((long)cuSeqlens[s] * width), destination, 4L * longest * width, 4L * rows * width);
            for (int r = rows; r < longest; r++) new Span<float>(destination + ((long)r * width), width).Clear();
        }
    }
}
