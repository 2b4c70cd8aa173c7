using System.Collections;

namespace Dnabert2.FineTuning;

/// <summary>
/// Labelled sequences of one file: CSV or TSV with a header line, gzipped or not, and the columns <c>sequence,label</c> or
/// <c>sequence1,sequence2,label</c>; a column <c>id</c> may be there, others are passed over. Labels are whole numbers or names; in a
/// multi-label task any number of them, separated by <c>;</c> (an empty label: no class); in regression a number. Letters are upper-cased,
/// U becomes T, ambiguous bases become N.
/// </summary>
public sealed class LabelledSet : IReadOnlyList<LabelledSequence>
{
    private readonly LabelledSequence[] _sequences;

    internal LabelledSet(string path, TaskKind kind, LabelNames names, bool pairs, LabelledSequence[] sequences) =>
        (Path, Kind, Names, Pairs, _sequences) = (path, kind, names, pairs, sequences);

    /// <summary>The file.</summary>
    public string Path { get; }

    /// <summary>What a label says.</summary>
    public TaskKind Kind { get; }

    /// <summary>The classes; empty in regression.</summary>
    public LabelNames Names { get; }

    /// <summary>Whether each row is a pair of sequences.</summary>
    public bool Pairs { get; }

    /// <summary>The number of rows, at least 1.</summary>
    public int Count => _sequences.Length;

    /// <summary>A row, in the order of the file.</summary>
    public LabelledSequence this[int index] => _sequences[index];

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file; "-" does not stand for standard input.</param>
    /// <param name="kind">What its labels say.</param>
    /// <param name="names">The classes, as those of a fine-tuned model; null: those found in the file, in their order.</param>
    /// <param name="reading">The columns, and what happens to rows without a sequence; null: as <see cref="LabelledReading"/> says.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="InvalidDataException">The content is at fault; the message names file, record, line and remedy.</exception>
    /// <exception cref="IOException">The file is not there or cannot be read.</exception>
    public static LabelledSet Read(
        string path, TaskKind kind = TaskKind.SingleLabel, LabelNames? names = null,
        LabelledReading? reading = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        LabelledRows rows = LabelledRows.Read(path, kind, reading ?? new(), cancellation);
        return rows.Resolve(names ?? LabelNames.Sorted(rows.Names()), names is null ? path : "the model");
    }

    /// <summary>The number of rows of each class; empty in regression.</summary>
    public int[] CountClasses()
    {
        int[] counts = new int[Names.Count];
        foreach (LabelledSequence row in _sequences)
        {
            if (row.Target.Class >= 0) counts[row.Target.Class]++;
            foreach (int id in row.Target.Classes) counts[id]++;
        }

        return counts;
    }

    /// <inheritdoc/>
    public IEnumerator<LabelledSequence> GetEnumerator() => ((IEnumerable<LabelledSequence>)_sequences).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
