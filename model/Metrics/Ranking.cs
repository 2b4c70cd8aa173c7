namespace Dnabert2.Metrics;

/// <summary>A point of a curve over all thresholds.</summary>
/// <param name="X">False positive rate, or recall.</param>
/// <param name="Y">True positive rate, or precision.</param>
public readonly record struct CurvePoint(double X, double Y);

/// <summary>
/// How well scores rank positive rows above negative ones, over all thresholds. Rows of equal scores cross a threshold together.
/// </summary>
public sealed class Ranking
{
    private readonly long[] _positives, _negatives;

    /// <summary>Sorts rows by score.</summary>
    /// <param name="positive">Whether each row is one of the class.</param>
    /// <param name="scores">The score of each row; higher says more surely that it is.</param>
    /// <exception cref="ArgumentException">There are no rows, unequal numbers of them, or a score is not finite.</exception>
    public Ranking(ReadOnlySpan<bool> positive, ReadOnlySpan<double> scores)
    {
        Checks.SameRows(positive.Length, scores.Length);
        Checks.Finite(scores);
        double[] keys = scores.ToArray();
        bool[] rows = positive.ToArray();
        Array.Sort(keys, rows);
        List<long> positives = [0], negatives = [0];
        long p = 0, n = 0;
        for (int i = rows.Length - 1; i >= 0; i--)
        {
            if (rows[i]) p++;
            else n++;
            if (i > 0 && keys[i - 1] == keys[i]) continue;
            positives.Add(p);
            negatives.Add(n);
        }

        (_positives, _negatives) = ([.. positives], [.. negatives]);
    }

    private long Positives => _positives[^1];

    private long Negatives => _negatives[^1];

    /// <summary>The area under the ROC curve; NaN where all rows are positive or all negative.</summary>
    public double Auroc
    {
        get
        {
            double area = 0;
            for (int i = 1; i < _positives.Length; i++)
                area += (double)(_negatives[i] - _negatives[i - 1]) * (_positives[i] + _positives[i - 1]) / 2;
            return area / Positives / Negatives;
        }
    }

    /// <summary>
    /// The average precision, Σ (Rₙ − Rₙ₋₁) Pₙ: the area under the precision-recall curve in steps, not interpolated. 0 where no row is
    /// positive.
    /// </summary>
    public double AveragePrecision
    {
        get
        {
            if (Positives == 0) return 0;
            double area = 0;
            for (int i = 1; i < _positives.Length; i++)
                area += (double)(_positives[i] - _positives[i - 1]) * _positives[i] / (_positives[i] + _negatives[i]);
            return area / Positives;
        }
    }

    /// <summary>The ROC curve, from (0, 0) to (1, 1); empty where <see cref="Auroc"/> is NaN.</summary>
    public IReadOnlyList<CurvePoint> RocCurve()
    {
        if (Positives == 0 || Negatives == 0) return [];
        var points = new CurvePoint[_positives.Length];
        for (int i = 0; i < points.Length; i++)
            points[i] = new CurvePoint((double)_negatives[i] / Negatives, (double)_positives[i] / Positives);
        return points;
    }

    /// <summary>Precision over recall, of growing recall; empty where no row is positive.</summary>
    public IReadOnlyList<CurvePoint> PrecisionRecallCurve()
    {
        if (Positives == 0) return [];
        var points = new CurvePoint[_positives.Length - 1];
        for (int i = 0; i < points.Length; i++)
            points[i] = new CurvePoint(
                (double)_positives[i + 1] / Positives, (double)_positives[i + 1] / (_positives[i + 1] + _negatives[i + 1]));
        return points;
    }
}
