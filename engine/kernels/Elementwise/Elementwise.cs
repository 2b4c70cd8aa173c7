using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>A function of one value.</summary>
internal interface IUnary
{
    static abstract TV Apply<TS, TV>(TV x)
        where TS : struct, ISimd<TV>
        where TV : unmanaged;
}

/// <summary>The exact (erf) GELU; see <see cref="Elementary.Gelu"/>.</summary>
internal readonly struct GeluFunction : IUnary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Apply<TS, TV>(TV x)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => Elementary.Gelu<TS, TV>(x);
}

/// <summary>The hyperbolic tangent.</summary>
internal readonly struct TanhFunction : IUnary
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static TV Apply<TS, TV>(TV x)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        => TS.Tanh(x);
}

/// <summary>Loops over contiguous arrays, element by element.</summary>
internal static unsafe class Elementwise
{
    /// <summary><c>y = x + z</c>; y may be x or z.</summary>
    public static void Add<TS, TV>(float* x, float* z, float* y, long count)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        long i = 0;
        for (; i + TS.Lanes <= count; i += TS.Lanes) TS.Store(y + i, TS.Add(TS.Load(x + i), TS.Load(z + i)));
        for (; i < count; i++) y[i] = x[i] + z[i];
    }

    /// <summary><c>y = f(x)</c>; y may be x.</summary>
    public static void Map<TS, TV, TFunction>(float* x, float* y, long count)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
        where TFunction : struct, IUnary
    {
        long i = 0;
        for (; i + TS.Lanes <= count; i += TS.Lanes) TS.Store(y + i, TFunction.Apply<TS, TV>(TS.Load(x + i)));
        for (; i < count; i++) y[i] = TFunction.Apply<SimdScalar, float>(x[i]);
    }
}

/// <summary><c>y = f(x)</c> over an array.</summary>
internal readonly unsafe struct MapJob<TS, TV, TFunction>(float* x, float* y, int count) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
    where TFunction : struct, IUnary
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(count, 1024, worker, workers);
        Elementwise.Map<TS, TV, TFunction>(x + start, y + start, end - start);
    }
}
