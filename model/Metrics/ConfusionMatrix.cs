namespace Dnabert2.Metrics;

/// <summary>
/// How often each class was predicted as each: what accuracy, F1 and the correlation coefficient of Matthews are made of.
/// </summary>
public sealed class ConfusionMatrix
{
    private readonly long[] _counts;

    /// <summary>Counts pairs of true and predicted classes.</summary>
    /// <param name="truth">The true class of each row, from 0.</param>
    /// <param name="predicted">The predicted class of each row, from 0.</param>
    /// <param name="classes">The number of classes.</param>
    /// <exception cref="ArgumentException">There are no rows, unequal numbers of them, or a class out of range.</exception>
    public ConfusionMatrix(ReadOnlySpan<int> truth, ReadOnlySpan<int> predicted, int classes)
    {
        Checks.SameRows(truth.Length, predicted.Length);
        Classes = classes;
        _counts = new long[(long)classes * classes];
        for (int i = 0; i < truth.Length; i++)
        {
            if ((uint)truth[i] >= (uint)classes || (uint)predicted[i] >= (uint)classes)
                throw new ArgumentException($"row {i}: classes {truth[i]} and {predicted[i]} are not both below {classes}");
            _counts[(truth[i] * classes) + predicted[i]]++;
        }

        Rows = truth.Length;
    }

    /// <summary>The number of classes.</summary>
    public int Classes { get; }

    /// <summary>The number of rows.</summary>
    public long Rows { get; }

    /// <summary>Rows of a true class that were predicted as another, or the same.</summary>
    public long this[int truth, int predicted] => _counts[(truth * Classes) + predicted];

    /// <summary>The part of the rows whose class was predicted. In single-label tasks micro-averaged F1 is the same number.</summary>
    public double Accuracy
    {
        get
        {
            long right = 0;
            for (int c = 0; c < Classes; c++) right += this[c, c];
            return (double)right / Rows;
        }
    }

    /// <summary>
    /// The mean F1 of the classes that occur, as true or as predicted ones (scikit-learn's <c>f1_score(average='macro')</c>).
    /// </summary>
    public double MacroF1
    {
        get
        {
            double sum = 0;
            int occurring = 0;
            for (int c = 0; c < Classes; c++)
            {
                (long truth, long predicted) = Margins(c);
                if (truth + predicted == 0) continue;
                sum += 2.0 * this[c, c] / (truth + predicted);
                occurring++;
            }

            return sum / occurring;
        }
    }

    /// <summary>
    /// The correlation coefficient of Matthews, of any number of classes: Gorodkin's R_K (Comput. Biol. Chem. 28, 2004). 0 where the truth
    /// or the prediction is a single class.
    /// </summary>
    public double Mcc
    {
        get
        {
            double both = 0, predictedSquares = 0, truthSquares = 0, right = 0, rows = Rows;
            for (int c = 0; c < Classes; c++)
            {
                (long truth, long predicted) = Margins(c);
                right += this[c, c];
                both += (double)truth * predicted;
                truthSquares += (double)truth * truth;
                predictedSquares += (double)predicted * predicted;
            }

            double variance = ((rows * rows) - predictedSquares) * ((rows * rows) - truthSquares);
            return variance == 0 ? 0 : ((right * rows) - both) / Math.Sqrt(variance);
        }
    }

    private (long Truth, long Predicted) Margins(int c)
    {
        long truth = 0, predicted = 0;
        for (int other = 0; other < Classes; other++)
        {
            truth += this[c, other];
            predicted += this[other, c];
        }

        return (truth, predicted);
    }
}
