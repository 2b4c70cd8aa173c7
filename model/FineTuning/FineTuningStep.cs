using System.Runtime.InteropServices;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Runtime;

namespace Dnabert2.FineTuning;

/// <summary>
/// One step of fine-tuning: the rows of a batch, forward and backward in micro-batches, and the optimizer. Every epoch takes each training
/// row once, in an order of its own; its last batch may be smaller. What a step computes depends on the parameters, the moments and its
/// number alone.
/// </summary>
internal sealed class FineTuningStep : IDisposable
{
    private const uint OrderSite = 0x4654554E;
    private readonly Dnabert2Model _model;
    private readonly TaskPart _data;
    private readonly TaskLoss _loss;
    private readonly FineTuneOptions _options;
    private readonly Arena _activations, _gradients;
    private readonly Tape _tape;
    private readonly int[] _rows;
    private readonly Target[] _targets;
    private readonly List<int> _ids = [], _lengths = [];
    private float[] _losses = [];

    public FineTuningStep(Dnabert2Model model, TaskPart data, TaskLoss loss, FineTuneOptions options)
    {
        (_model, _data, _loss, _options) = (model, data, loss, options);
        (_rows, _targets) = (new int[options.Batch], new Target[options.Batch]);
        model.Parameters.AllocateGradients();
        Optimizer = new AdamW(model.Parameters, options.Optimizer);
        (_activations, _gradients) = (new Arena(model.Backend), new Arena(model.Backend));
        _tape = Tape.ForTraining(_activations, _gradients, options.Recompute);
    }

    public AdamW Optimizer { get; }

    /// <summary>The rows of the last step, by their numbers in the training set from 0.</summary>
    public ReadOnlySpan<int> Rows => _rows.AsSpan(0, Count);

    private int Count { get; set; }

    /// <summary>Runs a step, counted from 0.</summary>
    public StepResult Run(int step, double learningRate)
    {
        Choose(step);
        float scale = (float)(1 / _loss.Weight(_targets.AsSpan(0, Count)));
        double sum = 0;
        int tokens = 0;
        for (int start = 0; start < Count && double.IsFinite(sum); start += _lengths.Count)
        {
            Pack(start);
            tokens += _ids.Count;
            sum += ForwardBackward((uint)(((long)step * _options.Batch) + start), _targets.AsSpan(start, _lengths.Count), scale);
        }

        double loss = sum * scale, norm = double.NaN;
        bool updated = false;
        if (double.IsFinite(loss)) updated = Optimizer.Step(learningRate, out norm);
        else _model.Backend.Clear(_model.Parameters.Gradients);
        return new StepResult(loss, norm, updated, tokens, Count, Flops: 0);
    }

    public void Dispose()
    {
        _activations.Dispose();
        _gradients.Dispose();
    }

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

    /// <summary>Adds the gradients of a micro-batch and returns the sum of its losses.</summary>
    private double ForwardBackward(uint number, ReadOnlySpan<Target> targets, float scale)
    {
        // Each pass draws dropout masks of its own; its first row's place in the run names it, so that a resumed run draws the same.
        _tape.Reset(_options.Seed, number);
        var batch = new Batch(_activations, CollectionsMarshal.AsSpan(_ids), CollectionsMarshal.AsSpan(_lengths));
        Variable losses = _loss.Forward(_model, _tape, batch, targets, scale);
        if (_losses.Length < losses.Data.Count) _losses = new float[losses.Data.Count];
        Span<float> values = _losses.AsSpan(0, (int)losses.Data.Count);
        _model.Backend.Download(losses.Data, values);
        double sum = 0;
        foreach (float loss in values) sum += loss;
        if (double.IsFinite(sum)) _tape.Backward(losses);
        return sum;
    }
}
