using Dnabert2.FineTuning;

namespace Dnabert2.Metrics;

/// <summary>All metrics of a model's predictions on a labelled set.</summary>
public sealed class TaskScores
{
    private static readonly Metric[] OfSingle =
        [Metric.Accuracy, Metric.MacroF1, Metric.MicroF1, Metric.Mcc, Metric.Auroc, Metric.Auprc];

    private static readonly Metric[] OfMulti = [Metric.Accuracy, Metric.MacroF1, Metric.MicroF1, Metric.Auroc, Metric.Auprc];
    private static readonly Metric[] OfNumbers = [Metric.R2, Metric.Spearman, Metric.Pearson, Metric.MeanSquaredError];

    private readonly double[] _values = new double[Enum.GetValues<Metric>().Length];

    private TaskScores(TaskKind kind)
    {
        Kind = kind;
        Array.Fill(_values, double.NaN);
    }

    /// <summary>The kind of task.</summary>
    public TaskKind Kind { get; }

    /// <summary>The metrics of this kind of task, in the order of tables.</summary>
    public IReadOnlyList<Metric> Metrics => Of(Kind);

    /// <summary>A metric; NaN where it is not one of this kind of task or not defined of these rows.</summary>
    public double this[Metric metric] => _values[(int)metric];

    /// <summary>The metrics of a kind of task, in the order of tables.</summary>
    public static IReadOnlyList<Metric> Of(TaskKind kind) => kind switch
    {
        TaskKind.SingleLabel => OfSingle,
        TaskKind.MultiLabel => OfMulti,
        _ => OfNumbers,
    };

    /// <summary>
    /// Measures predictions. A class of a multi-label task is predicted where its output is above 0, a probability of one half; of several
    /// values of a regression, each metric is the mean of theirs.
    /// </summary>
    /// <param name="kind">The kind of task.</param>
    /// <param name="targets">The true labels.</param>
    /// <param name="logits">The model's outputs, [rows, classes] or, in regression, [rows, values].</param>
    /// <exception cref="ArgumentException">There are no rows, the numbers do not fit, or an output is not finite.</exception>
    public static TaskScores Compute(TaskKind kind, IReadOnlyList<Target> targets, ReadOnlySpan<float> logits)
    {
        ArgumentNullException.ThrowIfNull(targets);
        if (targets.Count == 0 || logits.Length == 0 || logits.Length % targets.Count != 0)
            throw new ArgumentException(
                $"{logits.Length} outputs for {targets.Count} rows: every row needs the same number, and there must be rows");
        for (int i = 0; i < logits.Length; i++)
            if (!float.IsFinite(logits[i]))
                throw new ArgumentException($"row {i / (logits.Length / targets.Count)}: an output is {logits[i]}");
        var scores = new TaskScores(kind);
        int outputs = logits.Length / targets.Count;
        if (kind == TaskKind.Regression) scores.MeasureNumbers(targets, logits, outputs);
        else if (kind == TaskKind.SingleLabel) scores.MeasureSingle(targets, logits, outputs);
        else scores.MeasureMulti(targets, logits, outputs);
        return scores;
    }

    private void MeasureNumbers(IReadOnlyList<Target> targets, ReadOnlySpan<float> values, int outputs)
    {
        double[] truth = new double[targets.Count], predicted = new double[targets.Count];
        double r2 = 0, spearman = 0, pearson = 0, error = 0;
        for (int output = 0; output < outputs; output++)
        {
            for (int i = 0; i < truth.Length; i++)
            {
                if (targets[i].Values.Length != outputs)
                    throw new ArgumentException($"row {i}: {outputs} outputs for {targets[i].Values.Length} values");
                (truth[i], predicted[i]) = (targets[i].Values[output], values[(i * outputs) + output]);
            }

            r2 += Regression.R2(truth, predicted);
            spearman += Regression.Spearman(truth, predicted);
            pearson += Regression.Pearson(truth, predicted);
            error += Regression.MeanSquaredError(truth, predicted);
        }

        Set(Metric.R2, r2 / outputs);
        Set(Metric.Spearman, spearman / outputs);
        Set(Metric.Pearson, pearson / outputs);
        Set(Metric.MeanSquaredError, error / outputs);
    }

    private void MeasureSingle(IReadOnlyList<Target> targets, ReadOnlySpan<float> logits, int classes)
    {
        int[] truth = new int[targets.Count], predicted = new int[targets.Count];
        for (int i = 0; i < truth.Length; i++)
            (truth[i], predicted[i]) = (targets[i].Class, Probabilities.Likeliest(logits.Slice(i * classes, classes)));
        var matrix = new ConfusionMatrix(truth, predicted, classes);
        Set(Metric.Accuracy, matrix.Accuracy);
        Set(Metric.MacroF1, matrix.MacroF1);
        Set(Metric.MicroF1, matrix.Accuracy);
        Set(Metric.Mcc, matrix.Mcc);
        // Of two classes, class 1 against class 0.
        MeasureRanking(targets, logits, classes, classes == 2 ? 1 : 0);
    }

    private void MeasureMulti(IReadOnlyList<Target> targets, ReadOnlySpan<float> logits, int classes)
    {
        long[] truth = new long[classes], predicted = new long[classes], both = new long[classes];
        int right = 0;
        for (int i = 0; i < targets.Count; i++)
        {
            bool allRight = true;
            for (int c = 0; c < classes; c++)
            {
                bool isTrue = targets[i].Classes.Contains(c), isPredicted = logits[(i * classes) + c] > 0;
                if (isTrue) truth[c]++;
                if (isPredicted) predicted[c]++;
                if (isTrue && isPredicted) both[c]++;
                allRight &= isTrue == isPredicted;
            }

            if (allRight) right++;
        }

        double sum = 0;
        for (int c = 0; c < classes; c++) sum += F1(both[c], truth[c], predicted[c]);
        Set(Metric.Accuracy, (double)right / targets.Count);
        Set(Metric.MacroF1, sum / classes);
        Set(Metric.MicroF1, F1(both.Sum(), truth.Sum(), predicted.Sum()));
        MeasureRanking(targets, logits, classes, 0);
    }

    private static double F1(long both, long truth, long predicted) => truth + predicted == 0 ? 0 : 2.0 * both / (truth + predicted);

    private void MeasureRanking(IReadOnlyList<Target> targets, ReadOnlySpan<float> logits, int classes, int from)
    {
        double auroc = 0, auprc = 0;
        for (int c = from; c < classes; c++)
        {
            Ranking ranking = Rank(Kind, targets, logits, c);
            auroc += ranking.Auroc;
            auprc += ranking.AveragePrecision;
        }

        Set(Metric.Auroc, auroc / (classes - from));
        Set(Metric.Auprc, auprc / (classes - from));
    }

    /// <summary>The rows by the probability of one class.</summary>
    internal static Ranking Rank(TaskKind kind, IReadOnlyList<Target> targets, ReadOnlySpan<float> logits, int c)
    {
        int classes = logits.Length / targets.Count;
        double[] probabilities = new double[classes], ofClass = new double[targets.Count];
        bool[] positive = new bool[targets.Count];
        for (int i = 0; i < ofClass.Length; i++)
        {
            Probabilities.Of(kind, logits.Slice(i * classes, classes), probabilities);
            ofClass[i] = probabilities[c];
            positive[i] = kind == TaskKind.MultiLabel ? targets[i].Classes.Contains(c) : targets[i].Class == c;
        }

        return new Ranking(positive, ofClass);
    }

    private void Set(Metric metric, double value) => _values[(int)metric] = value;
}
