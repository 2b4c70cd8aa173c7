namespace Engine.Kernels;

/// <summary>
/// The cross-entropy of each row, <c>loss[r] = weight[r] · (log Σ exp(logits[r, c]) − logits[r, label[r]])</c>, and 0 where the label is
/// negative. logits: [rows, classes]; weights: [rows], or null: all 1; the sum is taken in float64 over exponentials of the distance to the
/// row's maximum.
/// </summary>
internal readonly unsafe struct CrossEntropyJob<T>(float* logits, int* labels, float* weights, float* losses, int rows, int classes) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
            losses[r] = labels[r] < 0 ? 0 : (float)((weights == null ? 1 : weights[r]) * Loss(logits + ((long)r * classes), labels[r]));
    }

    private double Loss(float* row, int label) => CrossEntropyRow.LogSumExp<T>(row, classes) - row[label];
}

/// <summary>
/// The gradient of the cross-entropies, each times <c>scale</c>:
/// <c>dlogits[r, c] = scale · weight[r] · (softmax(logits[r])[c] − [c = label[r]])</c>, and 0 where the label is negative. dlogits may be
/// logits.
/// </summary>
internal readonly unsafe struct CrossEntropyGradientJob<T>(
    float* logits, int* labels, float* weights, float scale, float* dlogits, int rows, int classes) : IJob
    where T : unmanaged, ISimd<T>
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
        {
            float* row = logits + ((long)r * classes), result = dlogits + ((long)r * classes);
            if (labels[r] < 0)
            {
                new Span<float>(result, classes).Clear();
                continue;
            }

            float weight = weights == null ? scale : scale * weights[r], shift = (float)CrossEntropyRow.LogSumExp<T>(row, classes);
            int c = 0;
            T lanes = shift, factor = weight;
            for (; c + T.Lanes <= classes; c += T.Lanes) T.Store(result + c, factor * T.Exp(T.Load(row + c) - lanes));
            for (; c < classes; c++) result[c] = weight * SimdScalar.Exp(row[c] - shift).Value;
            result[labels[r]] -= weight;
        }
    }
}

internal static unsafe class CrossEntropyRow
{
    /// <summary>The logarithm of the sum of exponentials of a row.</summary>
    public static double LogSumExp<T>(float* row, int classes)
        where T : unmanaged, ISimd<T>
    {
        float maximum = row[0];
        for (int c = 1; c < classes; c++) maximum = MathF.Max(maximum, row[c]);
        double sum = 0;
        int i = 0;
        T shift = maximum;
        for (; i + T.Lanes <= classes; i += T.Lanes) sum += T.Sum(T.Exp(T.Load(row + i) - shift));
        for (; i < classes; i++) sum += SimdScalar.Exp(row[i] - maximum).Value;
        return maximum + Math.Log(sum);
    }
}
