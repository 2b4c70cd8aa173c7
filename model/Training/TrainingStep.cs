using System.Runtime.InteropServices;
using Dnabert2.Data;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime.Collectives;

namespace Dnabert2.Training;

/// <summary>What a step did.</summary>
/// <param name="Loss">The mean loss, in nats or squares of the values; not finite in a skipped step.</param>
/// <param name="GradientNorm">The global norm of the gradients before clipping; NaN where the loss is not finite.</param>
/// <param name="Updated">Whether the parameters were updated: with a loss or norm that is not finite they stay.</param>
/// <param name="Tokens">Tokens, special ones included.</param>
/// <param name="Targets">What the loss is the mean of: masked tokens, or sequences.</param>
/// <param name="Flops">See <see cref="TrainingFlops"/>; 0 where it is not counted.</param>
internal readonly record struct StepResult(double Loss, double GradientNorm, bool Updated, int Tokens, int Targets, double Flops);

/// <summary>
/// One step of pre-training: the samples of a global batch, forward and backward in micro-batches, and the optimizer. What it computes
/// depends on the parameters, the moments and the step's number alone. After the first steps nothing is allocated.
/// </summary>
internal sealed class TrainingStep : ITrainingStep, IObjective
{
    private readonly Corpus _corpus;
    private readonly PretrainOptions _options;
    private readonly Sampler _sampler;
    private readonly ITargets _targets;
    private readonly StrandedWindows? _strands;
    private readonly MaskedBatch _batch;
    private readonly ushort[] _window;
    private readonly TrainingPasses _passes;
    private readonly List<int> _paddedRows = [], _paddedLabels = [];
    private readonly TrainingCost _cost;
    private long _assembled = -1;
    private float _scale;
    private Tensor _rows, _labels, _gradientScale;

    /// <param name="model">The model.</param>
    /// <param name="corpus">The corpus.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="ranks">Who shares each step; null: this process alone.</param>
    public TrainingStep(SequenceModel model, Corpus corpus, PretrainOptions options, Communicator? ranks = null)
    {
        (Model, _corpus, _options, _cost) = (model, corpus, options, model.Cost);
        _sampler = new Sampler(corpus, options);
        _targets = Targets.ForTraining(corpus.Tokenizer, options);
        _strands = StrandedWindows.Of(corpus.Tokenizer, options, corpus.Options.MaxTokens - _targets.SpecialTokens);
        _batch = new MaskedBatch(_targets, options.GlobalBatch, corpus.Options.MaxTokens, options.MicroBatchTokens, options.Shards);
        _window = new ushort[corpus.Options.MaxTokens];
        _passes = new TrainingPasses(
            model, options.Optimizer, options.Recompute, options.GlobalBatch, options.Seed, options.Shards, ranks);
    }

    public SequenceModel Model { get; }

    public AdamW Optimizer => _passes.Optimizer;

    /// <summary>Passes that were replayed; 0 where the backend captures no graphs.</summary>
    public long Replays => _passes.Replays;

    /// <inheritdoc cref="TrainingPasses.Memory"/>
    public (long Activations, long Gradients) Memory => _passes.Memory;

    /// <summary>
    /// The first and the last sample of the micro-batch in which the loss was last not finite; of the whole step if it was the norm.
    /// </summary>
    public (long First, long Last) NonFiniteRange { get; private set; }

    public string NonFiniteSamples
    {
        get
        {
            (long first, long last) = NonFiniteRange;
            const int most = 8;
            var windows = new List<string>();
            for (long n = first; n <= last && windows.Count < most; n++)
            {
                Sample sample = SampleAt(n);
                windows.Add($"{_corpus.Species[sample.Species].Name} {sample.Window}");
            }

            string more = last - first + 1 > most ? $" and {last - first + 1 - most} more" : "";
            return $"samples {first} to {last} (training windows {string.Join(", ", windows)}{more})";
        }
    }

    /// <summary>Where a sample comes from.</summary>
    public Sample SampleAt(long number) => _sampler.At(number);

    /// <summary>Runs a step, counted from 0.</summary>
    public StepResult Run(int step, double learningRate)
    {
        long first = (long)step * _options.GlobalBatch;
        Assemble(first);
        _scale = 1f / Math.Max(1, _batch.Masked);
        (int tokens, int masked) = (_batch.Tokens, _batch.Masked);
        double flops = TrainingFlops.Of(_cost, tokens, masked, _batch.SquaredLengths);
        _passes.Begin(learningRate, first);
        for (int shard = 0; shard < _options.Shards; shard++) Run(shard);

        // While the GPU works, the next step's batch is put together.
        if (Model.Backend.CapturesGraphs) Assemble(first + _options.GlobalBatch);
        bool updated = _passes.Finish(out double norm, out double loss, out int nonFinite);
        if (!updated) Blame(first, nonFinite);
        return new StepResult(loss * _scale, norm, updated, tokens, masked, flops);
    }

    public void Dispose() => _passes.Dispose();

    private void Run(int shard)
    {
        (int start, int end) = (_batch.MicroBatchesBefore(shard), _batch.MicroBatchesBefore(shard + 1));
        if (!_passes.Owns(shard))
        {
            _passes.Leave(end - start);
            return;
        }

        for (int i = start; i < end; i++)
        {
            MicroBatch micro = _batch[i];
            if (micro.Labels.IsEmpty) _passes.Skip(last: i == _batch.MicroBatches - 1);
            else _passes.Run(micro, this, last: i == _batch.MicroBatches - 1);
        }

        _passes.EndShard(shard);
    }

    private void Assemble(long first)
    {
        if (_assembled == first) return;
        _batch.Clear();
        for (int i = 0; i < _options.GlobalBatch; i++)
        {
            Sample sample = _sampler.At(first + i);
            ReadOnlySpan<ushort> window = _corpus.Window(Split.Training, sample.Species, sample.Window, _window);
            _batch.Add(first + i, _strands is null ? window : _strands.Draw(first + i, window));
        }

        _assembled = first;
    }

    /// <summary>Names a micro-batch, or the whole step.</summary>
    private void Blame(long first, int pass)
    {
        Assemble(first);
        NonFiniteRange = (first, first + _options.GlobalBatch - 1);
        if (pass == _batch.MicroBatches) return;
        MicroBatch part = _batch[pass];
        NonFiniteRange = (first + part.FirstSequence, first + part.FirstSequence + part.Lengths.Length - 1);
    }

    int IObjective.Upload(TrainingPasses passes, in MicroBatch micro, in Batch batch)
    {
        Pad(micro, batch.CuSeqlens.Tokens);
        Upload(CollectionsMarshal.AsSpan(_paddedRows), CollectionsMarshal.AsSpan(_paddedLabels), _scale);
        return _paddedRows.Count;
    }

    // As many tokens are asked for as on average.
    void IObjective.UploadSample(TrainingPasses passes, int sequences, int tokens)
    {
        int masked = Math.Max(1, (int)Math.Ceiling(tokens * _targets.Share));
        Upload([.. Enumerable.Range(0, masked)], new int[masked], 0);
    }

    Variable IObjective.Losses(Tape tape, in Batch batch) =>
        Objectives.LanguageModel(Model, tape, batch, _rows, _labels, _gradientScale);

    /// <summary>The masked tokens, and as many others without a label as the backend wants; a row comes at most once.</summary>
    private void Pad(MicroBatch part, int tokens)
    {
        _paddedRows.Clear();
        _paddedLabels.Clear();
        _paddedRows.AddRange(part.Rows);
        _paddedLabels.AddRange(part.Labels);

        // From the end, where those are that no sequence has; the masked ones are in ascending order.
        int masked = part.Rows.Length - 1, wanted = Math.Min(tokens, _passes.Targets(part.Rows.Length));
        for (int row = tokens - 1; _paddedRows.Count < wanted; row--)
        {
            if (masked >= 0 && part.Rows[masked] == row) masked--;
            else
            {
                _paddedRows.Add(row);
                _paddedLabels.Add(-1);
            }
        }
    }

    private void Upload(ReadOnlySpan<int> rows, ReadOnlySpan<int> labels, float scale)
    {
        (_rows, _labels) = (
            _passes.Upload(rows, DType.I32, new Shape(rows.Length)), _passes.Upload(labels, DType.I32, new Shape(labels.Length)));
        _gradientScale = _passes.Tape.Number(scale);
    }
}
