using System.Globalization;
using Dnabert2.Data;
using Dnabert2.Sequences;

namespace Dnabert2.FineTuning;

/// <summary>A labelled file as it was read: checked sequences, and labels that are still text.</summary>
internal sealed class LabelledRows
{
    private readonly List<Row> _rows = [];
    private readonly string _path;
    private readonly TaskKind _kind;
    private readonly string _label;

    // Of a regression, the values of each row: as many as the first has.
    private int _values = 1;

    private LabelledRows(string path, TaskKind kind, string label) => (_path, _kind, _label) = (path, kind, label);

    /// <summary>Whether each row has two sequences.</summary>
    public bool Pairs { get; private set; }

    /// <summary>What a user is to know of how the file was read, a sentence each.</summary>
    public string[] Notes { get; private set; } = [];

    /// <summary>Reads a file and checks all that can be checked without knowing the names of the classes.</summary>
    public static LabelledRows Read(string path, TaskKind kind, LabelledReading reading, CancellationToken cancellation)
    {
        var rows = new LabelledRows(path, kind, reading.LabelColumn.Trim());
        // N stays in the sequence and becomes [UNK], as in the model's own training.
        var options = new SequenceOptions
        {
            OnAmbiguous = AmbiguousBases.Unknown,
            NeedsKnownBases = true,
            OnEmpty = reading.OnEmpty,
            SequenceColumn = reading.SequenceColumn,
            SecondSequenceColumn = reading.SecondSequenceColumn,
        };
        using SequenceReader reader = SequenceReader.Open(path, options, cancellation);
        rows.CheckColumns(reader, namesItself: reading.SequenceColumn is null);
        var texts = new Dictionary<string, string>(StringComparer.Ordinal);
        while (reader.TryRead(out SequenceRecord? record))
        {
            string label = record.Column(rows._label)!.Trim();
            if (!texts.TryGetValue(label, out string? text)) texts[label] = text = label;
            rows.Check(record, text);
            rows._rows.Add(new Row(
                record.Id, record.Number, record.Line, record.Sequence.ToArray(),
                rows.Pairs ? record.SecondSequence.ToArray() : null, text));
        }

        rows.Notes = [.. reader.Notes()];
        return rows;
    }

    /// <summary>The names of the classes found here, each once; of a regression those of its values.</summary>
    public IEnumerable<string> Names() => _kind == TaskKind.Regression
        ? LabelNames.OfValues(_values) : _rows.SelectMany(row => Split(row.Label)).Distinct(StringComparer.Ordinal);

    /// <summary>The rows with their labels understood.</summary>
    /// <param name="names">The classes, or the values of a regression; empty where there is one value.</param>
    /// <param name="origin">Where the classes are from, for errors.</param>
    /// <exception cref="InvalidDataException">A label is not one of the classes, or has another number of values.</exception>
    public LabelledSet Resolve(LabelNames names, string origin)
    {
        if (_kind == TaskKind.Regression && _rows.Count > 0 && names.OrValue.Count != _values)
            throw Fault(
                _rows[0].Number, _rows[0].Line, $"the label '{Excerpt.Of(_rows[0].Label)}' has {_values} values, and {origin} has "
                + $"{names.OrValue.Count}", "Give every row the same values");
        var sequences = new LabelledSequence[_rows.Count];
        for (int i = 0; i < sequences.Length; i++)
        {
            Row row = _rows[i];
            Target target = _kind == TaskKind.Regression
                ? Target.OfValues(ParseValues(row.Label))
                : ToTarget([.. Split(row.Label).Select(name => IdOf(name, row, names, origin)).Order()]);
            sequences[i] = new LabelledSequence(row.Id, row.Line, row.First, row.Second, target);
        }

        return new LabelledSet(_path, _kind, names, Pairs, sequences);
    }

    private Target ToTarget(int[] ids) => _kind == TaskKind.SingleLabel ? Target.OfClass(ids[0]) : Target.OfClasses(ids);

    private int IdOf(string name, Row row, LabelNames names, string origin) =>
        names.IdOf(name) is var id && id >= 0
            ? id
            : throw Fault(
                row.Number, row.Line, $"the label '{Excerpt.Of(name)}' is not one of the classes of {origin} ({Excerpt.Of(names)})",
                "Correct the label, or add rows of this class to the training set");

    private void CheckColumns(SequenceReader reader, bool namesItself)
    {
        if (reader.Format is not (SequenceFormat.Csv or SequenceFormat.Tsv))
            throw new InvalidDataException(
                $"{_path}: this is {reader.Format} and has no labels. Give CSV or TSV with the columns 'sequence,label' "
                + "or 'sequence1,sequence2,label'.");
        if (!Has(_label))
            throw new InvalidDataException(
                $"{_path}: line 1: no column is named '{Excerpt.Of(_label)}'; found are "
                + $"{string.Join(", ", reader.Columns.Take(8).Select(column => $"'{Excerpt.Of(column)}'"))}. "
                + "Name the columns in the first line, for example 'sequence,label'.");
        Pairs = reader.IsOfPairs;
        if (!Pairs && namesItself && Has("sequence1") && !Has("sequence"))
            throw new InvalidDataException(
                $"{_path}: line 1: there is a column 'sequence1', but none named 'sequence2'. Name the columns "
                + "'sequence1,sequence2,label' for pairs, 'sequence,label' otherwise.");

        bool Has(string name) => reader.Columns.Contains(name, StringComparer.OrdinalIgnoreCase);
    }

    private void Check(SequenceRecord record, string label)
    {
        if (_kind == TaskKind.Regression)
        {
            float[] values = ParseValues(label);
            if (!values.All(float.IsFinite))
                throw Fault(record.Number, record.Line, $"the label '{Excerpt.Of(label)}' is not a finite number",
                    "Write a number like -1.25, with a point, or several with ';' between them");
            if (_rows.Count == 0) _values = values.Length;
            if (values.Length != _values)
                throw Fault(
                    record.Number, record.Line,
                    $"the label '{Excerpt.Of(label)}' has {values.Length} values, and that of the first record has {_values}",
                    "Give every row the same values");
            return;
        }

        if (_kind == TaskKind.SingleLabel && label.Length == 0)
            throw Fault(record.Number, record.Line, "the label is empty", "Give every row its class, or remove the row");
        if (_kind == TaskKind.SingleLabel && label.Contains(';'))
            throw Fault(
                record.Number, record.Line, $"the label '{Excerpt.Of(label)}' names several classes, and the task is one class a row",
                "Read it as a multi-label task, or give one class");
        string[] parts = Split(label);
        foreach (string part in parts) CheckName(record, part);
        if (parts.Distinct(StringComparer.Ordinal).Count() < parts.Length)
            throw Fault(record.Number, record.Line, $"the label '{Excerpt.Of(label)}' names a class twice", "Name each class once");
    }

    private void CheckName(SequenceRecord record, string name)
    {
        if (name.Length == 0)
            throw Fault(record.Number, record.Line, "a class between two ';' is empty", "Remove the ';' or name the class");
        if (double.TryParse(name, NumberStyles.Float, CultureInfo.InvariantCulture, out _)
            && !long.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _))
            throw Fault(
                record.Number, record.Line, $"the label '{Excerpt.Of(name)}' is a number that is no class, and the task is classification",
                "Write classes as whole numbers or names, or read it as a regression task");
    }

    /// <summary>The names in a label: one, or in a multi-label task any number, separated by <c>;</c>.</summary>
    private string[] Split(string label)
    {
        if (_kind == TaskKind.Regression) return [];
        if (_kind == TaskKind.SingleLabel) return [LabelNames.Canonical(label)];
        return label.Length == 0 ? [] : [.. label.Split(';', StringSplitOptions.TrimEntries).Select(LabelNames.Canonical)];
    }

    private static float[] ParseValues(string label) => Array.ConvertAll(label.Split(';'), text =>
        float.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out float value) ? value : float.NaN);

    private InvalidDataException Fault(long record, long line, string what, string remedy) =>
        new($"{_path}: record {record}, line {line}: {what}. {remedy}.");

    private sealed record Row(string Id, long Number, long Line, byte[] First, byte[]? Second, string Label);
}
