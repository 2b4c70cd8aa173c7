using System.Runtime.CompilerServices;

namespace Engine.Kernels;

internal static unsafe partial class LayerNorm
{
    /// <summary>Normalises one row in place.</summary>
    public static void Row<TS, TV>(float* row, int width, float* weight, float* bias, float eps)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        int vectors = width - (width % TS.Lanes);
        float mean = (Sum<TS, TV>(row, 0, vectors, 0, squared: false) + Sum<SimdScalar, float>(row, vectors, width, 0, squared: false)) / width;
        float variance = (Sum<TS, TV>(row, 0, vectors, mean, squared: true) + Sum<SimdScalar, float>(row, vectors, width, mean, squared: true)) / width;
        float scale = (float)(1 / Math.Sqrt((double)variance + eps));
        Apply<TS, TV>(row, 0, vectors, mean, scale, weight, bias);
        Apply<SimdScalar, float>(row, vectors, width, mean, scale, weight, bias);
    }

    /// <summary>The sum of <c>row[i] − mean</c>, or of its square, over [start, end).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum<TS, TV>(float* row, int start, int end, float mean, bool squared)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV sum = TS.Constant(0), shift = TS.Broadcast(mean);
        for (int i = start; i < end; i += TS.Lanes)
        {
            TV v = TS.Subtract(TS.Load(row + i), shift);
            sum = squared ? TS.MultiplyAdd(v, v, sum) : TS.Add(sum, v);
        }

        return TS.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Apply<TS, TV>(float* row, int start, int end, float mean, float scale, float* weight, float* bias)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV shift = TS.Broadcast(mean), factor = TS.Broadcast(scale);
        for (int i = start; i < end; i += TS.Lanes)
        {
            TV normalised = TS.Multiply(TS.Subtract(TS.Load(row + i), shift), factor);
            TS.Store(row + i, TS.MultiplyAdd(normalised, TS.Load(weight + i), TS.Load(bias + i)));
        }
    }
}

/// <summary>Layer normalisation of all rows; see <see cref="LayerNorm"/>. <c>residual</c> may be null.</summary>
internal readonly unsafe struct LayerNormJob<TS, TV>(float* x, float* residual, float* weight, float* bias, float eps, float* y, int rows, int width) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
        {
            long offset = (long)r * width;
            if (residual != null) Elementwise.Add<TS, TV>(x + offset, residual + offset, y + offset, width);
            else if (y != x) new ReadOnlySpan<float>(x + offset, width).CopyTo(new Span<float>(y + offset, width));
            LayerNorm.Row<TS, TV>(y + offset, width, weight, bias, eps);
        }
    }
}
