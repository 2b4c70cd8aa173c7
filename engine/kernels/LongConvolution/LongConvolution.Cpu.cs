namespace Engine.Kernels;

/// <summary>Runs the convolution for all sequences whose transforms have one size, size after size.</summary>
internal static unsafe class LongConvolutionRun
{
    public static void OnCpu<T>(CpuLauncher cpu, CuSeqlens cuSeqlens, LongConvolutionJob<T> job)
        where T : unmanaged, ISimd<T>
    {
        int* borders = cuSeqlens.Borders.Pointer<int>();
        var chosen = (int*)cpu.Rent(cuSeqlens.Sequences);
        job.CuSeqlens = borders;
        job.Chosen = chosen;
        job.Stop = cpu.Stop;
        for (int above = 0; ;)
        {
            // The smallest size that is still to come, and its sequences.
            int size = int.MaxValue;
            job.Sequences = 0;
            for (int s = 0; s < cuSeqlens.Sequences; s++)
            {
                int length = borders[s + 1] - borders[s], own = length == 0 ? 0 : FourierTable.SizeFor(length);
                if (own <= above || own > size) continue;
                if (own < size) (size, job.Sequences) = (own, 0);
                chosen[job.Sequences++] = s;
            }

            if (job.Sequences == 0 || StopFlag.IsRaised(cpu.Stop)) return;
            float* table = cpu.Rent(FourierTable.Length(size));
            FourierTable.Fill(size, table);
            job.Transform = new(size, table);
            job.BufferLength = FourierTransform<T>.BufferLength(size);
            job.Buffers = cpu.Rent(LongConvolutionJob<T>.BuffersPerWorker * job.BufferLength * cpu.Workers);
            cpu.Run(job);
            above = size;
        }
    }
}

/// <summary>
/// The long convolution of a share of the channels, as many at a time as a register has lanes, for the chosen sequences; or, with dy, its
/// gradients: both are convolutions of what is read backwards.
/// </summary>
internal unsafe struct LongConvolutionJob<T> : IJob
    where T : unmanaged, ISimd<T>
{
    public const int BuffersPerWorker = 3;

    public float* X, Dy, Filter, Skip, DFilter, DSkip, Result, Buffers;
    public int* CuSeqlens, Chosen, Stop;
    public int Sequences, Channels;
    public long BufferLength;
    public bool Accumulate;
    public FourierTransform<T> Transform;

    public readonly void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(Channels, T.Lanes, worker, workers);
        float* ofFilter = Buffers + (worker * BuffersPerWorker * BufferLength), first = ofFilter + BufferLength,
            second = first + BufferLength;
        for (int c = start; c < end; c += T.Lanes)
        {
            int lanes = Math.Min(T.Lanes, end - c), before = -1;
            for (int i = 0; i < Sequences && !StopFlag.IsRaised(Stop); i++)
            {
                int token = CuSeqlens[Chosen[i]], length = CuSeqlens[Chosen[i] + 1] - token;
                // A batch of equal lengths transforms the filter once.
                if (length != before)
                {
                    Transform.Load(Filter + c, Channels, length, lanes, ofFilter);
                    Transform.Forward(ofFilter);
                    before = length;
                }

                long place = ((long)token * Channels) + c;
                if (Dy == null) Convolve(place, length, c, lanes, ofFilter, first);
                else Differentiate(place, length, c, lanes, ofFilter, first, second);
            }
        }
    }

    private readonly void Convolve(long place, int length, int c, int lanes, float* ofFilter, float* buffer)
    {
        Transform.Load(X + place, Channels, length, lanes, buffer);
        Transform.Forward(buffer);
        Transform.Multiply(buffer, ofFilter, buffer);
        Transform.Inverse(buffer);
        for (int t = 0; t < length; t++)
        {
            long row = place + ((long)t * Channels);
            Add(Result + row, Transform.Real(buffer, t), X + row, Skip + c, lanes, accumulate: false);
        }
    }

    private readonly void Differentiate(long place, int length, int c, int lanes, float* ofFilter, float* ofDy, float* ofX)
    {
        long last = place + ((long)(length - 1) * Channels);
        Transform.Load(Dy + last, -Channels, length, lanes, ofDy);
        Transform.Forward(ofDy);
        if (DFilter != null)
        {
            Transform.Load(X + place, Channels, length, lanes, ofX);
            Transform.Forward(ofX);
            Transform.Multiply(ofX, ofDy, ofX);
            Transform.Inverse(ofX);
            for (int tau = 0; tau < length; tau++)
                Add(DFilter + ((long)tau * Channels) + c, Transform.Real(ofX, length - 1 - tau), null, null, lanes, accumulate: true);
        }

        if (Result != null)
        {
            Transform.Multiply(ofDy, ofFilter, ofDy);
            Transform.Inverse(ofDy);
            for (int s = 0; s < length; s++)
            {
                long row = place + ((long)s * Channels);
                Add(Result + row, Transform.Real(ofDy, length - 1 - s), Dy + row, Skip + c, lanes, Accumulate);
            }
        }

        if (DSkip == null) return;
        for (int lane = 0; lane < lanes; lane++)
        {
            double sum = 0;
            for (long row = place + lane; row <= last + lane; row += Channels) sum += (double)Dy[row] * X[row];
            DSkip[c + lane] += (float)sum;
        }
    }

    /// <summary><c>y (+)= value + x · factor</c> of the lanes that there are; x may be null.</summary>
    private static void Add(float* y, T value, float* x, float* factor, int lanes, bool accumulate)
    {
        if (lanes == T.Lanes)
        {
            if (x != null) value = T.MultiplyAdd(T.Load(x), T.Load(factor), value);
            T.Store(y, accumulate ? T.Load(y) + value : value);
            return;
        }

        float* values = stackalloc float[T.Lanes];
        T.Store(values, value);
        for (int lane = 0; lane < lanes; lane++)
        {
            float sum = x == null ? values[lane] : values[lane] + (x[lane] * factor[lane]);
            y[lane] = accumulate ? y[lane] + sum : sum;
        }
    }
}
