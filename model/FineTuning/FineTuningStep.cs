using System.Runtime.InteropServices;
using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime.Collectives;

namespace Dnabert2.FineTuning;

/// <summary>
/// One step of fine-tuning: the rows of a batch, forward and backward in micro-batches, and the optimizer. Every epoch takes each training
/// row once, in an order of its own and where wanted from a strand drawn for it; its last batch may be smaller. What a step computes
/// depends on the parameters, the moments and its number alone.
/// </summary>
internal sealed class FineTuningStep : ITrainingStep, IObjective
{
    private const uint OrderSite = 0x4654554E, StrandSite = 0x44524157;
    private readonly TaskPart _data;
    private readonly TaskLoss _loss;
    private readonly FineTuneOptions _options;
    private readonly TrainingPasses _passes;
    private readonly int _budget;
    private readonly int[] _rows;
    private readonly Target[] _targets;
    private readonly List<int> _ids = [], _lengths = [];
    private float _scale;
    private int _epoch;
    private int _first;

    /// <param name="model">The model.</param>
    /// <param name="data">The training set.</param>
    /// <param name="loss">The loss of the task.</param>
    /// <param name="options">The recipe.</param>
    /// <param name="ranks">Who shares each step; null: this process alone.</param>
    public FineTuningStep(SequenceModel model, TaskPart data, TaskLoss loss, FineTuneOptions options, Communicator? ranks = null)
    {
        (Model, _data, _loss, _options) = (model, data, loss, options);
        // Where normalisations are of a batch, it is one.
        _budget = model.Statistics.Count == 0 ? options.MicroBatchTokens : int.MaxValue;
        (_rows, _targets) = (new int[options.Batch], new Target[options.Batch]);
        _passes = new TrainingPasses(
            model, options.Optimizer, options.Recompute, options.Batch, options.Seed, options.Shards, ranks, cutsRows: true);
    }

    public SequenceModel Model { get; }

    public AdamW Optimizer => _passes.Optimizer;

    /// <summary>The rows of the last step, by their numbers in the training set from 0.</summary>
    public ReadOnlySpan<int> Rows => _rows.AsSpan(0, Count);

    public string NonFiniteSamples => $"training rows {string.Join(", ", Rows.ToArray().Take(8).Select(row => row + 1))} and others";

    private int Count { get; set; }

    /// <summary>The tokens of a row as an epoch takes it.</summary>
    public ReadOnlySpan<int> TokensOf(int row, int epoch) =>
        _options.AugmentReverseComplement && (new Philox(_options.Seed, (uint)epoch, StrandSite).Block((ulong)row).X & 1) != 0
            ? _data.OtherStrand(row) : _data[row];

    /// <summary>Runs a step, counted from 0.</summary>
    public StepResult Run(int step, double learningRate)
    {
        Choose(step);
        _scale = (float)(1 / _loss.Weight(_targets.AsSpan(0, Count)));
        int tokens = 0;
        _passes.Begin(learningRate, (long)step * _options.Batch);
        for (int shard = 0; shard < _options.Shards; shard++) tokens += Run(shard);

        bool updated = _passes.Finish(out double norm, out double loss, out _);
        return new StepResult(loss * _scale, norm, updated, tokens, Count, Flops: 0);
    }

    public void Dispose() => _passes.Dispose();

    /// <summary>Runs a shard, if it is this rank's; its tokens.</summary>
    private int Run(int shard)
    {
        int tokens = 0, end = Count * (shard + 1) / _options.Shards;
        for (int start = Count * shard / _options.Shards; start < end; start += _lengths.Count)
        {
            Pack(start, end);
            tokens += _ids.Count;
            var micro = new MicroBatch
            {
                FirstSequence = start,
                Ids = CollectionsMarshal.AsSpan(_ids),
                Lengths = CollectionsMarshal.AsSpan(_lengths),
            };
            if (_passes.Owns(shard)) _passes.Run(micro, this, last: start + _lengths.Count == Count);
            else _passes.Leave(1);
        }

        if (_passes.Owns(shard)) _passes.EndShard(shard);
        return tokens;
    }

    private void Choose(int step)
    {
        int steps = _options.StepsOfEpoch(_data.Count), first = step % steps * _options.Batch;
        Count = Math.Min(_options.Batch, _data.Count - first);
        _epoch = step / steps;
        var order = new Permutation(_options.Seed, (uint)_epoch, OrderSite, _data.Count);
        for (int i = 0; i < Count; i++)
        {
            _rows[i] = (int)order.At(first + i);
            _targets[i] = _data.Targets[_rows[i]];
        }
    }

    /// <summary>Collects the rows of a micro-batch, from one of the batch on and before another one.</summary>
    private void Pack(int start, int end)
    {
        _ids.Clear();
        _lengths.Clear();
        for (int i = start; i < end; i++)
        {
            ReadOnlySpan<int> sequence = TokensOf(_rows[i], _epoch);
            if (_lengths.Count > 0 && _ids.Count + sequence.Length > _budget) return;
            _ids.AddRange(sequence);
            _lengths.Add(sequence.Length);
        }
    }

    int IObjective.Upload(TrainingPasses passes, in MicroBatch micro, in Batch batch)
    {
        _first = micro.FirstSequence;
        _loss.Upload(passes, _targets.AsSpan(_first, micro.Lengths.Length), batch.Rows, _scale);
        return batch.Rows;
    }

    void IObjective.UploadSample(TrainingPasses passes, int sequences, int tokens) =>
        _loss.Upload(passes, _targets.AsSpan(_first, sequences), sequences, 0);

    Variable IObjective.Losses(Tape tape, in Batch batch) => _loss.Forward(Model, tape, batch);
}
