using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Engine.Kernels;
using Engine.Runtime;

namespace Bench.EndToEnd;

/// <summary>What the machine can do at most, measured: fused multiply-adds in registers, and reading memory.</summary>
internal static unsafe class MachinePeak
{
    private const int Steps = 2_000_000;

    /// <summary>GFLOP/s of independent fused multiply-adds on so many threads, the best of several runs.</summary>
    public static double Gflops(int threads)
    {
        using var pool = new WorkerPool(threads);
        double best = 0;
        for (int run = 0; run < 20; run++)
        {
            long start = Stopwatch.GetTimestamp();
            if (Vector512.IsHardwareAccelerated) pool.Run(default(FmaJob<Simd512, Vector512<float>>));
            else if (Vector256.IsHardwareAccelerated) pool.Run(default(FmaJob<Simd256, Vector256<float>>));
            else if (Vector128.IsHardwareAccelerated) pool.Run(default(FmaJob<Simd128, Vector128<float>>));
            else pool.Run(default(FmaJob<SimdScalar, float>));
            int lanes = Vector512.IsHardwareAccelerated ? 16 : Vector256.IsHardwareAccelerated ? 8 : Vector128.IsHardwareAccelerated ? 4 : 1;
            best = Math.Max(best, 2.0 * 12 * lanes * Steps * threads / Stopwatch.GetElapsedTime(start).TotalSeconds / 1e9);
        }

        return best;
    }

    /// <summary>GB/s of reading 256 MB on so many threads, the best of several runs.</summary>
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

    private readonly struct FmaJob<TS, TV> : IJob
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        public void Run(int worker, int workers) => Keep(Chains());

        // Twelve chains hide the latency of two units.
        private static float Chains()
        {
            TV x = TS.Constant(0.9999), y = TS.Constant(1e-4);
            TV a = y, b = y, c = y, d = y, e = y, f = y, g = y, h = y, i = y, j = y, k = y, l = y;
            for (int step = 0; step < Steps; step++)
            {
                a = TS.MultiplyAdd(a, x, y);
                b = TS.MultiplyAdd(b, x, y);
                c = TS.MultiplyAdd(c, x, y);
                d = TS.MultiplyAdd(d, x, y);
                e = TS.MultiplyAdd(e, x, y);
                f = TS.MultiplyAdd(f, x, y);
                g = TS.MultiplyAdd(g, x, y);
                h = TS.MultiplyAdd(h, x, y);
                i = TS.MultiplyAdd(i, x, y);
                j = TS.MultiplyAdd(j, x, y);
                k = TS.MultiplyAdd(k, x, y);
                l = TS.MultiplyAdd(l, x, y);
            }

            TV sum = TS.Add(TS.Add(TS.Add(a, b), TS.Add(c, d)), TS.Add(TS.Add(e, f), TS.Add(g, h)));
            return TS.Sum(TS.Add(sum, TS.Add(TS.Add(i, j), TS.Add(k, l))));
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
