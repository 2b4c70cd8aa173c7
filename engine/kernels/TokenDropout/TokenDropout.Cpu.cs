namespace Engine.Kernels;

/// <summary>Scales a share of the tokens by what is masked of their sequence; see <see cref="ApplyTokenDropout"/>. y may be x.</summary>
internal readonly unsafe struct TokenDropoutJob<T>(float* x, int* ids, int* cuSeqlens, int mask, float* y, int tokens, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(tokens, 1, worker, workers);
        int sequence = -1, behind = 0;
        float scale = 0;
        for (int token = start; token < end; token++)
        {
            while (behind <= token)
            {
                behind = cuSeqlens[++sequence + 1];
                if (behind > token) scale = ScaleOf(cuSeqlens[sequence], behind);
            }

            long row = (long)token * width;
            if (ids[token] == mask) new Span<float>(y + row, width).Clear();
            else Scale(x + row, y + row, scale);
        }
    }

    private float ScaleOf(int start, int end) =>
        TokenDropoutFormula.Scale(new ReadOnlySpan<int>(ids + start, end - start).Count(mask), end - start);

    private void Scale(float* from, float* to, float scale)
    {
        T factor = scale;
        int i = 0;
        for (; i + T.Lanes <= width; i += T.Lanes) T.Store(to + i, T.Load(from + i) * factor);
        for (; i < width; i++) to[i] = from[i] * scale;
    }
}
