using Dnabert2.Adapters;
using Dnabert2.Files;
using Dnabert2.FineTuning.Suites;
using Dnabert2.Folders;
using Dnabert2.Metrics;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Dnabert2.FineTuning;

/// <summary>
/// Fine-tunes a model on a labelled task, in a folder of its own. The dev loss is measured at intervals, each time with a checkpoint;
/// in the end the model of the lowest dev loss is measured on the test set and written to the folder as
/// <see cref="ClassifierModel.Load(string, Backend?)"/> reads it, with <c>finetune.json</c>, <c>train.csv</c>, <c>evaluation.csv</c>,
/// TensorBoard events and <c>loss.svg</c> beside it. A run that was interrupted, even killed, goes on from its last checkpoint to the same
/// weights, bit for bit, on the same machine.
/// </summary>
/// <example>
/// <code>
/// LabelledTask task = LabelledTask.Read("GUE/mouse/0");
/// FineTuneOptions options = GueTasks.Find("mouse/0")!.Apply(new FineTuneOptions { Method = FineTuneMethod.Lora });
/// using var run = new FineTuner(ModelSource.BuiltIn, task, "run", options);
/// FineTuneResult result = run.Run();
/// using ClassifierModel classifier = ClassifierModel.Load("run");
/// </code>
/// </example>
public sealed class FineTuner : ITrainingTask, IDisposable
{
    private const string Format = "dnabert2-fine-tuning";
    private const string TrainedFile = "trained.safetensors";
    private readonly RunFolder _folder;
    private readonly bool _ownsFolder;
    private readonly Communicator? _ranks;
    private readonly ModelSource _start;
    private readonly string _taskFolder, _hash;
    private readonly FineTuneOptions _options;
    private readonly TaskData _data;
    private readonly TaskLoss _loss;
    private readonly Backend? _owned;
    private readonly SequenceModel? _model;
    private readonly FineTuningStep? _step;
    private readonly Classification? _classification;
    private readonly CheckpointStore _checkpoints;
    private readonly TrainingRun? _run;
    private readonly FineTuneResult? _finished;

    /// <summary>Prepares a run.</summary>
    /// <param name="start">The folder of the model to begin with, pre-trained or fine-tuned before; see <see cref="ModelSource"/>.</param>
    /// <param name="task">The data, with train, dev and test.</param>
    /// <param name="folder">The run's folder; made if there is none.</param>
    /// <param name="options">The recipe; null: the paper's.</param>
    /// <param name="backend">Where to run; null: the CPU, on all cores. The caller disposes a backend that it gives, after the run.</param>
    /// <param name="resume">Whether to go on from the folder's last checkpoint, where it has one; a finished run is finished.</param>
    /// <exception cref="InvalidDataException">
    /// The model's folder is damaged, or the checkpoint is damaged or of another model, data or recipe.
    /// </exception>
    /// <exception cref="IOException">
    /// A file is missing; the folder holds a run that is not to be resumed, or what is not of a run, or an input, or is in use by another
    /// process (<see cref="RunFolder.Claim"/>).
    /// </exception>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public FineTuner(
        string start, LabelledTask task, string folder, FineTuneOptions? options = null, Backend? backend = null, bool resume = false)
        : this(ModelSource.Open(start), task, folder, options, backend, resume)
    {
    }

    /// <summary>Prepares a run; see the other constructor.</summary>
    /// <param name="start">
    /// The model to begin with; an adapter's additions are merged into its base, which is then trained as a plain model.
    /// </param>
    /// <param name="task">As above.</param>
    /// <param name="folder">As above.</param>
    /// <param name="options">As above.</param>
    /// <param name="backend">As above.</param>
    /// <param name="resume">As above.</param>
    public FineTuner(
        ModelSource start, LabelledTask task, string folder, FineTuneOptions? options = null, Backend? backend = null, bool resume = false)
        : this(start, task, RunFolder.Claim(folder, Kind, resume, Inputs(start, task)), ownsFolder: true, options, backend, ranks: null)
    {
    }

    /// <summary>
    /// Prepares a run in a folder that was taken for it before the data were read; it goes on from the last checkpoint there.
    /// </summary>
    /// <param name="start">As above.</param>
    /// <param name="task">As above.</param>
    /// <param name="folder">
    /// Taken for <see cref="Kind"/>, of ranks other than 0 by <see cref="RunFolder.Follow"/>; the caller lets go of it after the run.
    /// </param>
    /// <param name="options">As above.</param>
    /// <param name="backend">As above.</param>
    /// <param name="ranks">
    /// Who shares each step (<see cref="FineTuneOptions.Shards"/>); null: this process alone. All ranks read model, data and folder, rank 0
    /// alone writes.
    /// </param>
    /// <exception cref="InvalidDataException">As above; or ranks differ in program, data, options, weights or arithmetic.</exception>
    /// <exception cref="IOException">A file is missing.</exception>
    /// <exception cref="ArgumentException">As above; or there are more ranks than shards.</exception>
    public FineTuner(
        ModelSource start, LabelledTask task, RunFolder folder, FineTuneOptions? options = null, Backend? backend = null,
        Communicator? ranks = null)
        : this(start, task, folder, ownsFolder: false, options, backend, ranks)
    {
    }

    private FineTuner(
        ModelSource start, LabelledTask task, RunFolder folder, bool ownsFolder, FineTuneOptions? options, Backend? backend,
        Communicator? ranks)
    {
        ArgumentNullException.ThrowIfNull(folder);
        (_folder, _ownsFolder, _options, _ranks) = (folder, ownsFolder, options ?? new FineTuneOptions(), ranks);
        try
        {
            ArgumentNullException.ThrowIfNull(start);
            ArgumentNullException.ThrowIfNull(task);
            (_start, _taskFolder) = (start, task.Folder);
            if (start.Architecture.RefusalOf(task) is { } why)
                throw new InvalidDataException($"{task.Folder}: {why}; take another model, or read the labels otherwise");
            _options = FineTuneModel.Resolved(_options, start);
            _checkpoints = new CheckpointStore(folder.Path, folder.Disk);
            if (IsRoot) _checkpoints.CleanUp();
            _data = new TaskData(task, start.LoadTokenizer(), _options);
            _hash = _data.Hash(FineTuneModel.HashOf(start, _options));
            Steps = _options.StepsOf(_data.Train.Count);
            _loss = new TaskLoss(_data.Config, _options.ClassWeights, _data.Train.Targets);
            if (FineTuneRecord.Read(folder.Path) is { } record)
            {
                Check(record);
                (_finished, NewWeights) = (record.Result, record.Fresh);
                if (IsRoot) _checkpoints.Delete();
                return;
            }

            if (backend is null) backend = _owned = CpuBackend.Create();
            _model = FineTuneModel.Create(start, _data.Config, _options, backend, out IReadOnlyList<string> fresh);
            NewWeights = fresh;
            if (_model.Padding is { } padding) _data.Check(padding, _taskFolder);
            _step = new FineTuningStep(_model, _data.Train, _loss, _options, ranks);
            _classification = new Classification(_model, _options.MicroBatchTokens) { Ranks = ranks };
            var plan = new RunPlan(
                new Schedule(_options.PeakLearningRate, _options.WarmupSteps, Steps), _options.EvaluateEvery, _options.EvaluateEvery,
                KeepCheckpoints: 1, _options.MaxNonFinite, LogLayout.FineTuning, Patience: _options.Patience);
            _run = new TrainingRun(this, _step, folder, _checkpoints, plan, ranks);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What such a run makes in its folder.</summary>
    public static RunKind Kind { get; } = new(
        "fine-tuning",
        [
            CheckpointStore.FolderName, RunLog.TrainFile, RunLog.EvaluationFile, LogLayout.FineTuning.EventsFile, LossCurve.FileName,
            FineTuneRecord.FileName, FineTunedFolder.BaseFolder, AdapterConfig.FileName, LoraAdapter.WeightFile, .. ModelFolder.AllFiles,
        ],
        folder => CheckpointStore.IsIn(folder, Format) || RunLog.IsIn(folder, LogLayout.FineTuning) || FineTuneRecord.IsIn(folder),
        HoldsRun);

    /// <summary>
    /// Finds what can be wrong with options and model before data are read: values out of their range, a folder without a sound
    /// configuration and tokenizer, low-rank additions to layers that the model does not have.
    /// </summary>
    /// <param name="start">The model to begin with.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="backend">Where to run.</param>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    /// <exception cref="InvalidDataException">The folder is damaged.</exception>
    /// <exception cref="IOException">A file is missing.</exception>
    public static void Check(ModelSource start, FineTuneOptions options, Backend backend)
    {
        ArgumentNullException.ThrowIfNull(start);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(backend);
        FineTuneModel.Check(start, options, backend);
    }

    /// <summary>Whether a run was begun in a folder, or has come to its end there.</summary>
    public static bool HoldsRun(string folder) =>
        File.Exists(Path.Combine(folder, FineTuneRecord.FileName)) || new CheckpointStore(folder).Steps.Length > 0;

    /// <summary>Steps of the whole run.</summary>
    public int Steps { get; }

    /// <summary>Steps done.</summary>
    public int Step => _finished?.Steps ?? _run!.State.Step;

    /// <summary>What began with new weights: of encoder, pooler and classifier.</summary>
    public IReadOnlyList<string> NewWeights { get; } = [];

    /// <summary>The number of trained values, and that of all; 0 of a run that was finished before.</summary>
    public (long Trained, long All) Parameters => _model is null ? default :
        (_model.Parameters.Parameters.Where(p => p.TiedTo is null && p.IsTrained).Sum(p => p.Shape.Count), _model.Parameters.Count);

    /// <summary>What was truncated, a line for each part; none where nothing was.</summary>
    public IEnumerable<string> Truncation => _data.DescribeTruncation();

    /// <summary>The model as it is trained; for tests.</summary>
    internal SequenceModel? Model => _model;

    /// <summary>Trains to the end and measures the best model.</summary>
    /// <param name="progress">Told after each step, on this thread.</param>
    /// <param name="cancellation">Ends the run after the step at work, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">It was cancelled; the checkpoint is written.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// Loss or gradients were not finite <see cref="FineTuneOptions.MaxNonFinite"/> times in a row, or no dev loss was; the message names
    /// the rows. Or weights or moments are not finite: nothing is written of them, and the message names the tensor.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written, or the disk is full; earlier checkpoints are left as they were.</exception>
    public FineTuneResult Run(IProgress<FineTuneProgress>? progress = null, CancellationToken cancellation = default)
    {
        if (_finished is not null) return _finished;
        RunState state = _run!.State;
        _run.Run(Report, cancellation);
        return Finish(state, cancellation);

        void Report(CompletedStep done)
        {
            StepResult result = done.Result;
            progress?.Report(new FineTuneProgress(
                state.Step, Steps, result.Loss, done.LearningRate, result.GradientNorm, !result.Updated, state.Tokens, done.EvaluationLoss,
                done.IsBest, done.Checkpoint));
        }
    }

    /// <summary>Returns the memory and closes the files.</summary>
    public void Dispose()
    {
        _step?.Dispose();
        _classification?.Dispose();
        _run?.Dispose();
        _model?.Dispose();
        _owned?.Dispose();
        if (_ownsFolder) _folder.Dispose();
    }

    /// <summary>Removes a run and what it has made, but nothing else that lies in its folder.</summary>
    internal static void Remove(string folder)
    {
        if (!RunFolder.IsMarked(folder)) return;
        using (RunFolder run = RunFolder.Claim(folder, Kind, resume: true))
        {
            new CheckpointStore(folder).Delete();
            string start = Path.Combine(folder, FineTunedFolder.BaseFolder);
            IEnumerable<string> files = [.. run.Files, .. ModelFolder.AllFiles.Select(file => Path.Combine(start, file))];
            foreach (string file in files.Where(File.Exists)) File.Delete(file);
            RunFolder.RemoveEmpty(start);
        }

        RunFolder.RemoveEmpty(folder);
    }

    private static IEnumerable<string> Inputs(ModelSource start, LabelledTask task) =>
        task is null || start is null ? [] : [.. start.Folders, task.Folder];

    private bool IsRoot => _ranks is null or { IsRoot: true };

    RunIdentity ITrainingTask.Identity => new(
        Format, "data_sha256", _hash, "other data or another model; resume with the same files",
        json => FineTuneOptionsJson.Difference(FineTuneOptionsJson.Read(json), _options),
        json => FineTuneOptionsJson.Write(json, _options));

    IReadOnlyList<string> ITrainingTask.WeightFiles => [TrainedFile];

    double ITrainingTask.Evaluate(int step, RunLog? log)
    {
        double loss = Mean(_data.Dev, Logits(_data.Dev, CancellationToken.None));
        log?.Add(step, _data.Dev.Count, loss);
        return loss;
    }

    void ITrainingTask.Save(string checkpoint) =>
        TensorFile.Write(Path.Combine(checkpoint, TrainedFile), _model!.Backend, TensorFile.Trained(_model), disk: _folder.Disk);

    void ITrainingTask.Load(string checkpoint, RunState state)
    {
        // Needed in the end; it is better known now.
        if (state.BestStep > 0 && _checkpoints.PathOf(state.BestStep) != checkpoint) CheckBest(state.BestStep);
        ReadTrained(checkpoint);
    }

    private void ReadTrained(string checkpoint) =>
        TensorFile.Read(Path.Combine(checkpoint, TrainedFile), _model!.Backend, TensorFile.Trained(_model));

    private float[] Logits(TaskPart part, CancellationToken cancellation) =>
        part.Logits(_data.Config.Kind, _classification!.Run(part.Sequences, cancellation));

    private double Mean(TaskPart part, float[] logits) => _loss.Mean(part.Targets, _model!.LossInputs(logits));

    private void CheckBest(int step)
    {
        try
        {
            _checkpoints.Check(step, TrainedFile, RunState.FileName);
        }
        catch (InvalidDataException e)
        {
            throw new InvalidDataException(
                $"{e.Message}, and those after it: they refer to it as the checkpoint of the lowest dev loss", e);
        }
    }

    /// <summary>Measures the best model, writes it, and then removes the checkpoints.</summary>
    private FineTuneResult Finish(RunState state, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        if (state.BestStep == 0)
            throw new NotFiniteNumberException(
                "no dev loss was finite; lower the learning rate, lengthen the warm-up or clip gradients, and start a new run");
        CheckBest(state.BestStep);
        ReadTrained(_checkpoints.PathOf(state.BestStep));
        _model!.Parameters.Round();
        float[] dev = Logits(_data.Dev, cancellation), test = Logits(_data.Test, cancellation);
        var result = new FineTuneResult(
            state.Step, state.BestStep, Mean(_data.Dev, dev), Mean(_data.Test, test),
            FineTuneResult.Of(TaskScores.Compute(_data.Config.Kind, _data.Dev.Targets, dev)),
            FineTuneResult.Of(TaskScores.Compute(_data.Config.Kind, _data.Test.Targets, test)), state.Seconds);
        if (!double.IsFinite(result.TestLoss))
            throw new NotFiniteNumberException(
                $"the loss of the best model on the test set is {result.TestLoss}; lower the learning rate, and start a new run",
                result.TestLoss);
        if (IsRoot) Write(result);
        _ranks?.Barrier();
        return result;
    }

    private void Write(FineTuneResult result)
    {
        string unit = _data.Config.Kind == TaskKind.Regression ? "squared error" : "nats";
        LossCurve.Draw(_folder.Path, column: 3, "dev", unit, "dev", _folder.Disk);
        FineTunedFolder.Write(_model!, _start, _options, _data.Config, _folder);
        TaskPart[] parts = [_data.Train, _data.Dev, _data.Test];
        new FineTuneRecord(
            _hash, _start.Folder, _taskFolder, _options, NewWeights, Array.ConvertAll(parts, p => p.Count),
            Array.ConvertAll(parts, p => p.Sequences.Truncated), result).Write(_folder.Path, _folder.Disk);
        _checkpoints.Delete();
    }

    private void Check(FineTuneRecord record)
    {
        const string otherwise = "or begin a new run in another folder";
        string path = Path.Combine(_folder.Path, FineTuneRecord.FileName);
        if (record.Data != _hash)
            throw new InvalidDataException($"{path}: the run was on other data or another model; resume with the same files, {otherwise}");
        if (FineTuneOptionsJson.Difference(record.Options, _options) is { } difference)
            throw new InvalidDataException(
                $"{path}: the run was made with other options: {difference}; resume with the same ones, {otherwise}");
    }
}
