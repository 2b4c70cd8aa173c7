namespace Engine.Kernels;

/// <summary>Adds to a share of the tokens the row of their position; see <see cref="AddPositions"/>. y may be x.</summary>
internal readonly unsafe struct AddPositionsJob<T>(float* x, int* cuSeqlens, float* table, float* y, int tokens, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(tokens, 1, worker, workers);
        int sequence = 0;
        for (int token = start; token < end; token++)
        {
            while (cuSeqlens[sequence + 1] <= token) sequence++;
            long row = (long)token * width;
            Elementwise.Add<T>(x + row, table + ((long)(token - cuSeqlens[sequence]) * width), y + row, width);
        }
    }
}

/// <summary>The gradient of positions, in the order of the tokens whatever the number of workers: each takes a range of columns.</summary>
internal readonly unsafe struct AddPositionsGradientJob<T>(float* dy, int* cuSeqlens, float* dtable, int sequences, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(width, T.Lanes, worker, workers);
        for (int sequence = 0; sequence < sequences; sequence++)
        {
            int first = cuSeqlens[sequence], length = cuSeqlens[sequence + 1] - first;
            for (int position = 0; position < length; position++)
            {
                float* row = dtable + ((long)position * width) + start;
                Elementwise.Add<T>(row, dy + ((long)(first + position) * width) + start, row, end - start);
            }
        }
    }
}
