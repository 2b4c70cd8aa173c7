using Dnabert2.FineTuning.Suites;

namespace Dnabert2.FineTuning.Baselines;

/// <summary>How the baseline is fitted.</summary>
public sealed record KmerOptions
{
    /// <summary>The number of bases of a k-mer, from 1 to 8.</summary>
    public int K { get; init; } = 6;

    /// <summary>The strengths of regularisation that are tried, strongest first: from 1 to 1,000, each from 0 to 1e9.</summary>
    public IReadOnlyList<double> Lambdas { get; init; } = [1e-1, 3e-2, 1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6];

    /// <summary>The largest component of the gradient at which a fit ends, from 0 to 1e9.</summary>
    public double Tolerance { get; init; } = 1e-5;

    /// <summary>The most iterations of a fit, from 1 to 1,000,000.</summary>
    public int Iterations { get; init; } = 500;

    /// <summary>Threads, from 0 to 1,024; 0: all cores. The result does not depend on it.</summary>
    public int Threads { get; init; }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionRange.Check(nameof(K), K, 1, 8);
        OptionRange.Check($"the number of {nameof(Lambdas)}", Lambdas.Count, 1, 1000);
        foreach (double lambda in Lambdas) OptionRange.Check($"one of {nameof(Lambdas)}", lambda, 0, OptionRange.Largest);
        OptionRange.Check(nameof(Tolerance), Tolerance, 0, OptionRange.Largest);
        OptionRange.Check(nameof(Iterations), Iterations, 1, 1_000_000);
        OptionRange.Check(nameof(Threads), Threads, 0, 1024);
    }
}

/// <summary>
/// What a language model has to beat: multinomial logistic regression on the counts of k-mers, with L2 regularisation whose strength has
/// the lowest loss on dev. Counts are divided by the mean length of the training rows as vectors, so that strengths mean the same for
/// sequences of 70 and of 500 bases. Deterministic: there is no seed.
/// </summary>
public sealed class KmerBaseline
{
    private readonly int _k, _classes;
    private readonly bool _pairs;
    private readonly double _scale;
    private readonly double[] _parameters;

    private KmerBaseline(
        KmerOptions options, LabelledSet train, double scale, double[] parameters, IReadOnlyList<(double, double)> tried, int best)
    {
        (_k, _classes, _pairs, _scale, _parameters) = (options.K, train.Names.Count, train.Pairs, scale, parameters);
        (Tried, (Lambda, DevLoss)) = (tried, tried[best]);
    }

    /// <summary>The strength that was chosen.</summary>
    public double Lambda { get; }

    /// <summary>The mean cross-entropy on dev, in nats.</summary>
    public double DevLoss { get; }

    /// <summary>The strengths that were tried, and the loss of each on dev.</summary>
    public IReadOnlyList<(double Lambda, double DevLoss)> Tried { get; }

    /// <summary>Fits the baseline.</summary>
    /// <param name="train">What it is fitted to.</param>
    /// <param name="dev">What the strength is chosen on.</param>
    /// <param name="options">The defaults if null.</param>
    /// <param name="cancellation">Ends the fit.</param>
    /// <exception cref="ArgumentException">An option is out of range, or the task is not one of a class for each row.</exception>
    /// <exception cref="InvalidDataException">No training sequence is as long as a k-mer.</exception>
    public static KmerBaseline Train(
        LabelledSet train, LabelledSet dev, KmerOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(train);
        ArgumentNullException.ThrowIfNull(dev);
        options ??= new KmerOptions();
        options.Validate();
        if (train.Kind != TaskKind.SingleLabel)
            throw new ArgumentException($"{train.Path}: the k-mer baseline is of tasks with one class a row, not of {train.Kind}");
        KmerCounts counts = KmerCounts.Count(train, options.K, train.Pairs), devCounts = KmerCounts.Count(dev, options.K, train.Pairs);
        double norm = counts.MeanNorm();
        if (norm == 0)
            throw new InvalidDataException(
                $"{train.Path}: no sequence has {options.K} known bases in a row; give longer sequences, or fewer bases a k-mer");
        counts.Scale(1 / norm);
        devCounts.Scale(1 / norm);

        var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Threads > 0 ? options.Threads : Environment.ProcessorCount };
        var loss = new LogisticLoss(counts, Classes(train), train.Names.Count, parallel);
        double[] parameters = new double[loss.Size], best = parameters;
        var tried = new List<(double Lambda, double DevLoss)>();
        int chosen = 0;
        foreach (double lambda in options.Lambdas)
        {
            // Each fit starts from the one before, which is near.
            loss.Lambda = lambda;
            Lbfgs.Minimise(loss.Evaluate, parameters, options.Tolerance, options.Iterations, cancellation);
            tried.Add((lambda, DevLossOf(devCounts, Classes(dev), parameters, train.Names.Count)));
            if (tried.Count > 1 && tried[^1].DevLoss >= tried[chosen].DevLoss) continue;
            chosen = tried.Count - 1;
            best = [.. parameters];
        }

        return new KmerBaseline(options, train, 1 / norm, best, tried, chosen);
    }

    /// <summary>The outputs before softmax, [rows, classes].</summary>
    /// <param name="rows">The rows; their labels are not looked at.</param>
    public float[] Logits(IReadOnlyList<LabelledSequence> rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        KmerCounts counts = KmerCounts.Count(rows, _k, _pairs);
        counts.Scale(_scale);
        float[] logits = new float[rows.Count * _classes];
        double[] row = new double[_classes];
        for (int r = 0; r < rows.Count; r++)
        {
            LogisticLoss.Logits(counts, r, _parameters, row);
            for (int c = 0; c < _classes; c++) logits[(r * _classes) + c] = (float)row[c];
        }

        return logits;
    }

    private static int[] Classes(LabelledSet set) => [.. set.Select(row => row.Target.Class)];

    private static double DevLossOf(KmerCounts counts, int[] truth, double[] parameters, int classes)
    {
        double sum = 0;
        double[] row = new double[classes];
        for (int r = 0; r < counts.Rows; r++)
        {
            LogisticLoss.Logits(counts, r, parameters, row);
            sum += LogisticLoss.Softmax(row, truth[r]);
        }

        return sum / counts.Rows;
    }
}
