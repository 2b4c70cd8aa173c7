using Dnabert2.Files;
using Dnabert2.FineTuning.Baselines;
using Dnabert2.Folders;
using Dnabert2.Training;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Dnabert2.FineTuning.Suites;

/// <summary>
/// Measures a model on tasks of GUE beside the results of the paper. In the folder of the results are <c>table.tsv</c>, <c>table.md</c> and
/// <c>report.html</c>, written anew after each run, and below <c>runs/</c> each run's <c>result.json</c> and <c>predictions.tsv</c>. A run
/// that is finished is not run again, and one that was interrupted goes on from its last checkpoint, as long as data, model, recipe and
/// precision are the same by content; otherwise it runs again, and the former result is set aside.
/// </summary>
public sealed class SuiteEvaluation
{
    internal const string ModelFolderName = "model";
    private const string NetworkFolder = "network", NetworkName = "cnn";
    private const string OlderFile = "suite.json", TableFile = "table.tsv", MarkdownFile = "table.md", PageFile = "report.html",
        PaperFile = "paper-table.tsv";
    private readonly ModelSource? _model;
    private readonly string _data, _folder;
    private readonly SuiteRecipe _recipe;
    private readonly Backend _backend;
    private readonly int _threads;
    private readonly RunFolder? _claimed;
    private readonly Communicator? _ranks;

    /// <summary>Prepares it.</summary>
    /// <param name="model">
    /// The model that is measured; null: the convolutional network of Genomic Benchmarks, made new of each task's training set
    /// (<see cref="NewNetwork"/>).
    /// </param>
    /// <param name="data">The folder of the tasks: <c>mouse/0</c> and so on are folders in it.</param>
    /// <param name="folder">The folder of the results; made if there is none.</param>
    /// <param name="recipe">How models are fine-tuned; the paper's recipe if null.</param>
    /// <param name="backend">Where to run.</param>
    /// <param name="threads">Threads of the baseline, to 1,024; 0: one a core.</param>
    /// <exception cref="ArgumentException">A value of the recipe, or the number of threads, is out of its range.</exception>
    public SuiteEvaluation(ModelSource? model, string data, string folder, SuiteRecipe? recipe, Backend backend, int threads = 0)
        : this(model, data, null, folder, recipe, backend, threads, ranks: null)
    {
    }

    /// <summary>Prepares it in a folder that was taken before anything was read.</summary>
    /// <param name="model">As above.</param>
    /// <param name="data">As above.</param>
    /// <param name="folder">
    /// Taken for <see cref="Kind"/>, of ranks other than 0 by <see cref="RunFolder.Follow"/>; the caller lets go of it in the end.
    /// </param>
    /// <param name="recipe">As above.</param>
    /// <param name="backend">As above.</param>
    /// <param name="threads">As above.</param>
    /// <param name="ranks">
    /// Who takes turns at the runs; null: this process has all. All ranks see the folder, and rank 0 writes the tables.
    /// </param>
    /// <exception cref="ArgumentException">As above.</exception>
    public SuiteEvaluation(
        ModelSource? model, string data, RunFolder folder, SuiteRecipe? recipe, Backend backend, int threads = 0,
        Communicator? ranks = null)
        : this(model, data, folder ?? throw new ArgumentNullException(nameof(folder)), folder.Path, recipe, backend, threads, ranks)
    {
    }

    private SuiteEvaluation(
        ModelSource? model, string data, RunFolder? claimed, string folder, SuiteRecipe? recipe, Backend backend, int threads,
        Communicator? ranks)
    {
        ArgumentException.ThrowIfNullOrEmpty(folder);
        ArgumentNullException.ThrowIfNull(backend);
        recipe?.Validate();
        OptionRange.Check(nameof(threads), threads, 0, 1024);
        if (!Directory.Exists(data))
            throw new DirectoryNotFoundException(
                $"{data}: no such folder; the data of GUE is a folder with folders such as mouse/0 and prom/prom_core_tata");
        (_model, _data, _claimed, _folder, _ranks) = (model, data, claimed, folder, ranks);
        (_recipe, _backend, _threads) = (recipe ?? new SuiteRecipe(), backend, threads);
    }

    /// <summary>What an evaluation makes in its folder.</summary>
    public static RunKind Kind { get; } = new(
        "evaluation", [SuiteRun.FolderName, TableFile, MarkdownFile, PageFile, PaperFile],
        folder => RunKind.BeginsWith(Path.Combine(folder, OlderFile), "model_sha256"), _ => false);

    /// <summary>Whether the fine-tuned models are kept, in the folder <c>model</c> of each run.</summary>
    public bool KeepModels { get; init; }

    /// <summary>
    /// A table of the paper that the results are written beside, as <c>paper-table.tsv</c>, which <see cref="Run"/> gives then; null: none.
    /// </summary>
    public PaperTable? Table { get; init; }

    /// <summary>The tasks in a folder of data that have train, dev and test.</summary>
    public static IReadOnlyList<GueTask> TasksIn(string data) => Suite.TasksIn(data);

    /// <summary>Runs what is not finished.</summary>
    /// <param name="options">What to run.</param>
    /// <param name="progress">Told before and after each run.</param>
    /// <param name="steps">Told after each step of fine-tuning.</param>
    /// <param name="cancellation">Ends it; what is finished is kept, and the run at work has a checkpoint.</param>
    /// <returns>The table, as in <c>table.tsv</c>, or with <see cref="Table"/> in <c>paper-table.tsv</c>.</returns>
    /// <exception cref="ArgumentException">
    /// An option of the recipe is out of its range, or the network of Genomic Benchmarks has no such method or takes no such task.
    /// </exception>
    /// <exception cref="InvalidDataException">
    /// The model or the data of a task is at fault, found before any training; a result is damaged.
    /// </exception>
    /// <exception cref="IOException">A file is missing, cannot be written, or the folder is in use or holds files of others.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public byte[] Run(
        SuiteOptions options, IProgress<SuiteProgress>? progress = null, IProgress<FineTuneProgress>? steps = null,
        CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        CheckNetwork(options);
        string[] inputs = [.. _model?.Folders ?? [], _data];
        using RunFolder? own = _claimed is not null ? null : RunFolder.Claim(_folder, Kind, resume: true, inputs);
        SuiteSetup setup = Setup();
        foreach (SuiteRun run in Suite.Runs(options))
            if (_model is not null && setup.OptionsOf(run) is { } recipe) FineTuneModel.Check(_model, recipe, _backend);
        var suite = new Suite(_data, _folder, setup.Identify, (run, task, folder, token) => Train(run, setup, task, folder, steps, token))
        {
            Changed = _ranks is null or { IsRoot: true } ? results => Write(new SuiteTable(results, setup)) : null,
            Finished = Tidy,
            Ranks = _ranks,
            Arithmetic = _backend.Arithmetic,
        };
        var results = new SuiteTable(suite.Run(options, progress, cancellation), setup);
        return Table is { } table ? PaperTables.Tsv(table, results) : results.Tsv();
    }

    private void Tidy(string run)
    {
        if (!KeepModels) FineTuner.Remove(Path.Combine(run, ModelFolderName));
    }

    /// <summary>Refuses what the network of Genomic Benchmarks has not.</summary>
    private void CheckNetwork(SuiteOptions options)
    {
        if (_model is not null) return;
        foreach (SuiteMethod method in options.Methods)
            if (method is SuiteMethod.Full or SuiteMethod.Lora)
                throw new ArgumentException(
                    $"{NetworkName}: there is no pre-trained network for {method.Name()}; its methods are random, which trains it, and "
                    + "kmer");
        if (options.Tasks.FirstOrDefault(task => task.Pairs) is { } pairs)
            throw new ArgumentException($"{NetworkName}: takes single sequences, and {pairs.Name} is of pairs; name other tasks");
    }

    private SuiteSetup Setup()
    {
        string precision = _backend.Precision.ToString().ToLowerInvariant();
        if (_model is null)
            return new SuiteSetup(NetworkName, SuiteModel.NewNetwork, null, new ModelContent("", "", ""), _recipe, precision);
        return new SuiteSetup(
            _model.Folder, SuiteModel.Of(_model), FineTuneModel.CountParameters(_model, _backend), ModelContent.Of(_model), _recipe,
            precision);
    }


    private void Write(SuiteTable table)
    {
        ResultFiles.Write(Path.Combine(_folder, TableFile), table.Tsv());
        ResultFiles.Write(Path.Combine(_folder, MarkdownFile), table.Markdown());
        ResultFiles.Write(Path.Combine(_folder, PageFile), SuitePage.Draw(table));
        if (Table is { } paper) ResultFiles.Write(Path.Combine(_folder, PaperFile), PaperTables.Tsv(paper, table));
    }

    private SuiteOutcome Train(
        SuiteRun run, SuiteSetup setup, LabelledTask task, string folder, IProgress<FineTuneProgress>? steps,
        CancellationToken cancellation)
    {
        if (setup.OptionsOf(run) is not { } options)
        {
            KmerBaseline baseline = KmerBaseline.Train(task.Train!, task.Dev!, new KmerOptions { Threads = _threads }, cancellation);
            return new SuiteOutcome(baseline.Logits(task.Test!), [], baseline.DevLoss, 0, 0, "CPU");
        }

        string model = Path.Combine(folder, ModelFolderName);
        ModelSource start = _model ?? NewNetwork.Write(task, Path.Combine(folder, NetworkFolder));
        options = FineTuneModel.Resolved(options, start);
        FineTuneResult tuned;
        using (var tuner = new FineTuner(start, task, model, options, _backend, resume: true)) tuned = tuner.Run(steps, cancellation);
        using ClassifierModel classifier = ClassifierModel.Load(model, _backend);
        var test = TaskPart.Of(task.Test!, classifier.Model.Tokenizer, options.MaxTokens!.Value, options.AverageReverseComplement);
        return new SuiteOutcome(
            test.Logits(task.Kind, classifier.Logits(test.Sequences, options.MicroBatchTokens, cancellation)),
            DevLosses(Path.Combine(model, RunLog.EvaluationFile)), tuned.DevLoss, test.Sequences.Truncated, tuned.Steps,
            _backend.Description);
    }

    /// <summary>The course of the dev loss from the log of a run: step, part, sequences, loss.</summary>
    private static List<DevLoss> DevLosses(string path) =>
        LogRows.Losses(path, column: 3, of: "dev").ConvertAll(row => new DevLoss((long)row.Step, row.Loss));
}
