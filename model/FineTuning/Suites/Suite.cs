using Dnabert2.Sequences;
using Dnabert2.Training;
using Engine.Runtime.Collectives;

namespace Dnabert2.FineTuning.Suites;

/// <summary>What a suite runs.</summary>
public sealed record SuiteOptions
{
    /// <summary>The tasks; each is a folder of its name below the data.</summary>
    public required IReadOnlyList<GueTask> Tasks { get; init; }

    /// <summary>The methods.</summary>
    public required IReadOnlyList<SuiteMethod> Methods { get; init; }

    /// <summary>The seeds; methods without one run once.</summary>
    public required IReadOnlyList<ulong> Seeds { get; init; }

    /// <summary>What happens to rows without a sequence, or with one of N alone.</summary>
    public EmptyRecords OnEmpty { get; init; }
}

/// <summary>A run of a suite that begins, is passed over because it is finished, or has ended.</summary>
/// <param name="Run">The run.</param>
/// <param name="Number">Its place among all runs, from 1.</param>
/// <param name="Count">The number of runs.</param>
/// <param name="Percent">The task's metric, in percent, where it has ended.</param>
/// <param name="Kept">Whether the result was there already.</param>
/// <param name="Again">Of a run that begins although there was a result: why it is of no use, and where it is now; otherwise null.</param>
public sealed record SuiteProgress(SuiteRun Run, int Number, int Count, double? Percent, bool Kept, string? Again = null);

/// <summary>
/// Runs methods on tasks and keeps each result as soon as it is there: what is finished is not run again, so that an interruption loses no
/// more than the run it comes in. A result is told by the content of all that it depends on (<see cref="SuiteIdentity"/>).
/// </summary>
/// <param name="data">The folder of the tasks.</param>
/// <param name="folder">The folder of the results.</param>
/// <param name="identify">Says what the result of a run on such data depends on.</param>
/// <param name="train">Trains and tests; the folder is the run's own, for what a run needs to resume.</param>
internal sealed class Suite(
    string data, string folder, Func<SuiteRun, SuiteData, SuiteIdentity> identify,
    Func<SuiteRun, LabelledTask, string, CancellationToken, SuiteOutcome> train)
{
    private readonly SuiteStore _store = new(folder);

    /// <summary>Told all results that are there: before the first training, and after each.</summary>
    public Action<IReadOnlyList<SuiteResult>>? Changed { get; init; }

    /// <summary>Who takes turns at the runs; null: this process has all.</summary>
    public Communicator? Ranks { get; init; }

    /// <summary>What gives the results, where ranks are to agree in it.</summary>
    public string Arithmetic { get; init; } = "";

    /// <summary>Told the folder of a run whose result was just kept.</summary>
    public Action<string>? Finished { get; init; }

    /// <summary>The tasks of which all parts are there.</summary>
    public static IReadOnlyList<GueTask> TasksIn(string data) =>
        [.. GueTasks.All.Where(
            task => new[] { "train", "dev", "test" }.All(part => LabelledTask.HasPart(Path.Combine(data, task.Name), part)))];

    /// <summary>The runs of a suite, in the order of tables.</summary>
    public static IEnumerable<SuiteRun> Runs(SuiteOptions options)
    {
        foreach (GueTask task in options.Tasks)
            foreach (SuiteMethod method in options.Methods)
                foreach (ulong seed in method == SuiteMethod.Kmer ? [0] : options.Seeds)
                    yield return new SuiteRun(task, method, seed);
    }

    /// <summary>Runs what is not finished, and returns all results.</summary>
    /// <param name="options">What to run.</param>
    /// <param name="progress">Told before and after each run.</param>
    /// <param name="cancellation">Ends the suite; what is finished is kept.</param>
    /// <exception cref="InvalidDataException">
    /// The data of a task is at fault, found before any training, or a result is damaged.
    /// </exception>
    /// <exception cref="IOException">The folder of a run holds files that are no run's.</exception>
    public IReadOnlyList<SuiteResult> Run(SuiteOptions options, IProgress<SuiteProgress>? progress, CancellationToken cancellation)
    {
        SuiteRun[] runs = [.. Runs(options)];
        var found = new Dictionary<GueTask, SuiteData>();
        foreach (GueTask task in options.Tasks) found[task] = SuiteData.Of(Read(task, options.OnEmpty, cancellation));
        if (Ranks is not null) Agree(Ranks, runs, found);
        var again = new string?[runs.Length];
        if (Ranks is null or { IsRoot: true })
            for (int i = 0; i < runs.Length; i++) again[i] = _store.Prepare(runs[i], identify(runs[i], found[runs[i].Task]));
        Ranks?.Barrier();
        var results = new SuiteResult?[runs.Length];
        for (int i = 0; i < runs.Length; i++)
            if (_store.Has(runs[i])) results[i] = _store.Read(runs[i], found[runs[i].Task]);
        Changed?.Invoke([.. results.OfType<SuiteResult>()]);
        // What is finished is the same to all ranks before the first one goes on.
        Ranks?.Barrier();

        (GueTask? Task, LabelledTask? Data) read = default;
        for (int i = 0, turn = 0; i < runs.Length; i++)
        {
            cancellation.ThrowIfCancellationRequested();
            bool kept = results[i] is not null;
            if (!kept && Ranks is not null && turn++ % Ranks.Size != Ranks.Rank) continue;
            if (!kept)
            {
                progress?.Report(new SuiteProgress(runs[i], i + 1, runs.Length, null, Kept: false, again[i]));
                if (read.Task != runs[i].Task) read = (runs[i].Task, Read(runs[i].Task, options.OnEmpty, cancellation));
                results[i] = Run(runs[i], read.Data!, found[runs[i].Task], cancellation);
                Changed?.Invoke([.. results.OfType<SuiteResult>()]);
                Finished?.Invoke(_store.FolderOf(runs[i]));
            }

            progress?.Report(new SuiteProgress(runs[i], i + 1, runs.Length, 100 * results[i]!.Scores[runs[i].Task.Metric], kept));
        }

        return Ranks is null ? [.. results.OfType<SuiteResult>()] : Gather(Ranks, runs, results, found);
    }

    /// <summary>Holds that ranks have the same runs, on the same data.</summary>
    private void Agree(Communicator ranks, SuiteRun[] runs, Dictionary<GueTask, SuiteData> found) => RankAgreement.Check(
        ranks,
        [
            ("the version of the program", RankAgreement.Version), ("what computes", Arithmetic), ("the number of runs", $"{runs.Length}"),
            .. runs.Select(run => ($"what {run.Folder} depends on, by its checksum,", identify(run, found[run.Task]).Hash)),
        ]);

    /// <summary>Reads the results of all ranks, once they are there.</summary>
    private IReadOnlyList<SuiteResult> Gather(
        Communicator ranks, SuiteRun[] runs, SuiteResult?[] results, Dictionary<GueTask, SuiteData> found)
    {
        ranks.Barrier();
        for (int i = 0; i < runs.Length; i++) results[i] ??= _store.Read(runs[i], found[runs[i].Task]);
        Changed?.Invoke([.. results.OfType<SuiteResult>()]);
        return [.. results.OfType<SuiteResult>()];
    }

    private SuiteResult Run(SuiteRun run, LabelledTask task, SuiteData found, CancellationToken cancellation)
    {
        if (!SuiteData.Of(task).Parts.SequenceEqual(found.Parts))
            throw new InvalidDataException(
                $"{task.Folder}: the data changed while other tasks were at work; begin again, and what is finished is kept");
        _store.Begin(run, identify(run, found));
        SuiteOutcome outcome = train(run, task, _store.FolderOf(run), cancellation);
        _store.Write(new SuiteResult(run, task.Names, [.. task.Test!.Select(row => row.Target)], outcome, found));
        return _store.Read(run, found);
    }

    private LabelledTask Read(GueTask task, EmptyRecords onEmpty, CancellationToken cancellation)
    {
        var reading = new LabelledReading { OnEmpty = onEmpty };
        LabelledTask read = LabelledTask.Read(Path.Combine(data, task.Name), reading: reading, cancellation: cancellation);
        if (read.Names.Count != task.Classes)
            throw new InvalidDataException(
                $"{read.Train!.Path}: there are {read.Names.Count} classes, and {task.Name} has "
                + $"{task.Classes}; check that this is its data");
        // Names are fields of predictions.tsv.
        if (read.Names.FirstOrDefault(name => name.Any(char.IsControl)) is { } odd)
            throw new InvalidDataException(
                $"{read.Train!.Path}: class {read.Names.IdOf(odd)} has a tab or line break in its name; rename it");
        return read;
    }
}
