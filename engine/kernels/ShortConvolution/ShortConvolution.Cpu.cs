namespace Engine.Kernels;

/// <summary>Convolves a share of the tokens; see <see cref="ShortConvolutionForward"/>. Weight: [width, channels].</summary>
internal unsafe struct ShortConvolutionJob<T> : IJob
    where T : unmanaged, ISimd<T>
{
    public float* X, Y, Weight, Bias;
    public int* CuSeqlens;
    public int Tokens, Channels, Width;

    public readonly void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(Tokens, 1, worker, workers);
        int sequence = 0, vectors = Channels - (Channels % T.Lanes);
        for (int token = start; token < end; token++)
        {
            while (CuSeqlens[sequence + 1] <= token) sequence++;
            // Positions before the start of the sequence are zeros.
            int first = Math.Max(0, Width - 1 - (token - CuSeqlens[sequence]));
            Row<T>(token, first, 0, vectors);
            Row<SimdScalar>(token, first, vectors, Channels);
        }
    }

    private readonly void Row<TR>(int token, int first, int start, int end)
        where TR : unmanaged, ISimd<TR>
    {
        float* x = X + (((long)token - Width + 1) * Channels), y = Y + ((long)token * Channels);
        for (int c = start; c < end; c += TR.Lanes)
        {
            TR sum = TR.Load(Bias + c);
            for (int j = first; j < Width; j++)
                sum = TR.MultiplyAdd(TR.Load(Weight + ((long)j * Channels) + c), TR.Load(x + ((long)j * Channels) + c), sum);
            TR.Store(y + c, sum);
        }
    }
}

/// <summary>The gradients of a share of the channels; see <see cref="ShortConvolutionBackward"/>. Weight: [width, channels].</summary>
internal unsafe struct ShortConvolutionGradientJob<T> : IJob
    where T : unmanaged, ISimd<T>
{
    // Tokens whose sum is made on its own.
    private const int Block = 256;

    public float* X, Dy, Dx, Weight, DWeight;
    public int* CuSeqlens;
    public int Sequences, Channels, Width;
    public bool Accumulate;

    public readonly void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(Channels, T.Lanes, worker, workers);
        int vectors = start + ((end - start) / T.Lanes * T.Lanes);
        for (int sequence = 0; sequence < Sequences; sequence++)
        {
            int first = CuSeqlens[sequence], last = CuSeqlens[sequence + 1];
            for (int block = first; block < last; block += Block)
            {
                Part<T>(first, last, block, Math.Min(block + Block, last), start, vectors);
                Part<SimdScalar>(first, last, block, Math.Min(block + Block, last), vectors, end);
            }
        }
    }

    private readonly void Part<TR>(int first, int last, int from, int to, int start, int end)
        where TR : unmanaged, ISimd<TR>
    {
        float* lanes = stackalloc float[TR.Lanes];
        for (int c = start; c < end; c += TR.Lanes)
        {
            for (int token = from; token < to && Dx != null; token++)
            {
                float* dx = Dx + ((long)token * Channels) + c;
                TR sum = Accumulate ? TR.Load(dx) : 0f;
                for (int j = Math.Max(0, token + Width - last); j < Width; j++)
                    sum = TR.MultiplyAdd(
                        TR.Load(Weight + ((long)j * Channels) + c), TR.Load(Dy + (((long)token + Width - 1 - j) * Channels) + c), sum);
                TR.Store(dx, sum);
            }

            for (int j = 0; j < Width && DWeight != null; j++)
            {
                TR sum = 0f;
                for (int token = Math.Max(from, first + Width - 1 - j); token < to; token++)
                    sum = TR.MultiplyAdd(
                        TR.Load(Dy + ((long)token * Channels) + c), TR.Load(X + (((long)token - Width + 1 + j) * Channels) + c), sum);
                TR.Store(lanes, sum);
                for (int lane = 0; lane < TR.Lanes; lane++) DWeight[((long)(c + lane) * Width) + j] += lanes[lane];
            }
        }
    }
}
