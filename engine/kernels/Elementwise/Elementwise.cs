using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>A function of up to two values, applied element by element.</summary>
internal interface IElementwise
{
    static abstract TV Apply<TS, TV>(TV a, TV b)
        where TS : struct, ISimd<TV>
        where TV : unmanaged;
}

/// <summary><c>a + b</c>.</summary>
internal readonly struct AddFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Apply<TS, TV>(TV a, TV b)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => TS.Add(a, b);
}

/// <summary><c>gelu(a)</c>; see <see cref="Elementary.Gelu"/>.</summary>
internal readonly struct GeluFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Apply<TS, TV>(TV a, TV b)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => Elementary.Gelu<TS, TV>(a);
}

/// <summary>The gradient of GELU: a is its input, b the gradient of its result.</summary>
internal readonly struct GeluGradient : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Apply<TS, TV>(TV a, TV b)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => TS.Multiply(Elementary.GeluDerivative<TS, TV>(a), b);
}

/// <summary><c>tanh(a)</c>.</summary>
internal readonly struct TanhFunction : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Apply<TS, TV>(TV a, TV b)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => TS.Tanh(a);
}

/// <summary>The gradient of tanh: a is its result, b the gradient of that.</summary>
internal readonly struct TanhGradient : IElementwise
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Apply<TS, TV>(TV a, TV b)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => TS.Multiply(b, TS.Subtract(TS.Constant(1), TS.Multiply(a, a)));
}

/// <summary>Loops over contiguous arrays, element by element.</summary>
internal static unsafe class Elementwise
{
    /// <summary><c>y = f(a, b)</c>, or <c>y += f(a, b)</c>; y may be a or b. For functions of one value b is a.</summary>
    public static void Apply<TS, TV, TFunction>(float* a, float* b, float* y, long count, bool accumulate)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        where TFunction : struct, IElementwise
    {
        long i = 0;
        for (; i + TS.Lanes <= count; i += TS.Lanes) One<TS, TV, TFunction>(a + i, b + i, y + i, accumulate);
        for (; i < count; i++) One<SimdScalar, float, TFunction>(a + i, b + i, y + i, accumulate);
    }

    /// <summary><c>y = a + b</c>.</summary>
    public static void Add<TS, TV>(float* a, float* b, float* y, long count)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => Apply<TS, TV, AddFunction>(a, b, y, count, accumulate: false);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void One<TS, TV, TFunction>(float* a, float* b, float* y, bool accumulate)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        where TFunction : struct, IElementwise
    {
        TV value = TFunction.Apply<TS, TV>(TS.Load(a), TS.Load(b));
        TS.Store(y, accumulate ? TS.Add(TS.Load(y), value) : value);
    }
}

/// <summary><c>y (+)= f(a, b)</c> over arrays; see <see cref="Elementwise"/>.</summary>
internal readonly unsafe struct ElementwiseJob<TS, TV, TFunction>(float* a, float* b, float* y, long count, bool accumulate) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
    where TFunction : struct, IElementwise
{
    public void Run(int worker, int workers)
    {
        (long start, long end) = Partition.Share(count, 1024, worker, workers);
        Elementwise.Apply<TS, TV, TFunction>(a + start, b + start, y + start, end - start, accumulate);
    }
}

/// <summary><c>y = factor · x</c>; y may be x.</summary>
internal readonly unsafe struct ScaleJob<TS, TV>(float* x, float factor, float* y, long count) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (long i, long end) = Partition.Share(count, 1024, worker, workers);
        TV factors = TS.Broadcast(factor);
        for (; i + TS.Lanes <= end; i += TS.Lanes) TS.Store(y + i, TS.Multiply(TS.Load(x + i), factors));
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
