namespace Engine.Kernels;

/// <summary>Rotates a share of the tokens; see <see cref="ApplyRotary"/>.</summary>
internal unsafe struct RotaryJob<T> : IJob
    where T : unmanaged, ISimd<T>
{
    public float* X, Y, Table;
    public int* CuSeqlens;
    public int Tokens, Width, Heads, HeadSize;
    public bool Inverse;

    public readonly void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(Tokens, 1, worker, workers);
        int sequence = 0, half = HeadSize / 2, vectors = half - (half % T.Lanes);
        for (int token = start; token < end; token++)
        {
            while (CuSeqlens[sequence + 1] <= token) sequence++;
            float* cos = Table + ((long)(token - CuSeqlens[sequence]) * HeadSize), x = X + ((long)token * Width),
                y = Y + ((long)token * Width);
            for (int head = 0; head < Heads; head++)
            {
                Pairs<T>(x + (head * HeadSize), y + (head * HeadSize), cos, 0, vectors);
                Pairs<SimdScalar>(x + (head * HeadSize), y + (head * HeadSize), cos, vectors, half);
            }

            int rotated = Heads * HeadSize;
            if (x != y) new ReadOnlySpan<float>(x + rotated, Width - rotated).CopyTo(new Span<float>(y + rotated, Width - rotated));
        }
    }

    private readonly void Pairs<TR>(float* x, float* y, float* cos, int start, int end)
        where TR : unmanaged, ISimd<TR>
    {
        int half = HeadSize / 2;
        TR sign = Inverse ? -1f : 1f;
        for (int i = start; i < end; i += TR.Lanes)
        {
            TR a = TR.Load(x + i), b = TR.Load(x + half + i), c = TR.Load(cos + i), s = TR.Load(cos + half + i) * sign;
            TR.Store(y + i, RotaryFormula.Turn(a, b, c, -s));
            TR.Store(y + half + i, RotaryFormula.Turn(b, a, c, s));
        }
    }
}
