using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>
/// The gated linear unit, <c>u[:, j] = gelu(g[:, j]) · g[:, I + j]</c>; g: [rows, 2·I], u: [rows, I] (Shazeer, arXiv 2002.05202). For
/// inference it is an epilogue of the matrix product (<see cref="Activation.Geglu"/>); this form keeps g for the backward pass.
/// </summary>
internal readonly unsafe struct GegluJob<TS, TV>(float* g, float* u, int rows, int width) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
        {
            float* gate = g + (2L * r * width);
            float* result = u + ((long)r * width);
            int i = 0;
            for (; i + TS.Lanes <= width; i += TS.Lanes) One<TS, TV>(gate + i, width, result + i);
            for (; i < width; i++) One<SimdScalar, float>(gate + i, width, result + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void One<TF, TR>(float* gate, int width, float* result)
        where TF : struct, ISimd<TR>
        where TR : unmanaged
        => TF.Store(result, TF.Multiply(Elementary.Gelu<TF, TR>(TF.Load(gate)), TF.Load(gate + width)));
}

/// <summary>The gradient of GEGLU: g and du → dg, which may be g.</summary>
internal readonly unsafe struct GegluGradientJob<TS, TV>(float* g, float* du, float* dg, int rows, int width) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
        {
            float* gate = g + (2L * r * width), gradient = du + ((long)r * width), result = dg + (2L * r * width);
            int i = 0;
            for (; i + TS.Lanes <= width; i += TS.Lanes) One<TS, TV>(gate + i, gradient + i, width, result + i);
            for (; i < width; i++) One<SimdScalar, float>(gate + i, gradient + i, width, result + i);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void One<TF, TR>(float* gate, float* gradient, int width, float* result)
        where TF : struct, ISimd<TR>
        where TR : unmanaged
    {
        TR x = TF.Load(gate), up = TF.Load(gate + width), du = TF.Load(gradient);
        TF.Store(result, TF.Multiply(TF.Multiply(du, up), Elementary.GeluDerivative<TF, TR>(x)));
        TF.Store(result + width, TF.Multiply(du, Elementary.Gelu<TF, TR>(x)));
    }
}
