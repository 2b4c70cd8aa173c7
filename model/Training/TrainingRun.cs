using System.Diagnostics;
using Dnabert2.Files;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime.Collectives;

namespace Dnabert2.Training;

/// <summary>The steps of a run: what one computes depends on the parameters, the moments and its number alone.</summary>
internal interface ITrainingStep : IDisposable
{
    /// <summary>The model that is trained.</summary>
    SequenceModel Model { get; }

    AdamW Optimizer { get; }

    /// <summary>The samples of the last step whose loss or gradients were not finite, in words.</summary>
    string NonFiniteSamples { get; }

    /// <summary>Runs a step, counted from 0.</summary>
    StepResult Run(int step, double learningRate);
}

/// <summary>What a run is on, its evaluation, and the weights of its checkpoints.</summary>
internal interface ITrainingTask
{
    RunIdentity Identity { get; }

    /// <summary>The files of weights in a checkpoint.</summary>
    IReadOnlyList<string> WeightFiles { get; }

    /// <summary>Evaluates the model after a step and logs the result, if there is a log.</summary>
    /// <returns>The mean loss, by which the best checkpoint is chosen.</returns>
    double Evaluate(int step, RunLog? log);

    /// <summary>Writes the weights into the folder of a checkpoint.</summary>
    void Save(string checkpoint);

    /// <summary>Reads the weights of a checkpoint whose state agrees with <see cref="Identity"/>.</summary>
    void Load(string checkpoint, RunState state);
}

/// <summary>
/// How long a run is, and what it does between its steps. A checkpoint that is due comes with an evaluation, if there is anything to
/// evaluate on. After <c>Patience</c> evaluations without a lower loss the run stops; null: it never stops early.
/// </summary>
internal sealed record RunPlan(
    Schedule Schedule, int EvaluateEvery, int CheckpointEvery, int KeepCheckpoints, int MaxNonFinite, LogLayout Log,
    bool Evaluates = true, int? Patience = null)
{
    /// <summary>Steps of the run.</summary>
    public int Steps => Schedule.Total;
}

/// <summary>A step that was run, and what followed it: the loss of an evaluation, whether that was the best so far, a checkpoint.</summary>
internal readonly record struct CompletedStep(
    StepResult Result, double LearningRate, double Seconds, double? EvaluationLoss = null, bool IsBest = false, string? Checkpoint = null);

/// <summary>
/// The loop of pre-training and fine-tuning: steps, evaluations and checkpoints, logged in the run's folder. A run that was interrupted
/// goes on from its last checkpoint to the same weights, bit for bit, on the same machine. Of several ranks each does the same, but for the
/// files, which are those of rank 0.
/// </summary>
internal sealed class TrainingRun : IDisposable
{
    private const string OptimizerFile = "optimizer.safetensors";
    private readonly ITrainingTask _task;
    private readonly ITrainingStep _step;
    private readonly RunFolder _folder;
    private readonly CheckpointStore _checkpoints;
    private readonly RunPlan _plan;
    private readonly RunLog? _log;
    private readonly Communicator? _ranks;

    /// <summary>Prepares a run; where the folder has a checkpoint, it goes on from the last one.</summary>
    /// <param name="task">What it is on.</param>
    /// <param name="step">Its steps; the caller disposes them.</param>
    /// <param name="folder">Claimed for the run.</param>
    /// <param name="checkpoints">Those of the folder.</param>
    /// <param name="plan">How long it is.</param>
    /// <param name="ranks">Who shares its steps; null: this process alone.</param>
    /// <exception cref="InvalidDataException">
    /// The checkpoint is damaged, or of other data or options; or ranks differ in what they are to do.
    /// </exception>
    public TrainingRun(
        ITrainingTask task, ITrainingStep step, RunFolder folder, CheckpointStore checkpoints, RunPlan plan, Communicator? ranks = null)
    {
        (_task, _step, _folder, _checkpoints, _plan, _ranks) = (task, step, folder, checkpoints, plan, ranks);
        State = checkpoints.Steps is [.., int last] ? Restore(last) : new RunState();
        if (ranks is not null) RankAgreement.Check(ranks, task, step, State);
        if (IsRoot) _log = new RunLog(folder.Path, State.Log, plan.Log, folder.Disk);
    }

    /// <summary>Where the run stands.</summary>
    public RunState State { get; }

    private bool IsRoot => _ranks is null or { IsRoot: true };

    private List<(string Name, Tensor Tensor)> Moments => TensorFile.Moments(_step.Model.Parameters, _step.Optimizer);

    private bool IsStopped =>
        _plan.Patience is { } patience && State.Step % _plan.EvaluateEvery == 0
            && (State.Step - State.BestStep) / _plan.EvaluateEvery >= patience;

    /// <summary>Trains to the last step, or until the loss has not fallen for as long as the plan bears.</summary>
    /// <param name="report">Called after each step, on this thread.</param>
    /// <param name="cancellation">Ends the run after the current step, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">It was cancelled before its last step; the checkpoint is written.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// Too many steps in a row were skipped, or weights or moments are not finite: no checkpoint is written of them.
    /// </exception>
    public void Run(Action<CompletedStep> report, CancellationToken cancellation)
    {
        while (State.Step < _plan.Steps && !IsStopped)
        {
            CompletedStep done = Step();
            bool last = State.Step == _plan.Steps, cancelled = IsCancelled(cancellation);
            bool save = last || State.Step % _plan.CheckpointEvery == 0;
            if (_plan.Evaluates && (save || State.Step % _plan.EvaluateEvery == 0))
            {
                // Not cancellable: a resumed run would lack it.
                double loss = _task.Evaluate(State.Step, _log);
                done = done with { EvaluationLoss = loss, IsBest = save && loss < State.BestLoss };
                if (done.IsBest) (State.BestStep, State.BestLoss) = (State.Step, loss);
            }

            if (save || cancelled) done = done with { Checkpoint = Save() };
            report(done);
            if (cancelled && !last) throw new OperationCanceledException(cancellation);
        }

        _log?.Flush();
    }

    /// <summary>Closes the log.</summary>
    public void Dispose() => _log?.Dispose();

    // All ranks end after the same step.
    private bool IsCancelled(CancellationToken cancellation) =>
        _ranks?.Any(cancellation.IsCancellationRequested) ?? cancellation.IsCancellationRequested;

    private CompletedStep Step()
    {
        double learningRate = _plan.Schedule.At(State.Step);
        long start = Stopwatch.GetTimestamp();
        StepResult result = _step.Run(State.Step, learningRate);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        State.Step++;
        State.Tokens += result.Tokens;
        State.Seconds += seconds;
        State.OptimizerSteps = _step.Optimizer.Steps;
        State.Skipped += result.Updated ? 0 : 1;
        State.SkippedInRow = result.Updated ? 0 : State.SkippedInRow + 1;
        _log?.Add(State.Step, result, learningRate, State.Seconds, seconds);
        if (State.SkippedInRow >= _plan.MaxNonFinite) throw Diverged(result);
        return new CompletedStep(result, learningRate, seconds);
    }

    /// <summary>Writes a checkpoint, and deletes older ones; no rank goes on before it is there.</summary>
    private string Save()
    {
        if (_log is not null) Write(_log);
        _ranks?.Barrier();
        return _checkpoints.PathOf(State.Step);
    }

    private void Write(RunLog log)
    {
        State.Log = log.Flush();
        _checkpoints.Write(State.Step, folder =>
        {
            _task.Save(folder);
            TensorFile.Write(Path.Combine(folder, OptimizerFile), _step.Model.Backend, Moments, disk: _folder.Disk);
            ResultFiles.Write(Path.Combine(folder, RunState.FileName), State.Write(_task.Identity), _folder.Disk);
        });
        _checkpoints.Keep(_plan.KeepCheckpoints, State.BestStep);
    }

    private RunState Restore(int step)
    {
        _checkpoints.Check(step, [.. _task.WeightFiles, OptimizerFile, RunState.FileName]);
        string checkpoint = _checkpoints.PathOf(step);
        RunState state = RunState.Read(Path.Combine(checkpoint, RunState.FileName), _task.Identity);
        _task.Load(checkpoint, state);
        _step.Model.Parameters.Round();
        TensorFile.Read(Path.Combine(checkpoint, OptimizerFile), _step.Model.Backend, Moments);
        _step.Optimizer.Steps = state.OptimizerSteps;
        // A process that ended just after writing the checkpoint did not get this far.
        if (IsRoot) _checkpoints.Keep(_plan.KeepCheckpoints, state.BestStep);
        return state;
    }

    private NotFiniteNumberException Diverged(StepResult result)
    {
        string what = double.IsFinite(result.Loss) ? $"gradient norm {result.GradientNorm}" : $"loss {result.Loss}";
        _log?.Flush();
        return new NotFiniteNumberException(
            $"the last {State.SkippedInRow} steps were skipped because loss or gradients were not finite: " +
            $"step {State.Step} has {what} in {_step.NonFiniteSamples}; " +
            "lower the learning rate, lengthen the warm-up or clip gradients, and resume from the last checkpoint",
            result.Loss);
    }
}
