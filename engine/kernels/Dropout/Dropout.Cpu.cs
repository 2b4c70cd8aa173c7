using System.Runtime.Intrinsics;

namespace Engine.Kernels;

/// <summary>
/// Dropout, <c>y[i] = keep[i] ? x[i] / (1 − p) : 0</c>, plus a residual where there is one. Element i is kept if random word i is
/// at least <c>p · 2³²</c>; so the backward pass draws the same mask again instead of storing it, and the mask is the same on every
/// backend and for every number of threads. x, residual, y: [count]; y may be either; residual may be null.
/// </summary>
internal readonly unsafe struct DropoutJob<T>(Philox random, float probability, float* x, float* residual, float* y, long count) : IJob
    where T : unmanaged, ISimd<T>
{
    private const int Chunk = 64;

    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, Chunk, worker, workers);
        uint threshold = (uint)(probability * 4294967296.0);
        float scale = 1 / (1 - probability);
        uint* words = stackalloc uint[Chunk];
        for (long i = start; i < end; i += Chunk)
        {
            random.Fill(new Span<uint>(words, Chunk), (ulong)i / 4);
            var factors = (float*)words;
            for (int j = 0; j < Chunk; j += 8)
            {
                Vector256<float> keep = Vector256.GreaterThanOrEqual(Vector256.Load(words + j), Vector256.Create(threshold)).AsSingle();
                (keep & Vector256.Create(scale)).Store(factors + j);
            }

            Apply(factors, x + i, residual == null ? null : residual + i, y + i, (int)Math.Min(Chunk, end - i));
        }
    }

    private static void Apply(float* factors, float* x, float* residual, float* y, int count)
    {
        int i = 0;
        for (; i + T.Lanes <= count; i += T.Lanes)
        {
            T value = T.Load(x + i) * T.Load(factors + i);
            T.Store(y + i, residual == null ? value : value + T.Load(residual + i));
        }

        for (; i < count; i++) y[i] = (x[i] * factors[i]) + (residual == null ? 0 : residual[i]);
    }
}
