using Dnabert2.FineTuning;

namespace Dnabert2.Interpretation;

/// <summary>What in a score says that a variant has more of an effect.</summary>
public enum VariantRanking
{
    /// <summary>Nothing: it is no effect.</summary>
    None,

    /// <summary>A higher number.</summary>
    Highest,

    /// <summary>A lower number.</summary>
    Lowest,

    /// <summary>A number further from 0.</summary>
    Farthest,
}

/// <summary>A number that each scored variant has, and what it says.</summary>
/// <remarks>It is what tables, headers of files and evaluations are made from, so that none of these knows the scores one by one.</remarks>
public sealed class VariantColumn
{
    private readonly Func<VariantScore, double> _of;

    private VariantColumn(string name, VariantRanking ranking, string description, Func<VariantScore, double> of) =>
        (Name, Ranking, Description, _of) = (name, ranking, description, of);

    /// <summary>Its name, of lower-case letters, digits and _, but for the names of classes.</summary>
    public string Name { get; }

    /// <summary>What it says, with its unit.</summary>
    public string Description { get; }

    /// <summary>What in it says that a variant has more of an effect.</summary>
    public VariantRanking Ranking { get; }

    /// <summary>
    /// What variants are ranked by: the name, with a minus before it where the lowest come first, and between bars where those furthest
    /// from 0 do; empty where it is no effect.
    /// </summary>
    public string RankedBy => Ranking switch
    {
        VariantRanking.Highest => Name,
        VariantRanking.Lowest => "-" + Name,
        VariantRanking.Farthest => $"|{Name}|",
        _ => "",
    };

    /// <summary>The number of a score; NaN where it has none.</summary>
    public double Of(VariantScore score)
    {
        ArgumentNullException.ThrowIfNull(score);
        return score.Status == VariantStatus.Scored ? _of(score) : double.NaN;
    }

    /// <summary>How much of an effect a number is, the more the higher; NaN where there is none.</summary>
    internal double EffectOf(double number) => Ranking switch
    {
        VariantRanking.Highest => number,
        VariantRanking.Lowest => -number,
        VariantRanking.Farthest => Math.Abs(number),
        _ => double.NaN,
    };

    /// <summary>The columns of what a model is asked for.</summary>
    internal static List<VariantColumn> Of(InterpretedModel model, VariantScores scores)
    {
        var columns = new List<VariantColumn>();
        if (scores.HasFlag(VariantScores.Distances))
        {
            columns.Add(new("cosine_distance", VariantRanking.Highest, "1 - cosine of the mean vectors of both alleles' windows",
                score => score.CosineDistance));
            columns.Add(new("euclidean_distance", VariantRanking.Highest, "Euclidean distance of the mean vectors of both alleles' windows",
                score => score.EuclideanDistance));
        }

        if (scores.HasFlag(VariantScores.Likelihood))
        {
            columns.Add(new("likelihood_change", VariantRanking.Lowest,
                model.Model.IsCausal ? "change of the log-likelihood of the window, nats"
                    : "change of the log-likelihood of the tokens that differ, all of them masked, nats",
                score => score.LikelihoodChange));
            columns.Add(new("likelihood_change_per_base", VariantRanking.Lowest,
                "the same with each allele's log-likelihood divided by the bases that it is of, nats a base",
                score => score.LikelihoodChangePerBase));
        }

        if (scores.HasFlag(VariantScores.PseudoLikelihood))
        {
            columns.Add(new("pseudo_likelihood_change", VariantRanking.Lowest,
                "change of the pseudo-log-likelihood of the window, each token masked in turn, nats",
                score => score.PseudoLikelihoodChange));
            columns.Add(new("pseudo_likelihood_change_per_base", VariantRanking.Lowest,
                "the same with each allele's pseudo-log-likelihood divided by the bases of its window, nats a base",
                score => score.PseudoLikelihoodChangePerBase));
        }

        if (!scores.HasFlag(VariantScores.Classes)) return columns;
        bool isValue = model.Task == TaskKind.Regression;
        for (int i = 0; i < model.Labels.Count; i++)
        {
            int label = i;
            string name = model.Labels[i];
            columns.Add(new(isValue ? name : "p_" + name, VariantRanking.None,
                isValue ? "value for the genome as it is" : $"probability of class {name} for the genome as it is",
                score => score.Probabilities[label]));
            columns.Add(new("change_" + name, VariantRanking.Farthest, isValue ? "change of the value" : $"change of p_{name}",
                score => score.ProbabilityChanges[label]));
        }

        return columns;
    }
}
