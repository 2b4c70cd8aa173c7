using System.Runtime.InteropServices;
using Dnabert2.Data;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;
using Engine.Runtime.Cuda;

namespace Dnabert2.FineTuning;

/// <summary>
/// One step of fine-tuning: the rows of a batch, forward and backward in micro-batches, and the optimizer. Every epoch takes each training
/// row once, in an order of its own; its last batch may be smaller. What a step computes depends on the parameters, the moments and its
/// number alone.
/// </summary>
internal sealed class FineTuningStep : IDisposable
{
    private const uint OrderSite = 0x4654554E;
    private readonly TaskPart _data;
    private readonly TaskLoss _loss;
    private readonly FineTuneOptions _options;
    private readonly TrainingPasses _passes;
    private readonly int[] _rows;
    private readonly Target[] _targets;
    private readonly List<int> _ids = [], _lengths = [];

    public FineTuningStep(Dnabert2Model model, TaskPart data, TaskLoss loss, FineTuneOptions options)
    {
        (_data, _loss, _options) = (data, loss, options);
        (_rows, _targets) = (new int[options.Batch], new Target[options.Batch]);
        _passes = new TrainingPasses(
            model, options.Optimizer, options.Recompute, options.Batch, batch => loss.Forward(model, _passes!.Tape, batch));
    }

    public AdamW Optimizer => _passes.Optimizer;

    /// <summary>The rows of the last step, by their numbers in the training set from 0.</summary>
    public ReadOnlySpan<int> Rows => _rows.AsSpan(0, Count);

    private int Count { get; set; }

    /// <summary>Runs a step, counted from 0.</summary>
    /// <exception cref="DeviceMemoryException">A micro-batch does not fit the GPU; the message says what would.</exception>
    public StepResult Run(int step, double learningRate)
    {
        Choose(step);
        float scale = (float)(1 / _loss.Weight(_targets.AsSpan(0, Count)));
        int tokens = 0, passes = 0;
        _passes.Begin(learningRate);
        for (int start = 0; start < Count; start += _lengths.Count)
        {
            Pack(start);
            tokens += _ids.Count;
            Pass((uint)(((long)step * _options.Batch) + start), passes++, _targets.AsSpan(start, _lengths.Count), scale, start + _lengths.Count == Count);
        }

        bool updated = _passes.Finish(passes, out double norm, out ReadOnlySpan<double> losses);
        double sum = 0;
        for (int i = 0; i < passes && double.IsFinite(sum); i++) sum += losses[i];
        return new StepResult(sum * scale, norm, updated, tokens, Count, Flops: 0);
    }

    public void Dispose() => _passes.Dispose();

    private void Choose(int step)
    {
        int steps = _options.StepsOfEpoch(_data.Count), first = step % steps * _options.Batch;
        Count = Math.Min(_options.Batch, _data.Count - first);
        var order = new Permutation(_options.Seed, (uint)(step / steps), OrderSite, _data.Count);
        for (int i = 0; i < Count; i++)
        {
            _rows[i] = (int)order.At(first + i);
            _targets[i] = _data.Targets[_rows[i]];
        }
    }

    /// <summary>Collects the rows of a micro-batch, from one of the batch on.</summary>
    private void Pack(int start)
    {
        _ids.Clear();
        _lengths.Clear();
        for (int i = start; i < Count; i++)
        {
            ReadOnlySpan<int> sequence = _data.Sequences[_rows[i]];
            if (_lengths.Count > 0 && _ids.Count + sequence.Length > _options.MicroBatchTokens) return;
            _ids.AddRange(sequence);
            _lengths.Add(sequence.Length);
        }
    }

    /// <summary>Adds the gradients of a micro-batch.</summary>
    private void Pass(uint number, int place, ReadOnlySpan<Target> targets, float scale, bool last)
    {
        try
        {
            // Each pass draws dropout masks of its own; its first row's place in the run names it, so that a resumed run draws the same.
            Batch batch = _passes.Begin(_options.Seed, number, place, CollectionsMarshal.AsSpan(_ids), CollectionsMarshal.AsSpan(_lengths));
            _loss.Upload(_passes, targets, batch.CuSeqlens.Sequences, scale);
            _passes.Run(batch.CuSeqlens.Sequences, last);
        }
        catch (DeviceMemoryException fault)
        {
            throw Explain(fault, [.. targets]);
        }
    }

    // A method of its own, so that what its lambda captures is not allocated in steps that fit.
    private DeviceMemoryException Explain(DeviceMemoryException fault, Target[] targets) => _passes.Explain(
        fault, [.. _ids], [.. _lengths], (sequences, _) => _loss.Upload(_passes, targets.AsSpan(0, sequences), sequences, 0));
}
