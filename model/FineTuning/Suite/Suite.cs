namespace Dnabert2.FineTuning;

/// <summary>What a suite runs.</summary>
public sealed record SuiteOptions
{
    /// <summary>The tasks; each is a folder of its name below the data.</summary>
    public required IReadOnlyList<GueTask> Tasks { get; init; }

    /// <summary>The methods.</summary>
    public required IReadOnlyList<SuiteMethod> Methods { get; init; }

    /// <summary>The seeds; methods without one run once.</summary>
    public required IReadOnlyList<ulong> Seeds { get; init; }
}

/// <summary>A run of a suite that begins, is passed over because it is finished, or has ended.</summary>
/// <param name="Run">The run.</param>
/// <param name="Number">Its place among all runs, from 1.</param>
/// <param name="Count">The number of runs.</param>
/// <param name="Percent">The task's metric, in percent, where it has ended.</param>
/// <param name="Kept">Whether the result was there already.</param>
public sealed record SuiteProgress(SuiteRun Run, int Number, int Count, double? Percent, bool Kept);

/// <summary>
/// Runs methods on tasks and keeps each result as soon as it is there: what is finished is not run again, so that an interruption loses no
/// more than the run it comes in.
/// </summary>
/// <param name="data">The folder of the tasks.</param>
/// <param name="folder">The folder of the results.</param>
/// <param name="train">Trains and tests; the folder is the run's own, for what a run needs to resume.</param>
internal sealed class Suite(string data, string folder, Func<SuiteRun, LabelledTask, string, CancellationToken, SuiteOutcome> train)
{
    private readonly SuiteStore _store = new(folder);

    /// <summary>Told the folder of a run whose result was just kept, and all results so far.</summary>
    public Action<string, IReadOnlyList<SuiteResult>>? Finished { get; init; }

    /// <summary>The tasks of which all parts are there.</summary>
    public static IReadOnlyList<GueTask> TasksIn(string data) =>
        [.. GueTasks.All.Where(task => new[] { "train", "dev", "test" }.All(part => LabelledTask.HasPart(Path.Combine(data, task.Name), part)))];

    /// <summary>Runs what is not finished, and returns all results.</summary>
    /// <param name="options">What to run.</param>
    /// <param name="settings">What the results depend on besides, as JSON.</param>
    /// <param name="progress">Told before and after each run.</param>
    /// <param name="cancellation">Ends the suite; what is finished is kept.</param>
    /// <exception cref="InvalidDataException">The data of a task is at fault, found before any training, or the results are of other settings.</exception>
    public IReadOnlyList<SuiteResult> Run(SuiteOptions options, byte[] settings, IProgress<SuiteProgress>? progress, CancellationToken cancellation)
    {
        SuiteRun[] runs = [.. Runs(options)];
        foreach (GueTask task in options.Tasks)
            if (runs.Any(run => run.Task == task && !_store.Has(run))) Read(task, cancellation);
        _store.CheckSettings(settings);
        var results = new List<SuiteResult>();
        for (int i = 0; i < runs.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            bool kept = _store.Has(runs[i]);
            if (!kept)
            {
                progress?.Report(new SuiteProgress(runs[i], i + 1, runs.Length, null, Kept: false));
                _store.Write(Run(runs[i], cancellation));
            }

            SuiteResult result = _store.Read(runs[i]);
            results.Add(result);
            if (!kept) Finished?.Invoke(_store.FolderOf(runs[i]), results);
            progress?.Report(new SuiteProgress(runs[i], i + 1, runs.Length, 100 * result.Scores[runs[i].Task.Metric], kept));
        }

        return results;
    }

    private static IEnumerable<SuiteRun> Runs(SuiteOptions options)
    {
        foreach (GueTask task in options.Tasks)
            foreach (SuiteMethod method in options.Methods)
                foreach (ulong seed in method == SuiteMethod.Kmer ? [0] : options.Seeds)
                    yield return new SuiteRun(task, method, seed);
    }

    private SuiteResult Run(SuiteRun run, CancellationToken cancellation)
    {
        LabelledTask task = Read(run.Task, cancellation);
        SuiteOutcome outcome = train(run, task, _store.FolderOf(run), cancellation);
        string[] notes = [.. task.Overlap.Describe()];
        return new SuiteResult(run, task.Names, [.. task.Test!.Select(row => row.Target)], outcome, notes);
    }

    private LabelledTask Read(GueTask task, CancellationToken cancellation)
    {
        LabelledTask read = LabelledTask.Read(Path.Combine(data, task.Name), cancellation: cancellation);
        if (read.Names.Count != task.Classes)
            throw new InvalidDataException(
                $"{read.Train!.Path}: there are {read.Names.Count} classes, and {task.Name} has {task.Classes}; check that this is its data");
        // Names are fields of predictions.tsv.
        if (read.Names.FirstOrDefault(name => name.Any(char.IsControl)) is { } odd)
            throw new InvalidDataException($"{read.Train!.Path}: class {read.Names.IdOf(odd)} has a tab or line break in its name; rename it");
        return read;
    }
}
