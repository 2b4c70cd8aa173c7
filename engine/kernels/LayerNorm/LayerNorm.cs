using System.Runtime.CompilerServices;

namespace Engine.Kernels;

/// <summary>
/// Layer normalisation over the last axis: <c>y = (x − mean(x)) / sqrt(var(x) + eps) · weight + bias</c> with the biased variance,
/// computed in two passes in fp32. x, y: [rows, width]; y may be x. Where the backward pass needs them, mean and 1 / sqrt(var + eps) of
/// each row are kept: statistics [rows, 2].
///
/// Backward, with <c>n = (x − mean) · scale</c> and <c>d = dy · weight</c>: <c>dx = scale · (d − mean(d) − n · mean(d · n))</c>,
/// <c>dweight += Σ_rows dy · n</c>, <c>dbias += Σ_rows dy</c>.
/// </summary>
internal static unsafe class LayerNormRow
{
    /// <summary>Normalises one row; y may be x. <paramref name="statistics"/> may be null.</summary>
    public static void Normalise<TS, TV>(float* x, float* y, int width, float* weight, float* bias, float eps, float* statistics)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        int vectors = width - (width % TS.Lanes);
        float mean = (Sum<TS, TV>(x, 0, vectors, 0, squared: false) + Sum<SimdScalar, float>(x, vectors, width, 0, squared: false)) / width;
        float variance = (Sum<TS, TV>(x, 0, vectors, mean, squared: true) + Sum<SimdScalar, float>(x, vectors, width, mean, squared: true)) / width;
        float scale = (float)(1 / Math.Sqrt((double)variance + eps));
        Apply<TS, TV>(x, y, 0, vectors, mean, scale, weight, bias);
        Apply<SimdScalar, float>(x, y, vectors, width, mean, scale, weight, bias);
        if (statistics == null) return;
        statistics[0] = mean;
        statistics[1] = scale;
    }

    /// <summary>The sum of <c>x[i] − mean</c>, or of its square, over [start, end).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum<TS, TV>(float* x, int start, int end, float mean, bool squared)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV sum = TS.Constant(0), shift = TS.Broadcast(mean);
        for (int i = start; i < end; i += TS.Lanes)
        {
            TV v = TS.Subtract(TS.Load(x + i), shift);
            sum = squared ? TS.MultiplyAdd(v, v, sum) : TS.Add(sum, v);
        }

        return TS.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Apply<TS, TV>(float* x, float* y, int start, int end, float mean, float scale, float* weight, float* bias)
        where TS : struct, ISimd<TV>
        where TV : unmanaged
    {
        TV shift = TS.Broadcast(mean), factor = TS.Broadcast(scale);
        for (int i = start; i < end; i += TS.Lanes)
        {
            TV normalised = TS.Multiply(TS.Subtract(TS.Load(x + i), shift), factor);
            TS.Store(y + i, TS.MultiplyAdd(normalised, TS.Load(weight + i), TS.Load(bias + i)));
        }
    }
}

/// <summary>Layer normalisation of all rows; see <see cref="LayerNormRow"/>. <c>statistics</c> may be null.</summary>
internal readonly unsafe struct LayerNormJob<TS, TV>(float* x, float* weight, float* bias, float eps, float* y, float* statistics, int rows, int width) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
            LayerNormRow.Normalise<TS, TV>(x + ((long)r * width), y + ((long)r * width), width, weight, bias, eps, statistics == null ? null : statistics + (2L * r));
    }
}

/// <summary>The gradient of the rows; see <see cref="LayerNormRow"/>. dx may be dy.</summary>
internal readonly unsafe struct LayerNormGradientJob<TS, TV>(
    float* x, float* dy, float* weight, float* statistics, float* dx, bool accumulate, int rows, int width) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        int vectors = width - (width % TS.Lanes);
        for (int r = start; r < end; r++)
        {
            long offset = (long)r * width;
            float mean = statistics[2L * r], scale = statistics[(2L * r) + 1];
            (float d, float dn) = Sums<TS, TV>(x + offset, dy + offset, 0, vectors, mean, scale);
            (float tail, float tailN) = Sums<SimdScalar, float>(x + offset, dy + offset, vectors, width, mean, scale);
            float meanD = (d + tail) / width, meanDn = (dn + tailN) / width;
            Apply<TS, TV>(x + offset, dy + offset, dx + offset, 0, vectors, mean, scale, meanD, meanDn);
            Apply<SimdScalar, float>(x + offset, dy + offset, dx + offset, vectors, width, mean, scale, meanD, meanDn);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private (float D, float Dn) Sums<TF, TR>(float* row, float* gradient, int start, int end, float mean, float scale)
        where TF : struct, ISimd<TR>
        where TR : unmanaged
    {
        TR sum = TF.Constant(0), sumN = TF.Constant(0), shift = TF.Broadcast(mean), factor = TF.Broadcast(scale);
        for (int i = start; i < end; i += TF.Lanes)
        {
            TR d = TF.Multiply(TF.Load(gradient + i), TF.Load(weight + i));
            TR n = TF.Multiply(TF.Subtract(TF.Load(row + i), shift), factor);
            sum = TF.Add(sum, d);
            sumN = TF.MultiplyAdd(d, n, sumN);
        }

        return (TF.Sum(sum), TF.Sum(sumN));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Apply<TF, TR>(float* row, float* gradient, float* result, int start, int end, float mean, float scale, float meanD, float meanDn)
        where TF : struct, ISimd<TR>
        where TR : unmanaged
    {
        TR shift = TF.Broadcast(mean), factor = TF.Broadcast(scale), md = TF.Broadcast(meanD), mdn = TF.Broadcast(-meanDn);
        for (int i = start; i < end; i += TF.Lanes)
        {
            TR d = TF.Multiply(TF.Load(gradient + i), TF.Load(weight + i));
            TR n = TF.Multiply(TF.Subtract(TF.Load(row + i), shift), factor);
            TR value = TF.Multiply(factor, TF.MultiplyAdd(n, mdn, TF.Subtract(d, md)));
            TF.Store(result + i, accumulate ? TF.Add(TF.Load(result + i), value) : value);
        }
    }
}

/// <summary>
/// The gradients of weight and bias, summed over the rows in order whatever the number of workers: each takes a range of columns.
/// </summary>
internal readonly unsafe struct LayerNormParametersJob<TS, TV>(
    float* x, float* dy, float* statistics, float* weightGradient, float* biasGradient, int rows, int width) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    // Rows added up in registers before the sums are touched: their parts of a cache line are read side by side.
    private const int RowBlock = 16;

    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(width, TS.Lanes, worker, workers);
        int vectors = start + ((end - start) / TS.Lanes * TS.Lanes);
        for (int row = 0; row < rows; row += RowBlock)
        {
            int count = Math.Min(RowBlock, rows - row);
            Columns<TS, TV>(row, count, start, vectors);
            Columns<SimdScalar, float>(row, count, vectors, end);
        }
    }

    private void Columns<TF, TR>(int first, int count, int start, int end)
        where TF : struct, ISimd<TR>
        where TR : unmanaged
    {
        float* statistic = statistics + (2L * first), row = x + ((long)first * width), gradient = dy + ((long)first * width);
        for (int c = start; c < end; c += TF.Lanes)
        {
            TR sum = TF.Load(biasGradient + c), sumN = TF.Load(weightGradient + c);
            for (int r = 0; r < count; r++)
            {
                TR d = TF.Load(gradient + ((long)r * width) + c), centred = TF.Subtract(TF.Load(row + ((long)r * width) + c), TF.Broadcast(statistic[2 * r]));
                sum = TF.Add(sum, d);
                sumN = TF.MultiplyAdd(d, TF.Multiply(centred, TF.Broadcast(statistic[(2 * r) + 1])), sumN);
            }

            TF.Store(biasGradient + c, sum);
            TF.Store(weightGradient + c, sumN);
        }
    }
}
