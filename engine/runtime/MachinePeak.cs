using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Engine.Kernels;

namespace Engine.Runtime;

/// <summary>
/// What the processor can do at most, measured: multiplications and additions on operands in registers or the first cache, and reading
/// memory.
/// </summary>
public static unsafe class MachinePeak
{
    private const int Steps = 400_000;

    // New threads may share a core for some tenths of a second before the system spreads them.
    private static readonly TimeSpan Span = TimeSpan.FromSeconds(1);

    /// <summary>
    /// The most operations of a matrix product, in 10⁹ a second, a multiplication and an addition counted as two: the best of several
    /// runs of independent fused multiply-adds, or, in lower precision where the machine has instructions for it, of a tile whose factors
    /// stay in the first cache.
    /// </summary>
    /// <param name="threads">The number of threads.</param>
    /// <param name="precision">The type of the factors.</param>
    public static double Gflops(int threads, Precision precision = Precision.F32)
    {
        using var pool = new WorkerPool(threads);
        double best = 0;
        long start = Stopwatch.GetTimestamp();
        // Ahead of time, machine code may be wider than what is compiled.
        bool asTile = precision != Precision.F32 || Avx512.IsUsable != Vector512.IsHardwareAccelerated;
        if (asTile && TileKernels.TryCreate(precision, Avx512.IsUsable) is { } kernels)
        {
            MatMulTile tile = kernels.For(Activation.Geglu, 0);
            double operations = 2.0 * tile.Rows * tile.Width * tile.Elements * TileJob.Steps * TileJob.Calls * threads;
            while (Stopwatch.GetElapsedTime(start) < Span) best = Math.Max(best, operations / Time(pool, new TileJob(tile)) / 1e9);
            kernels.Dispose();
            return best;
        }

        while (Stopwatch.GetElapsedTime(start) < Span)
        {
            (double seconds, int lanes) = Vector512.IsHardwareAccelerated ? (Time(pool, default(FmaJob<Simd512>)), 16)
                : Vector256.IsHardwareAccelerated ? (Time(pool, default(FmaJob<Simd256>)), 8)
                : Vector128.IsHardwareAccelerated ? (Time(pool, default(FmaJob<Simd128>)), 4)
                : (Time(pool, default(FmaJob<SimdScalar>)), 1);
            best = Math.Max(best, 2.0 * 12 * lanes * Steps * threads / seconds / 1e9);
        }

        return best;
    }

    /// <summary>10⁹ bytes a second of reading 256 MB on so many threads, the best of several runs.</summary>
    /// <param name="threads">The number of threads.</param>
    public static double ReadBandwidth(int threads)
    {
        const long Bytes = 256L << 20;
        void* memory = NativeMemory.AlignedAlloc((nuint)Bytes, 64);
        NativeMemory.Fill(memory, (nuint)Bytes, 1);
        using var pool = new WorkerPool(threads);
        double best = 0;
        for (int run = 0; run < 8; run++)
        {
            long start = Stopwatch.GetTimestamp();
            pool.Run(new ReadJob((byte*)memory, Bytes));
            best = Math.Max(best, Bytes / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
        }

        NativeMemory.AlignedFree(memory);
        return best;
    }

    private static double Time<TJob>(WorkerPool pool, in TJob job)
        where TJob : unmanaged, IJob
    {
        long start = Stopwatch.GetTimestamp();
        pool.Run(job);
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private readonly struct TileJob(MatMulTile tile) : IJob
    {
        public const int Steps = 64, Calls = 50_000;

        public void Run(int worker, int workers)
        {
            uint* left = stackalloc uint[Steps * 16], right = stackalloc uint[Steps * 64];
            float* result = stackalloc float[16 * 64];
            new Span<uint>(left, Steps * 16).Clear();
            new Span<uint>(right, Steps * 64).Clear();
            new Span<float>(result, 16 * 64).Clear();
            var arguments = new TileArguments
            {
                Left = left,
                LeftStride = Steps * sizeof(uint),
                Right = right,
                Steps = Steps,
                Start = result,
                Tile = result,
                Prefetch = right,
            };
            for (int call = 0; call < Calls; call++) tile.Run<SimdScalar>(tile.Rows, &arguments);
        }
    }

    private readonly struct FmaJob<T> : IJob
        where T : unmanaged, ISimd<T>
    {
        public void Run(int worker, int workers) => Keep(Chains());

        // Twelve chains hide the latency of two units.
        private static float Chains()
        {
            T x = 0.9999f, y = 1e-4f;
            T a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
            for (int step = 0; step < Steps; step++)
            {
                a = T.MultiplyAdd(a, x, y);
                b = T.MultiplyAdd(b, x, y);
                c = T.MultiplyAdd(c, x, y);
                d = T.MultiplyAdd(d, x, y);
                e = T.MultiplyAdd(e, x, y);
                f = T.MultiplyAdd(f, x, y);
                g = T.MultiplyAdd(g, x, y);
                h = T.MultiplyAdd(h, x, y);
                i = T.MultiplyAdd(i, x, y);
                j = T.MultiplyAdd(j, x, y);
                k = T.MultiplyAdd(k, x, y);
                l = T.MultiplyAdd(l, x, y);
            }

            T sum = a + b + (c + d) + (e + f + (g + h));
            return T.Sum(sum + (i + j + (k + l)));
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Keep(float value) => _ = value;
    }

    private readonly struct ReadJob(byte* memory, long bytes) : IJob
    {
        public void Run(int worker, int workers)
        {
            (long start, long end) = Partition.Share(bytes, 4096, worker, workers);
            Vector512<ulong> a = default, b = default, c = default, d = default;
            for (long i = start; i + 256 <= end; i += 256)
            {
                a ^= Vector512.Load((ulong*)(memory + i));
                b ^= Vector512.Load((ulong*)(memory + i + 64));
                c ^= Vector512.Load((ulong*)(memory + i + 128));
                d ^= Vector512.Load((ulong*)(memory + i + 192));
            }

            Keep(a ^ b ^ c ^ d);
        }

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void Keep(Vector512<ulong> value) => _ = value;
    }
}
