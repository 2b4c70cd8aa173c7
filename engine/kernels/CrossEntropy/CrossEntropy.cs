namespace Engine.Kernels;

/// <summary>
/// The cross-entropy of each row, <c>loss[r] = log Σ exp(logits[r, c]) − logits[r, label[r]]</c>, and 0 where the label is negative.
/// logits: [rows, classes]; the sum is taken in float64 over exponentials of the distance to the row's maximum.
/// </summary>
internal readonly unsafe struct CrossEntropyJob<TS, TV>(float* logits, int* labels, float* losses, int rows, int classes) : IJob
    where TS : struct, ISimd<TV>
    where TV : unmanaged
{
    public void Run(int worker, int workers)
    {
        (int start, int end) = Partition.Share(rows, 1, worker, workers);
        for (int r = start; r < end; r++)
            losses[r] = labels[r] < 0 ? 0 : (float)(LogSumExp(logits + ((long)r * classes), classes) - logits[((long)r * classes) + labels[r]]);
    }

    private static double LogSumExp(float* row, int classes)
    {
        float maximum = row[0];
        for (int c = 1; c < classes; c++) maximum = MathF.Max(maximum, row[c]);
        double sum = 0;
        int i = 0;
        TV shift = TS.Broadcast(maximum);
        for (; i + TS.Lanes <= classes; i += TS.Lanes) sum += TS.Sum(TS.Exp(TS.Subtract(TS.Load(row + i), shift)));
        for (; i < classes; i++) sum += SimdScalar.Exp(row[i] - maximum);
        return maximum + Math.Log(sum);
    }
}
