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
    public static void Normalise<T>(float* x, float* y, int width, float* weight, float* bias, float eps, float* statistics)
        where T : unmanaged, ISimd<T>
    {
        int vectors = width - (width % T.Lanes);
        float mean = (Sum<T>(x, 0, vectors, 0, squared: false) + Sum<SimdScalar>(x, vectors, width, 0, squared: false)) / width;
        float variance = (Sum<T>(x, 0, vectors, mean, squared: true) + Sum<SimdScalar>(x, vectors, width, mean, squared: true)) / width;
        float scale = (float)(1 / Math.Sqrt((double)variance + eps));
        Apply<T>(x, y, 0, vectors, mean, scale, weight, bias);
        Apply<SimdScalar>(x, y, vectors, width, mean, scale, weight, bias);
        if (statistics == null) return;
        statistics[0] = mean;
        statistics[1] = scale;
    }

    /// <summary>The sum of <c>x[i] − mean</c>, or of its square, over [start, end).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static float Sum<T>(float* x, int start, int end, float mean, bool squared)
        where T : unmanaged, ISimd<T>
    {
        T sum = 0f, shift = mean;
        for (int i = start; i < end; i += T.Lanes)
        {
            T v = T.Load(x + i) - shift;
            sum = squared ? T.MultiplyAdd(v, v, sum) : sum + v;
        }

        return T.Sum(sum);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Apply<T>(float* x, float* y, int start, int end, float mean, float scale, float* weight, float* bias)
        where T : unmanaged, ISimd<T>
    {
        T shift = mean, factor = scale;
        for (int i = start; i < end; i += T.Lanes)
        {
            T normalised = (T.Load(x + i) - shift) * factor;
            T.Store(y + i, T.MultiplyAdd(normalised, T.Load(weight + i), T.Load(bias + i)));
        }
    }
}

/// <summary>Layer normalisation of all rows; see <see cref="LayerNormRow"/>. <c>statistics</c> may be null.</summary>
internal readonly unsafe struct LayerNormJob<T>(
    float* x, float* weight, float* bias, float eps, float* y, float* statistics, int rows, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
            LayerNormRow.Normalise<T>(
                x + ((long)r * width), y + ((long)r * width), width, weight, bias, eps, statistics == null ? null : statistics + (2L * r));
    }
}

/// <summary>The gradient of the rows; see <see cref="LayerNormRow"/>. dx may be dy.</summary>
internal readonly unsafe struct LayerNormGradientJob<T>(
    float* x, float* dy, float* weight, float* statistics, float* dx, bool accumulate, int rows, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        int vectors = width - (width % T.Lanes);
        for (int r = start; r < end; r++)
        {
            long offset = (long)r * width;
            float mean = statistics[2L * r], scale = statistics[(2L * r) + 1];
            (float d, float dn) = Sums<T>(x + offset, dy + offset, 0, vectors, mean, scale);
            (float tail, float tailN) = Sums<SimdScalar>(x + offset, dy + offset, vectors, width, mean, scale);
            float meanD = (d + tail) / width, meanDn = (dn + tailN) / width;
            Apply<T>(x + offset, dy + offset, dx + offset, 0, vectors, mean, scale, meanD, meanDn);
            Apply<SimdScalar>(x + offset, dy + offset, dx + offset, vectors, width, mean, scale, meanD, meanDn);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private (float D, float Dn) Sums<TR>(float* row, float* gradient, int start, int end, float mean, float scale)
        where TR : unmanaged, ISimd<TR>
    {
        TR sum = 0f, sumN = 0f, shift = mean, factor = scale;
        for (int i = start; i < end; i += TR.Lanes)
        {
            TR d = TR.Load(gradient + i) * TR.Load(weight + i);
            TR n = (TR.Load(row + i) - shift) * factor;
            sum += d;
            sumN = TR.MultiplyAdd(d, n, sumN);
        }

        return (TR.Sum(sum), TR.Sum(sumN));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private void Apply<TR>(
        float* row, float* gradient, float* result, int start, int end, float mean, float scale, float meanD, float meanDn)
        where TR : unmanaged, ISimd<TR>
    {
        TR shift = mean, factor = scale, md = meanD, mdn = -meanDn;
        for (int i = start; i < end; i += TR.Lanes)
        {
            TR d = TR.Load(gradient + i) * TR.Load(weight + i);
            TR n = (TR.Load(row + i) - shift) * factor;
            TR value = factor * TR.MultiplyAdd(n, mdn, d - md);
            TR.Store(result + i, accumulate ? TR.Load(result + i) + value : value);
        }
    }
}

/// <summary>
/// The gradients of weight and bias, summed over the rows in order whatever the number of workers: each takes a range of columns.
/// </summary>
internal readonly unsafe struct LayerNormParametersJob<T>(
    float* x, float* dy, float* statistics, float* weightGradient, float* biasGradient, int rows, int width) : IJob
    where T : unmanaged, ISimd<T>
{
    // Rows added up in registers before the sums are touched: their parts of a cache line are read side by side.
    private const int RowBlock = 16;

    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(width, T.Lanes, worker, workers);
        int vectors = start + ((end - start) / T.Lanes * T.Lanes);
        for (int row = 0; row < rows; row += RowBlock)
        {
            int count = Math.Min(RowBlock, rows - row);
            Columns<T>(row, count, start, vectors);
            Columns<SimdScalar>(row, count, vectors, end);
        }
    }

    private void Columns<TR>(int first, int count, int start, int end)
        where TR : unmanaged, ISimd<TR>
    {
        float* statistic = statistics + (2L * first), row = x + ((long)first * width), gradient = dy + ((long)first * width);
        for (int c = start; c < end; c += TR.Lanes)
        {
            TR sum = TR.Load(biasGradient + c), sumN = TR.Load(weightGradient + c);
            for (int r = 0; r < count; r++)
            {
                TR d = TR.Load(gradient + ((long)r * width) + c), centred = TR.Load(row + ((long)r * width) + c) - statistic[2 * r];
                sum += d;
                sumN = TR.MultiplyAdd(d, centred * statistic[(2 * r) + 1], sumN);
            }

            TR.Store(biasGradient + c, sum);
            TR.Store(weightGradient + c, sumN);
        }
    }
}
