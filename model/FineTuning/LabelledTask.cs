
namespace Dnabert2.FineTuning;

/// <summary>The parts of a task's data.</summary>
[Flags]
public enum Splits
{
    /// <summary>No part.</summary>
    None = 0,

    /// <summary>What is trained on.</summary>
    Train = 1,

    /// <summary>What the best model is chosen on.</summary>
    Dev = 2,

    /// <summary>What the chosen model is measured on.</summary>
    Test = 4,

    /// <summary>All parts.</summary>
    All = Train | Dev | Test,
}

/// <summary>
/// The data of a task: a folder with <c>train</c>, <c>dev</c> and <c>test</c>, each <c>.csv</c> or <c>.tsv</c>, gzipped or not, in the
/// form that <see cref="LabelledSet"/> reads. Everything is read and checked at once, before any training.
/// </summary>
public sealed class LabelledTask
{
    private static readonly string[] Extensions = [".csv", ".tsv", ".csv.gz", ".tsv.gz"];

    private LabelledTask(string folder, LabelNames names, LabelledSet? train, LabelledSet? dev, LabelledSet? test)
    {
        (Folder, Names, Train, Dev, Test) = (folder, names, train, dev, test);
        LabelledSet any = (train ?? dev ?? test)!;
        (Kind, Pairs) = (any.Kind, any.Pairs);
        Overlap = DataOverlap.Find(train, dev, test);
    }

    /// <summary>The folder.</summary>
    public string Folder { get; }

    /// <summary>What a label says.</summary>
    public TaskKind Kind { get; }

    /// <summary>Whether each row is a pair of sequences.</summary>
    public bool Pairs { get; }

    /// <summary>
    /// The classes: those of the training set where there is one, otherwise of all parts; in regression the values, empty where there is
    /// one.
    /// </summary>
    public LabelNames Names { get; }

    /// <summary>What is trained on; null where the folder has none and none was asked for.</summary>
    public LabelledSet? Train { get; }

    /// <summary>What the best model is chosen on; null where the folder has none and none was asked for.</summary>
    public LabelledSet? Dev { get; }

    /// <summary>What the chosen model is measured on; null where the folder has none and none was asked for.</summary>
    public LabelledSet? Test { get; }

    /// <summary>Rows that are there more than once, or with several labels.</summary>
    public DataOverlap Overlap { get; }

    /// <summary>How the files were read.</summary>
    internal LabelledReading Reading { get; private init; } = new();

    /// <summary>What a user is to know of how the files were read, a sentence each: which rows were left out.</summary>
    public IReadOnlyList<string> Notes { get; private init; } = [];

    /// <summary>Reads a task.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="kind">What its labels say.</param>
    /// <param name="needed">The parts that have to be there; others are read where they are there.</param>
    /// <param name="names">The classes, as those of a fine-tuned model; null: those of the data.</param>
    /// <param name="reading">The columns, and what happens to rows without a sequence; null: as <see cref="LabelledReading"/> says.</param>
    /// <param name="cancellation">Ends the reading.</param>
    /// <exception cref="DirectoryNotFoundException">There is no such folder.</exception>
    /// <exception cref="FileNotFoundException">A part that is needed is not there; the message says which are.</exception>
    /// <exception cref="InvalidDataException">
    /// The content of a file is at fault; the message names file, record, line and remedy.
    /// </exception>
    public static LabelledTask Read(
        string folder, TaskKind kind = TaskKind.SingleLabel, Splits needed = Splits.All, LabelNames? names = null,
        LabelledReading? reading = null, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        if (!Directory.Exists(folder))
            throw new DirectoryNotFoundException($"{folder}: no such folder; a task is a folder with train.csv, dev.csv and test.csv");
        string?[] paths = [Find(folder, "train"), Find(folder, "dev"), Find(folder, "test")];
        CheckPresent(folder, paths, needed);
        reading ??= new LabelledReading();
        var rows = new LabelledRows?[paths.Length];
        for (int i = 0; i < rows.Length; i++)
            if (paths[i] is { } path) rows[i] = LabelledRows.Read(path, kind, reading, cancellation);
        CheckPairs(paths, rows);

        string origin = names is not null ? "the model" : paths[0] ?? folder;
        IEnumerable<string> found = rows[0]?.Names() ?? rows.SelectMany(part => part?.Names() ?? []);
        names ??= kind == TaskKind.Regression ? new LabelNames(found.Distinct()) : LabelNames.Sorted(found);
        // Checked first: of a training set of one class, every other row would be said to have an unknown label.
        LabelledSet? train = rows[0]?.Resolve(names, origin);
        if (train is not null) CheckVaried(train);
        return new LabelledTask(folder, names, train, rows[1]?.Resolve(names, origin), rows[2]?.Resolve(names, origin))
        {
            Reading = reading,
            Notes = [.. rows.SelectMany(part => part?.Notes ?? [])],
        };
    }

    /// <summary>Whether a folder has a file of that part.</summary>
    internal static bool HasPart(string folder, string name) => FilesOf(folder, name).Any();

    private static IEnumerable<string> FilesOf(string folder, string name) =>
        Extensions.Select(extension => Path.Combine(folder, name + extension)).Where(File.Exists);

    private static string? Find(string folder, string name)
    {
        string[] found = [.. FilesOf(folder, name)];
        return found.Length <= 1
            ? found.FirstOrDefault()
            : throw new InvalidDataException(
                $"{folder}: both {Path.GetFileName(found[0])} and {Path.GetFileName(found[1])} are there; remove or rename one of them");
    }

    private static void CheckPresent(string folder, string?[] paths, Splits needed)
    {
        string[] present = [.. paths.OfType<string>().Select(path => Path.GetFileName(path)!)];
        string there = present.Length == 0 ? "train, dev and test are all missing" : $"there is only {string.Join(" and ", present)}";
        for (int i = 0; i < paths.Length; i++)
        {
            Splits part = (Splits)(1 << i);
            if (paths[i] is not null || !needed.HasFlag(part)) continue;
            string name = part.ToString().ToLowerInvariant();
            string use = part switch { Splits.Train => "to train on", Splits.Dev => "to choose the best model on", _ => "to measure on" };
            throw new FileNotFoundException(
                $"{Path.Combine(folder, name + ".csv")} is missing ({there}); add {name}.csv or {name}.tsv, gzipped or not: rows {use}");
        }

        if (present.Length == 0)
            throw new FileNotFoundException($"{folder}: {there}; add for example test.csv with the columns 'sequence,label'");
    }

    private static void CheckPairs(string?[] paths, LabelledRows?[] rows)
    {
        int first = Array.FindIndex(rows, part => part is not null);
        for (int i = first + 1; i < rows.Length; i++)
            if (rows[i] is { } part && part.Pairs != rows[first]!.Pairs)
                throw new InvalidDataException(
                    $"{paths[i]}: line 1: {Columns(part.Pairs)}, but {paths[first]} has {Columns(rows[first]!.Pairs)}. "
                    + "Give all parts the same columns.");

        static string Columns(bool pairs) => pairs ? "columns 'sequence1' and 'sequence2'" : "one column of sequences";
    }

    private static void CheckVaried(LabelledSet train)
    {
        Target first = train[0].Target;
        if (train.Any(row => row.Target != first)) return;
        string label = train.Kind switch
        {
            TaskKind.SingleLabel => $"the label '{Excerpt.Of(train.Names[first.Class])}'",
            TaskKind.Regression => $"the value {string.Join(';', first.Values.ToArray())}",
            _ => "the same classes",
        };
        throw new InvalidDataException(
            $"{train.Path}: all {train.Count} rows have {label}, from line {train[0].Line} on: there is nothing to tell "
            + "apart. Add rows of other labels.");
    }
}
