using System.Diagnostics;
using Dnabert2.Data;
using Dnabert2.Files;
using Dnabert2.Folders;
using Engine.Runtime;
using Engine.Runtime.Collectives;

namespace Dnabert2.Training;

/// <summary>
/// Pre-trains a model, by masked language modelling or, where it is causal, on the next token, in a folder of its own:
/// <c>checkpoints/step-…</c>, each a model folder with the optimizer's moments and the run's state besides; <c>train.csv</c>,
/// <c>evaluation.csv</c> and TensorBoard events; <c>loss.svg</c> at the end. A run that was interrupted, even killed, goes on from its
/// last checkpoint to the same weights, bit for bit, on the same machine. Models of any architecture are trained alike; which tokens
/// are masked is for their tokenizer to say (<see cref="PretrainOptions.MaskProbability"/>).
/// </summary>
/// <example>
/// <code>
/// using Corpus corpus = CorpusBuilder.Build("corpus", [new CorpusSource("yeast", "yeast.fa.gz")], tokenizer);
/// using SequenceModel model = SequenceModel.Initialize(corpus.Tokenizer, seed: 1, trainable: true);
/// using var run = new Pretrainer(model, corpus, "run", new PretrainOptions { Steps = 1000, WarmupSteps = 100, GlobalBatch = 64 });
/// PretrainResult result = run.Run();
/// using SequenceModel trained = SequenceModel.Load(result.Checkpoint);
/// </code>
/// </example>
public sealed class Pretrainer : ITrainingTask, IDisposable
{
    private const string OptionsFile = "pretrain.json";
    private readonly SequenceModel _model;
    private readonly Corpus _corpus;
    private readonly RunFolder _folder;
    private readonly bool _ownsFolder;
    private readonly PretrainOptions _options;
    private readonly CheckpointStore _checkpoints;
    private readonly TrainingStep _step;
    private readonly Evaluator _evaluator;
    private readonly TrainingRun _run;
    private readonly bool _isRoot;
    private Evaluation? _evaluation;

    /// <summary>Prepares a run.</summary>
    /// <param name="model">
    /// With the head of its language model, initialised or loaded with <c>trainable: true</c>: new weights, or those from which training
    /// continues. A resumed run replaces them by those of its last checkpoint. The run trains this very model.
    /// </param>
    /// <param name="corpus">Made with the model's tokenizer.</param>
    /// <param name="folder">The run's folder; made if there is none.</param>
    /// <param name="options">The recipe; null: the paper's.</param>
    /// <param name="resume">Whether to go on from the folder's last checkpoint, where it has one.</param>
    /// <param name="start">
    /// What the model was loaded from, where it is to be told from others when the run is resumed; null: new weights, or that is not known.
    /// </param>
    /// <exception cref="InvalidDataException">
    /// The corpus was made with another tokenizer, or the checkpoint is damaged or of another architecture, start, corpus or recipe.
    /// </exception>
    /// <exception cref="IOException">
    /// The folder holds a run that is not to be resumed, or what is not of a run, or is in use by another process
    /// (<see cref="RunFolder.Claim"/>).
    /// </exception>
    /// <exception cref="ArgumentException">An option is out of its range, or the model cannot be trained.</exception>
    public Pretrainer(
        SequenceModel model, Corpus corpus, string folder, PretrainOptions? options = null, bool resume = false, ModelSource? start = null)
        : this(model, corpus, RunFolder.Claim(folder, Kind, resume), ownsFolder: true, options, start, ranks: null)
    {
    }

    /// <summary>
    /// Prepares a run in a folder that was taken for it before the corpus was built; it goes on from the last checkpoint there.
    /// </summary>
    /// <param name="model">As above.</param>
    /// <param name="corpus">As above.</param>
    /// <param name="folder">
    /// Taken for <see cref="Kind"/>, of ranks other than 0 by <see cref="RunFolder.Follow"/>; the caller lets go of it after the run.
    /// </param>
    /// <param name="options">As above.</param>
    /// <param name="start">As above.</param>
    /// <param name="ranks">
    /// Who shares each step (<see cref="PretrainOptions.Shards"/>); null: this process alone. All ranks read corpus and folder, rank 0
    /// alone writes.
    /// </param>
    /// <exception cref="InvalidDataException">As above; or ranks differ in program, data, options, weights or arithmetic.</exception>
    /// <exception cref="ArgumentException">As above; or there are more ranks than shards.</exception>
    public Pretrainer(
        SequenceModel model, Corpus corpus, RunFolder folder, PretrainOptions? options = null, ModelSource? start = null,
        Communicator? ranks = null)
        : this(model, corpus, folder, ownsFolder: false, options, start, ranks)
    {
    }

    private Pretrainer(
        SequenceModel model, Corpus corpus, RunFolder folder, bool ownsFolder, PretrainOptions? options, ModelSource? start,
        Communicator? ranks)
    {
        ArgumentNullException.ThrowIfNull(folder);
        _isRoot = ranks is null or { IsRoot: true };
        (_model, _corpus, _folder, _ownsFolder, _options) = (model, corpus, folder, ownsFolder, options ?? new PretrainOptions());
        try
        {
            Check(model, corpus, _options);
            _checkpoints = new CheckpointStore(folder.Path, folder.Disk);
            if (_isRoot)
            {
                _checkpoints.CleanUp();
                RunStart.Check(folder, start, begun: _checkpoints.Steps.Length > 0);
            }

            _step = new TrainingStep(model, corpus, _options, ranks);
            _evaluator = new Evaluator(model, corpus, _options.EvaluationWindows, _options.MaskProbability, _options.MicroBatchTokens)
            {
                Ranks = ranks,
            };
            var plan = new RunPlan(
                _options.Schedule, _options.EvaluateEvery, _options.CheckpointEvery, _options.KeepCheckpoints, _options.MaxNonFinite,
                LogLayout.Pretraining, Evaluates: corpus.Species.Any(s => s.HeldOut.Windows > 0));
            _run = new TrainingRun(this, _step, folder, _checkpoints, plan, ranks);
            if (_isRoot)
                ResultFiles.Write(Path.Combine(folder.Path, OptionsFile), PretrainOptionsJson.Write(_options), folder.Disk);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>What such a run makes in its folder.</summary>
    public static RunKind Kind { get; } = new(
        "pre-training",
        [CheckpointStore.FolderName, RunLog.TrainFile, RunLog.EvaluationFile, LogLayout.Pretraining.EventsFile, LossCurve.FileName,
            OptionsFile, RunStart.FileName],
        folder => CheckpointStore.IsIn(folder, RunIdentity.Pretraining) || RunLog.IsIn(folder, LogLayout.Pretraining),
        folder => new CheckpointStore(folder).Steps.Length > 0);

    /// <summary>Steps done.</summary>
    public int Step => _run.State.Step;

    /// <summary>The step as it is run; for tests.</summary>
    internal TrainingStep TrainingStep => _step;

    /// <summary>The options with which the run in a folder was begun, or null where there is none.</summary>
    /// <exception cref="InvalidDataException">The file of options is damaged.</exception>
    public static PretrainOptions? OptionsOf(string folder)
    {
        string path = Path.Combine(folder, OptionsFile);
        return File.Exists(path) ? PretrainOptions.Load(path) : null;
    }

    /// <summary>The last checkpoint of the run in a folder, or null where there is none.</summary>
    public static string? LastCheckpointOf(string folder)
    {
        var checkpoints = new CheckpointStore(folder);
        return checkpoints.Steps is [.., int last] ? checkpoints.PathOf(last) : null;
    }

    /// <summary>Trains to the last step.</summary>
    /// <param name="progress">Told after each step, on this thread.</param>
    /// <param name="cancellation">Ends the run after the step at work, with a checkpoint.</param>
    /// <exception cref="OperationCanceledException">It was cancelled; the checkpoint is written.</exception>
    /// <exception cref="NotFiniteNumberException">
    /// Loss or gradients were not finite <see cref="PretrainOptions.MaxNonFinite"/> times in a row; the message names the samples. Or
    /// weights or moments are not finite: no checkpoint is written of them, and the message names the tensor.
    /// </exception>
    /// <exception cref="IOException">A file cannot be written, or the disk is full; earlier checkpoints are left as they were.</exception>
    public PretrainResult Run(IProgress<PretrainProgress>? progress = null, CancellationToken cancellation = default)
    {
        long start = Stopwatch.GetTimestamp();
        RunState state = _run.State;
        int firstStep = state.Step;
        _run.Run(Report, cancellation);
        if (_isRoot) LossCurve.Draw(_folder.Path, disk: _folder.Disk);
        string? best = _checkpoints.Steps.Contains(state.BestStep) ? _checkpoints.PathOf(state.BestStep) : null;
        return new PretrainResult(_checkpoints.PathOf(state.Step), best, _evaluation, state.Tokens, state.Skipped, state.Seconds);

        void Report(CompletedStep done)
        {
            (StepResult result, int steps) = (done.Result, _options.Steps);
            TimeSpan remaining = Stopwatch.GetElapsedTime(start) / (state.Step - firstStep) * (steps - state.Step);
            progress?.Report(new PretrainProgress(
                state.Step, steps, result.Loss, done.LearningRate, result.GradientNorm, !result.Updated, state.Tokens, result.Tokens,
                result.Tokens / done.Seconds, result.Flops / done.Seconds, remaining, done.EvaluationLoss is null ? null : _evaluation,
                done.Checkpoint));
        }
    }

    /// <summary>Returns the memory and closes the files; the model and the corpus stay.</summary>
    public void Dispose()
    {
        _step?.Dispose();
        _evaluator?.Dispose();
        _run?.Dispose();
        if (_ownsFolder) _folder.Dispose();
    }

    private static void Check(SequenceModel model, Corpus corpus, PretrainOptions options)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(corpus);
        options.Validate(corpus.Options, [.. corpus.Species.Select(s => s.Name)]);
        if (!model.HasLanguageModel || model.Parameters.Values.IsAbsent)
            throw new ArgumentException("the model needs the head of its language model, " +
                "and weights initialised or loaded with trainable: true");
        if (FileHash.Of(model.Tokenizer) != corpus.Index.TokenizerSha256)
            throw new InvalidDataException($"{corpus.Folder}: the corpus was made with another tokenizer than the model's; " +
                "build it with the model's");
        if (corpus.Options.MaxTokens > model.MaxTokens)
            throw new ArgumentException($"{corpus.Folder}: its windows have up to {corpus.Options.MaxTokens} tokens, and the model has " +
                $"positions for {model.MaxTokens}; build a corpus of shorter ones");
    }

    RunIdentity ITrainingTask.Identity => RunIdentity.Of(_corpus.Hash, _options);

    IReadOnlyList<string> ITrainingTask.WeightFiles => ModelFolder.FilesOf(_model);

    double ITrainingTask.Evaluate(int step, RunLog? log)
    {
        _evaluation = _evaluator.Run(CancellationToken.None);
        log?.Add(step, _evaluation);
        return _evaluation.Total.Loss;
    }

    void ITrainingTask.Save(string checkpoint) =>
        ModelFolder.Save(_model, checkpoint, ModelOrigin.Bytes(ModelFolder.Config(_model)), _folder.Disk);

    void ITrainingTask.Load(string checkpoint, RunState state)
    {
        string config = Path.Combine(checkpoint, ModelSource.ConfigFile);
        var architecture = Architecture.Of(config);
        // An attention of one's own is read by its name; another one stays what the file says, and differs.
        SelfAttention? attention = architecture == _model.Architecture && _model is Dnabert2Model own
            ? Dnabert2Config.Load(config, own.Config.Attention).Attention : null;
        var source = ModelSource.Open(checkpoint, attention: attention);
        if ((architecture == _model.Architecture ? Difference(source) : architecture.Name) is { } difference)
            throw new InvalidDataException($"{checkpoint}: the checkpoint is of another architecture: {difference}; " +
                "resume with the same one, or begin a new run in another folder");
        using var buffers = new Arena(_model.Backend);
        HashSet<string> second =
            [.. _model.SecondNames.Select(parameter => parameter.Name), .. _model.Buffers(buffers).Select(buffer => buffer.Name)];
        TensorFile.Read(
            Path.Combine(checkpoint, ModelWeights.Safetensors), _model.Backend, TensorFile.Parameters(_model.Parameters),
            besides: name => second.Contains(name) || WeightNames.IsUnused(name));
        _model.Origin = ModelOrigin.Read(source);
    }

    private string? Difference(ModelSource checkpoint)
    {
        using SequenceModel declared = checkpoint.Architecture.Declare(checkpoint, _model.Backend, _model.Parts);
        byte[] was = ModelOrigin.Bytes(declared.WriteConfig()), now = ModelOrigin.Bytes(_model.WriteConfig());
        // Whose code computes the attention follows from the attention.
        return JsonFields.Difference(was, now, new HashSet<string> { "auto_map" });
    }
}
