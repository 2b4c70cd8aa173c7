
namespace Dnabert2.FineTuning;

/// <summary>What is there more than once in one part of a task.</summary>
/// <param name="Rows">Rows.</param>
/// <param name="Duplicates">Rows whose sequence and label were there before.</param>
/// <param name="Contradictions">Sequences, each counted once, that have more than one label.</param>
public readonly record struct PartOverlap(int Rows, int Duplicates, int Contradictions);

/// <summary>What two parts have in common.</summary>
/// <param name="Rows">Rows of the one whose sequence is in the other too.</param>
/// <param name="Contradictions">Of these, rows whose label is none of those it has there.</param>
public readonly record struct SharedRows(int Rows, int Contradictions);

/// <summary>
/// Rows of a task that are there more than once. They stay where they are, since published results have them too; but a test row that was
/// trained on flatters the result, and nobody is to learn of it by accident.
/// </summary>
/// <param name="Train">Within the training set.</param>
/// <param name="Dev">Within the dev set.</param>
/// <param name="Test">Within the test set.</param>
/// <param name="DevInTrain">Rows of dev that are in train.</param>
/// <param name="TestInTrain">Rows of test that are in train.</param>
/// <param name="TestInDev">Rows of test that are in dev.</param>
public sealed record DataOverlap(
    PartOverlap Train, PartOverlap Dev, PartOverlap Test, SharedRows DevInTrain, SharedRows TestInTrain, SharedRows TestInDev)
{
    internal static DataOverlap Find(LabelledSet? train, LabelledSet? dev, LabelledSet? test)
    {
        Index trained = new(train), chosen = new(dev), tested = new(test);
        return new DataOverlap(
            trained.Overlap, chosen.Overlap, tested.Overlap, trained.Shared(dev), trained.Shared(test), chosen.Shared(test));
    }

    /// <summary>What was found, a line each; none where nothing was.</summary>
    public IEnumerable<string> Describe()
    {
        foreach ((string name, PartOverlap part) in new[] { ("train", Train), ("dev", Dev), ("test", Test) })
        {
            if (part.Duplicates > 0) yield return $"{name}: {part.Duplicates} of {part.Rows} rows repeat an earlier row";
            if (part.Contradictions > 0) yield return $"{name}: sequences with contradictory labels: {part.Contradictions}";
        }

        foreach ((string name, SharedRows shared, PartOverlap of) in new[]
            { ("dev rows that are in train", DevInTrain, Dev), ("test rows that are in train", TestInTrain, Test),
                ("test rows that are in dev", TestInDev, Test) })
        {
            if (shared.Rows == 0) continue;
            string contrary = shared.Contradictions > 0 ? $", {shared.Contradictions} with another label" : "";
            yield return $"{name}: {shared.Rows} of {of.Rows}{contrary}";
        }
    }

    /// <summary>The labels of each sequence of a part.</summary>
    private sealed class Index
    {
        private readonly Dictionary<LabelledSequence, HashSet<Target>> _labels = new(new SameSequence());

        public Index(LabelledSet? set)
        {
            int duplicates = 0, contradictions = 0;
            foreach (LabelledSequence row in set ?? Enumerable.Empty<LabelledSequence>())
            {
                if (!_labels.TryGetValue(row, out HashSet<Target>? labels)) _labels[row] = [row.Target];
                else if (!labels.Add(row.Target)) duplicates++;
                else if (labels.Count == 2) contradictions++;
            }

            Overlap = new PartOverlap(set?.Count ?? 0, duplicates, contradictions);
        }

        public PartOverlap Overlap { get; }

        public SharedRows Shared(LabelledSet? other)
        {
            int rows = 0, contradictions = 0;
            foreach (LabelledSequence row in other ?? Enumerable.Empty<LabelledSequence>())
            {
                if (!_labels.TryGetValue(row, out HashSet<Target>? labels)) continue;
                rows++;
                if (!labels.Contains(row.Target)) contradictions++;
            }

            return new SharedRows(rows, contradictions);
        }
    }

    private sealed class SameSequence : IEqualityComparer<LabelledSequence>
    {
        public bool Equals(LabelledSequence? x, LabelledSequence? y) =>
            x is not null && y is not null && x.First.AsSpan().SequenceEqual(y.First) && x.Second.AsSpan().SequenceEqual(y.Second);

        public int GetHashCode(LabelledSequence row)
        {
            var hash = new HashCode();
            hash.AddBytes(row.First);
            hash.Add(0);
            hash.AddBytes(row.Second);
            return hash.ToHashCode();
        }
    }
}
