using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>Loops over contiguous arrays, element by element.</summary>
internal static unsafe class Elementwise
{
    /// <summary><c>y = f(a, b)</c>, or <c>y += f(a, b)</c>; y may be a or b. For functions of one value b is a.</summary>
    public static void Apply<T, TFunction>(float* a, float* b, float* y, long count, bool accumulate)
        where T : unmanaged, ISimd<T>
        where TFunction : struct, IElementwise
    {
        long i = 0;
        for (; i + T.Lanes <= count; i += T.Lanes) One<T, TFunction>(a + i, b + i, y + i, accumulate);
        if (i < count) Rest<T, TFunction>(a + i, b + i, y + i, (int)(count - i), accumulate);
    }

    /// <summary>
    /// What does not fill a register, by the same instructions: which elements these are depends on how many rows there are, and the bits
    /// of a row are not to.
    /// </summary>
    private static void Rest<T, TFunction>(float* a, float* b, float* y, int count, bool accumulate)
        where T : unmanaged, ISimd<T>
        where TFunction : struct, IElementwise
    {
        float* first = stackalloc float[3 * T.Lanes], second = first + T.Lanes, result = second + T.Lanes;
        for (int i = 0; i < count; i++) (first[i], second[i], result[i]) = (a[i], b[i], accumulate ? y[i] : 0);
        One<T, TFunction>(first, second, result, accumulate);
        for (int i = 0; i < count; i++) y[i] = result[i];
    }

    /// <summary><c>y = a + b</c>.</summary>
    public static void Add<T>(float* a, float* b, float* y, long count)
        where T : unmanaged, ISimd<T>
        => Apply<T, AddFunction>(a, b, y, count, accumulate: false);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void One<T, TFunction>(float* a, float* b, float* y, bool accumulate)
        where T : unmanaged, ISimd<T>
        where TFunction : struct, IElementwise
    {
        T value = TFunction.Apply<T>(T.Load(a), T.Load(b));
        T.Store(y, accumulate ? T.Load(y) + value : value);
    }
}

/// <summary><c>y (+)= f(a, b)</c> over arrays; see <see cref="Elementwise"/>.</summary>
internal readonly unsafe struct ElementwiseJob<T, TFunction>(float* a, float* b, float* y, long count, bool accumulate) : IJob
    where T : unmanaged, ISimd<T>
    where TFunction : struct, IElementwise
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, 1024, worker, workers);
        Elementwise.Apply<T, TFunction>(a + start, b + start, y + start, end - start, accumulate);
    }
}

/// <summary><c>y = factor · x</c>; y may be x.</summary>
internal readonly unsafe struct ScaleJob<T>(float* x, float factor, float* y, long count) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (long i, long end) = Partition.Share(count, 1024, worker, workers);
        T factors = factor;
        for (; i + T.Lanes <= end; i += T.Lanes) T.Store(y + i, T.Load(x + i) * factors);
        for (; i < end; i++) y[i] = x[i] * factor;
    }
}

/// <summary>Copies bytes.</summary>
internal readonly unsafe struct CopyJob(byte* source, byte* destination, long bytes) : IJob
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(bytes, 65536, worker, workers);
        Buffer.MemoryCopy(source + start, destination + start, end - start, end - start);
    }
}
