namespace Dnabert2.FineTuning.Baselines;

/// <summary>
/// The objective of multinomial logistic regression on sparse rows: mean cross-entropy + λ/2 · ‖weights‖². Parameters are one vector,
/// [columns + 1, classes]; the last row is the bias, which is not regularised.
/// </summary>
internal sealed class LogisticLoss
{
    // Rows are summed in as many parts whatever the number of threads, so that the sum has one order.
    private const int Parts = 16;

    private readonly KmerCounts _counts;
    private readonly int[] _truth;
    private readonly int _classes;
    private readonly ParallelOptions _parallel;
    private readonly double[][] _gradients = new double[Parts][];
    private readonly double[] _losses = new double[Parts];

    public LogisticLoss(KmerCounts counts, int[] truth, int classes, ParallelOptions parallel)
    {
        (_counts, _truth, _classes, _parallel) = (counts, truth, classes, parallel);
        for (int part = 0; part < Parts; part++) _gradients[part] = new double[Size];
    }

    /// <summary>The number of parameters.</summary>
    public int Size => (_counts.Width + 1) * _classes;

    /// <summary>The strength of the regularisation.</summary>
    public double Lambda { get; set; }

    /// <summary>The objective and its gradient.</summary>
    public double Evaluate(double[] parameters, double[] gradient)
    {
        Parallel.For(0, Parts, _parallel, part => EvaluatePart(part, parameters));
        double loss = 0;
        Array.Clear(gradient);
        for (int part = 0; part < Parts; part++)
        {
            loss += _losses[part];
            double[] terms = _gradients[part];
            for (int i = 0; i < gradient.Length; i++) gradient[i] += terms[i];
        }

        double squares = 0;
        for (int i = 0; i < gradient.Length; i++) gradient[i] /= _counts.Rows;
        for (int i = 0; i < _counts.Width * _classes; i++)
        {
            squares += parameters[i] * parameters[i];
            gradient[i] += Lambda * parameters[i];
        }

        return (loss / _counts.Rows) + (Lambda / 2 * squares);
    }

    /// <summary>The outputs of a row before softmax.</summary>
    public static void Logits(KmerCounts counts, int row, double[] parameters, Span<double> logits)
    {
        int classes = logits.Length;
        parameters.AsSpan(counts.Width * classes, classes).CopyTo(logits);
        ReadOnlySpan<int> columns = counts.Columns(row);
        ReadOnlySpan<float> values = counts.Values(row);
        for (int j = 0; j < columns.Length; j++)
        {
            ReadOnlySpan<double> weights = parameters.AsSpan(columns[j] * classes, classes);
            for (int c = 0; c < classes; c++) logits[c] += values[j] * weights[c];
        }
    }

    /// <summary>Turns outputs into probabilities and returns −log of that of the true class.</summary>
    public static double Softmax(Span<double> logits, int truth)
    {
        double highest = double.NegativeInfinity, sum = 0, ofTruth = logits[truth];
        foreach (double logit in logits) highest = Math.Max(highest, logit);
        for (int c = 0; c < logits.Length; c++) sum += logits[c] = Math.Exp(logits[c] - highest);
        for (int c = 0; c < logits.Length; c++) logits[c] /= sum;
        return Math.Log(sum) + highest - ofTruth;
    }

    private void EvaluatePart(int part, double[] parameters)
    {
        double[] gradient = _gradients[part];
        Array.Clear(gradient);
        double loss = 0;
        Span<double> p = new double[_classes];
        int end = (int)((long)_counts.Rows * (part + 1) / Parts);
        for (int r = (int)((long)_counts.Rows * part / Parts); r < end; r++)
        {
            Logits(_counts, r, parameters, p);
            loss += Softmax(p, _truth[r]);
            p[_truth[r]] -= 1;
            ReadOnlySpan<int> columns = _counts.Columns(r);
            ReadOnlySpan<float> values = _counts.Values(r);
            for (int j = 0; j < columns.Length; j++)
            {
                Span<double> sums = gradient.AsSpan(columns[j] * _classes, _classes);
                for (int c = 0; c < sums.Length; c++) sums[c] += values[j] * p[c];
            }

            Span<double> bias = gradient.AsSpan(_counts.Width * _classes);
            for (int c = 0; c < bias.Length; c++) bias[c] += p[c];
        }

        _losses[part] = loss;
    }
}
