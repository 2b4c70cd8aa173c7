namespace Engine.Kernels;

/// <summary>The sines of a share of the rows; see <see cref="SineForward"/>.</summary>
internal readonly unsafe struct SineJob<T>(float* x, float* frequency, float* y, int rows, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        int vectors = width - (width % T.Lanes);
        for (int r = start; r < end; r++)
        {
            Columns<T>((long)r * width, 0, vectors);
            Columns<SimdScalar>((long)r * width, vectors, width);
        }
    }

    private void Columns<TR>(long row, int start, int end)
        where TR : unmanaged, ISimd<TR>
    {
        for (int c = start; c < end; c += TR.Lanes)
            TR.Store(y + row + c, SineFormula.Sin(TR.Load(frequency + c) * TR.Load(x + row + c)));
    }
}

/// <summary>The gradients of a share of the columns; see <see cref="SineBackward"/>.</summary>
internal readonly unsafe struct SineGradientJob<T>(
    float* x, float* dy, float* frequency, float* dfrequency, bool accumulate, float* dx, int rows, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    // Rows whose sum is made on its own: the sum of many rows is then one of few numbers.
    private const int RowBlock = 256;

    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(width, T.Lanes, worker, workers);
        int vectors = start + ((end - start) / T.Lanes * T.Lanes);
        Columns<T>(start, vectors);
        Columns<SimdScalar>(vectors, end);
    }

    private void Columns<TR>(int start, int end)
        where TR : unmanaged, ISimd<TR>
    {
        for (int first = 0; first < rows; first += RowBlock)
        {
            int count = Math.Min(RowBlock, rows - first);
            for (int c = start; c < end; c += TR.Lanes)
            {
                TR a = TR.Load(frequency + c), sum = 0f;
                for (int r = first; r < first + count; r++)
                {
                    long i = ((long)r * width) + c;
                    TR value = TR.Load(x + i), slope = TR.Load(dy + i) * SineFormula.Cos(a * value), gradient = slope * a;
                    sum = TR.MultiplyAdd(slope, value, sum);
                    TR.Store(dx + i, accumulate ? TR.Load(dx + i) + gradient : gradient);
                }

                if (dfrequency != null) TR.Store(dfrequency + c, TR.Load(dfrequency + c) + sum);
            }
        }
    }
}
