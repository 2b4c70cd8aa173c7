namespace Dnabert2.Metrics;

/// <summary>How close predicted numbers are to the true ones.</summary>
public static class Regression
{
    /// <summary>
    /// The coefficient of determination, 1 − Σ(y − ŷ)² / Σ(y − ȳ)². NaN of a single row; where the truth is constant, 1 if it was predicted
    /// exactly and else 0.
    /// </summary>
    /// <exception cref="ArgumentException">There are no rows, unequal numbers of them, or a value is not finite.</exception>
    public static double R2(ReadOnlySpan<double> truth, ReadOnlySpan<double> predicted)
    {
        Check(truth, predicted);
        if (truth.Length < 2) return double.NaN;
        double mean = Mean(truth), residual = 0, total = 0;
        for (int i = 0; i < truth.Length; i++)
        {
            residual += (truth[i] - predicted[i]) * (truth[i] - predicted[i]);
            total += (truth[i] - mean) * (truth[i] - mean);
        }

        return total > 0 ? 1 - (residual / total) : residual == 0 ? 1 : 0;
    }

    /// <summary>The correlation coefficient of Pearson; NaN of fewer than two rows or where a side is constant.</summary>
    /// <exception cref="ArgumentException">There are no rows, unequal numbers of them, or a value is not finite.</exception>
    public static double Pearson(ReadOnlySpan<double> truth, ReadOnlySpan<double> predicted)
    {
        Check(truth, predicted);
        double meanX = Mean(truth), meanY = Mean(predicted), xy = 0, xx = 0, yy = 0;
        for (int i = 0; i < truth.Length; i++)
        {
            double x = truth[i] - meanX, y = predicted[i] - meanY;
            xy += x * y;
            xx += x * x;
            yy += y * y;
        }

        return xx == 0 || yy == 0 ? double.NaN : Math.Clamp(xy / Math.Sqrt(xx) / Math.Sqrt(yy), -1, 1);
    }

    /// <summary>
    /// The rank correlation coefficient of Spearman: Pearson's of the ranks, where equal values share the mean of theirs. NaN of fewer than
    /// two rows or where a side is constant.
    /// </summary>
    /// <exception cref="ArgumentException">There are no rows, unequal numbers of them, or a value is not finite.</exception>
    public static double Spearman(ReadOnlySpan<double> truth, ReadOnlySpan<double> predicted)
    {
        Check(truth, predicted);
        return Pearson(Ranks(truth), Ranks(predicted));
    }

    /// <summary>The mean of (y − ŷ)².</summary>
    /// <exception cref="ArgumentException">There are no rows, unequal numbers of them, or a value is not finite.</exception>
    public static double MeanSquaredError(ReadOnlySpan<double> truth, ReadOnlySpan<double> predicted)
    {
        Check(truth, predicted);
        double sum = 0;
        for (int i = 0; i < truth.Length; i++) sum += (truth[i] - predicted[i]) * (truth[i] - predicted[i]);
        return sum / truth.Length;
    }

    private static double[] Ranks(ReadOnlySpan<double> values)
    {
        double[] sorted = values.ToArray(), ranks = new double[values.Length];
        int[] order = new int[values.Length];
        for (int i = 0; i < order.Length; i++) order[i] = i;
        Array.Sort(sorted, order);
        for (int start = 0, end; start < order.Length; start = end)
        {
            for (end = start + 1; end < order.Length && sorted[end] == sorted[start]; end++) { }
            for (int i = start; i < end; i++) ranks[order[i]] = (start + end + 1) / 2.0;
        }

        return ranks;
    }

    private static double Mean(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values) sum += value;
        return sum / values.Length;
    }

    private static void Check(ReadOnlySpan<double> truth, ReadOnlySpan<double> predicted)
    {
        Checks.SameRows(truth.Length, predicted.Length);
        Checks.Finite(truth);
        Checks.Finite(predicted);
    }
}
