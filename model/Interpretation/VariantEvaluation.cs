using Dnabert2.Metrics;

namespace Dnabert2.Interpretation;

/// <summary>How well one score tells labelled variants apart.</summary>
/// <param name="Group">The group that they are of; null: all of them.</param>
/// <param name="RankedBy">What they are ranked by; see <see cref="VariantColumn.RankedBy"/>.</param>
/// <param name="Variants">Variants with a label and a score.</param>
/// <param name="Positives">Those of them that are positive.</param>
/// <param name="Auroc">The area under the ROC curve; NaN where all are positive or all negative.</param>
/// <param name="AveragePrecision">
/// The area under the precision-recall curve, as <see cref="Ranking.AveragePrecision"/>; NaN where <paramref name="Auroc"/> is.
/// </param>
public sealed record VariantMetrics(
    string? Group, string RankedBy, long Variants, long Positives, double Auroc, double AveragePrecision);

/// <summary>
/// Collects the scores of variants whose effect is known, and tells how well each score ranks them: over all of them, and in each of some
/// groups. It holds a number for each score of each labelled variant, as the table of scores has it, of 32 bits. For one thread.
/// </summary>
public sealed class VariantEvaluation
{
    /// <summary>The most groups.</summary>
    public const int MostGroups = 1000;

    private readonly VariantColumn[] _columns;
    private readonly HashSet<string> _positive;
    private readonly HashSet<string>? _negative;
    private readonly List<float>[] _effects;
    private readonly List<bool> _isPositive = [];
    private readonly List<int> _groups = [];
    private readonly Dictionary<string, int> _groupIds = new(StringComparer.Ordinal);

    /// <summary>An evaluation without variants.</summary>
    /// <param name="columns">The scores; those that are no effect are passed over.</param>
    /// <param name="positive">The labels of variants that have the effect.</param>
    /// <param name="negative">Those of variants that have not; null: all others.</param>
    /// <exception cref="ArgumentException">There is no positive label, or one is also negative.</exception>
    public VariantEvaluation(
        IEnumerable<VariantColumn> columns, IEnumerable<string> positive, IEnumerable<string>? negative = null)
    {
        ArgumentNullException.ThrowIfNull(columns);
        ArgumentNullException.ThrowIfNull(positive);
        _columns = [.. columns.Where(column => column.Ranking != VariantRanking.None)];
        _effects = Array.ConvertAll(_columns, _ => new List<float>());
        _positive = new(positive, StringComparer.Ordinal);
        _negative = negative is null ? null : new(negative, StringComparer.Ordinal);
        if (_positive.Count == 0 || _negative?.Count == 0) throw new ArgumentException("there is no label on one side: name one at least");
        if (_negative?.FirstOrDefault(_positive.Contains) is { } both)
            throw new ArgumentException($"the label '{Excerpt.Of(both)}' is both positive and negative");
    }

    /// <summary>Variants with one of the labels and a score.</summary>
    public long Count => _isPositive.Count;

    /// <summary>Of these, those that are positive.</summary>
    public long Positives { get; private set; }

    /// <summary>Variants with one of the labels that could not be scored.</summary>
    public long NotScored { get; private set; }

    /// <summary>Variants without a label, or with one that is neither positive nor negative.</summary>
    public long Unlabelled { get; private set; }

    /// <summary>Adds a variant.</summary>
    /// <param name="score">Its score.</param>
    /// <param name="label">Its label; empty: it has none.</param>
    /// <param name="group">Its group; empty or null: it has none, and counts among all.</param>
    /// <exception cref="InvalidDataException">There are more groups than <see cref="MostGroups"/>.</exception>
    public void Add(VariantScore score, string label, string? group = null)
    {
        ArgumentNullException.ThrowIfNull(score);
        ArgumentNullException.ThrowIfNull(label);
        bool isPositive = _positive.Contains(label);
        if (!isPositive && (label.Length == 0 || _negative?.Contains(label) == false))
        {
            Unlabelled++;
            return;
        }

        if (score.Status != VariantStatus.Scored)
        {
            NotScored++;
            return;
        }

        int id = -1;
        if (!string.IsNullOrEmpty(group) && !_groupIds.TryGetValue(group, out id))
        {
            if (_groupIds.Count == MostGroups)
                throw new InvalidDataException(
                    $"line {score.Variant.Line}: there are more than {MostGroups} groups; group by something of which there are few");
            _groupIds.Add(group, id = _groupIds.Count);
        }

        for (int i = 0; i < _columns.Length; i++) _effects[i].Add((float)_columns[i].EffectOf(_columns[i].Of(score)));
        _isPositive.Add(isPositive);
        _groups.Add(id);
        if (isPositive) Positives++;
    }

    /// <summary>The metrics of each score, first of all variants, then of each group by its name.</summary>
    public IReadOnlyList<VariantMetrics> Results()
    {
        var results = new List<VariantMetrics>();
        Add(null, null);
        foreach ((string name, int id) in _groupIds.OrderBy(group => group.Key, StringComparer.Ordinal)) Add(name, id);
        return results;

        void Add(string? name, int? id)
        {
            for (int i = 0; i < _columns.Length; i++) results.Add(Of(name, id, i));
        }
    }

    private VariantMetrics Of(string? name, int? group, int column)
    {
        var effects = new List<double>();
        var positive = new List<bool>();
        for (int i = 0; i < _isPositive.Count; i++)
        {
            // Where an allele leaves nothing of its window, there is no number of a base.
            if ((group is { } id && _groups[i] != id) || float.IsNaN(_effects[column][i])) continue;
            effects.Add(_effects[column][i]);
            positive.Add(_isPositive[i]);
        }

        int positives = positive.Count(isPositive => isPositive);
        if (positives == 0 || positives == positive.Count)
            return new(name, _columns[column].RankedBy, positive.Count, positives, double.NaN, double.NaN);
        var ranking = new Ranking([.. positive], [.. effects]);
        return new(name, _columns[column].RankedBy, positive.Count, positives, ranking.Auroc, ranking.AveragePrecision);
    }
}
