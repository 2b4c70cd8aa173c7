namespace Dnabert2.Interpretation;

/// <summary>A log-likelihood made of the answers of passes, once these are run.</summary>
internal sealed class LikelihoodSum
{
    private readonly List<(ForwardPass Pass, Range Answers, double Weight)> _terms = [];
    private int _bases;

    /// <summary>Adds answers.</summary>
    /// <param name="pass">The pass that answers.</param>
    /// <param name="answers">Which of its answers.</param>
    /// <param name="bases">The bases that they are of.</param>
    /// <param name="weight">What their sum is multiplied by.</param>
    public void Add(ForwardPass pass, Range answers, int bases, double weight = 1)
    {
        _terms.Add((pass, answers, weight));
        _bases += bases;
    }

    /// <summary>The sum, in nats.</summary>
    public double Value()
    {
        double sum = 0;
        foreach ((ForwardPass pass, Range answers, double weight) in _terms) sum += weight * pass.LogLikelihood(answers);
        return sum;
    }

    /// <summary>The sum divided by the bases, in nats a base; NaN where there are none.</summary>
    public double PerBase() => _bases == 0 ? double.NaN : Value() / _bases;
}
