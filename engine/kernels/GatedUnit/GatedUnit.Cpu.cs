using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>
/// The gated linear unit, <c>u[:, j] = f(g[:, j]) · g[:, I + j]</c>; g: [rows, 2·I], u: [rows, I]. For inference it is an epilogue of the
/// matrix product (<see cref="LinearForward"/>); this form keeps g for the backward pass.
/// </summary>
internal readonly unsafe struct GatedUnitJob<T, TFunction>(float* g, float* u, int rows, int width) : IJob
    where T : unmanaged, ISimd<T>
    where TFunction : struct, IElementwise
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
        {
            float* gate = g + (2L * r * width);
            float* result = u + ((long)r * width);
            int i = 0;
            for (; i + T.Lanes <= width; i += T.Lanes) One<T>(gate + i, width, result + i);
            for (; i < width; i++) One<SimdScalar>(gate + i, width, result + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void One<TR>(float* gate, int width, float* result)
        where TR : unmanaged, ISimd<TR>
    {
        TR x = TR.Load(gate);
        TR.Store(result, TFunction.Apply(x, x) * TR.Load(gate + width));
    }
}

/// <summary>Its gradient: g and du → dg, which may be g.</summary>
internal readonly unsafe struct GatedUnitGradientJob<T, TFunction, TGradient>(float* g, float* du, float* dg, int rows, int width) : IJob
    where T : unmanaged, ISimd<T>
    where TFunction : struct, IElementwise
    where TGradient : struct, IElementwise
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
        {
            float* gate = g + (2L * r * width), gradient = du + ((long)r * width), result = dg + (2L * r * width);
            int i = 0;
            for (; i + T.Lanes <= width; i += T.Lanes) One<T>(gate + i, gradient + i, width, result + i);
            for (; i < width; i++) One<SimdScalar>(gate + i, gradient + i, width, result + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void One<TR>(float* gate, float* gradient, int width, float* result)
        where TR : unmanaged, ISimd<TR>
    {
        TR x = TR.Load(gate), up = TR.Load(gate + width), du = TR.Load(gradient);
        TR.Store(result, TGradient.Apply(x, du * up));
        TR.Store(result + width, du * TFunction.Apply(x, x));
    }
}
