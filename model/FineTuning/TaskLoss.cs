using System.Runtime.InteropServices;
using Dnabert2.Training;
using Engine.Autograd;
using Engine.Kernels;

namespace Dnabert2.FineTuning;

/// <summary>
/// The loss of a task: the mean cross-entropy of a single-label task, weighted by class as in PyTorch (the weights of the rows sum to one),
/// the mean binary cross-entropy of all labels of a multi-label task, or the mean squared error of all values.
/// </summary>
internal sealed class TaskLoss
{
    private readonly TaskKind _kind;
    private readonly int _outputs;
    private readonly float[]? _weights;
    private readonly List<int> _classes = [];
    private readonly List<float> _targets = [], _factors = [];
    private Tensor _targetTensor, _factorTensor, _scale;

    /// <summary>The loss of a task.</summary>
    /// <param name="config">The task.</param>
    /// <param name="weighting">How its classes weigh.</param>
    /// <param name="train">The labels of the training set, which decide the weights.</param>
    public TaskLoss(TaskConfig config, ClassWeighting weighting, Target[] train)
    {
        (_kind, _outputs) = (config.Kind, config.Outputs);
        if (weighting == ClassWeighting.Balanced && _kind != TaskKind.Regression) _weights = Balanced(train);
    }

    /// <summary>What the sum of losses of rows is divided by for their mean.</summary>
    public double Weight(ReadOnlySpan<Target> targets)
    {
        if (_kind != TaskKind.SingleLabel) return (double)targets.Length * _outputs;
        if (_weights is null) return targets.Length;
        double sum = 0;
        foreach (Target target in targets) sum += _weights[target.Class];
        return sum;
    }

    /// <summary>Gives a pass its labels.</summary>
    /// <param name="passes">The passes.</param>
    /// <param name="targets">The labels.</param>
    /// <param name="rows">The sequences of the pass; those beyond the labels have no loss.</param>
    /// <param name="scale">The factor of the gradient.</param>
    public void Upload(TrainingPasses passes, ReadOnlySpan<Target> targets, int rows, float scale)
    {
        Assemble(targets, rows);
        Shape shape = _kind == TaskKind.SingleLabel ? new Shape(rows) : new Shape(rows, _outputs);
        _factorTensor = _factors.Count == 0 ? default : passes.Upload<float>(CollectionsMarshal.AsSpan(_factors), DType.F32, shape);
        _targetTensor = _kind == TaskKind.SingleLabel
            ? passes.Upload<int>(CollectionsMarshal.AsSpan(_classes), DType.I32, shape)
            : passes.Upload<float>(CollectionsMarshal.AsSpan(_targets), DType.F32, shape);
        _scale = passes.Tape.Number(scale);
    }

    /// <summary>The losses of a batch, weighted, whose labels were uploaded; their sum over <see cref="Weight"/> is the mean.</summary>
    /// <param name="model">The model.</param>
    /// <param name="tape">The tape.</param>
    /// <param name="batch">The sequences.</param>
    public Variable Forward(SequenceModel model, Tape tape, in Batch batch) => _kind switch
    {
        TaskKind.SingleLabel => Objectives.Classification(model, tape, batch, _targetTensor, _scale, _factorTensor),
        TaskKind.MultiLabel => Objectives.MultiLabel(model, tape, batch, _targetTensor, _scale, _factorTensor),
        _ => Objectives.Regression(model, tape, batch, _targetTensor, _scale, _factorTensor),
    };

    /// <summary>The mean loss of predictions, in float64.</summary>
    /// <param name="targets">The labels.</param>
    /// <param name="logits">[rows, outputs].</param>
    public double Mean(ReadOnlySpan<Target> targets, ReadOnlySpan<float> logits)
    {
        double sum = 0;
        for (int row = 0; row < targets.Length; row++) sum += Sum(targets[row], logits.Slice(row * _outputs, _outputs));
        return sum / Weight(targets);
    }

    private double Sum(in Target target, ReadOnlySpan<float> logits)
    {
        double sum = 0;
        if (_kind == TaskKind.Regression)
        {
            for (int i = 0; i < logits.Length; i++) sum += Math.Pow((double)logits[i] - target.Values[i], 2);
            return sum;
        }

        if (_kind == TaskKind.SingleLabel)
        {
            double highest = double.NegativeInfinity;
            foreach (float logit in logits) highest = Math.Max(highest, logit);
            foreach (float logit in logits) sum += Math.Exp(logit - highest);
            return (_weights?[target.Class] ?? 1) * (highest + Math.Log(sum) - logits[target.Class]);
        }

        for (int c = 0; c < logits.Length; c++)
        {
            bool present = target.Classes.Contains(c);
            double x = present ? -logits[c] : logits[c];
            sum += (present ? _weights?[c] ?? 1 : 1) * (Math.Max(x, 0) + Math.Log(1 + Math.Exp(-Math.Abs(x))));
        }

        return sum;
    }

    private void Assemble(ReadOnlySpan<Target> targets, int rows)
    {
        _classes.Clear();
        _targets.Clear();
        _factors.Clear();
        foreach (Target target in targets)
        {
            if (_kind == TaskKind.SingleLabel) _classes.Add(target.Class);
            if (_kind == TaskKind.SingleLabel && _weights is not null) _factors.Add(_weights[target.Class]);
            if (_kind == TaskKind.Regression) _targets.AddRange(target.Values);
            if (_kind != TaskKind.MultiLabel) continue;
            for (int c = 0; c < _outputs; c++)
            {
                bool present = target.Classes.Contains(c);
                _targets.Add(present ? 1 : 0);
                if (_weights is not null) _factors.Add(present ? _weights[c] : 1);
            }
        }

        if (rows > targets.Length) Pad(rows);
    }

    /// <summary>Rows without a loss: of a class below 0, or a factor of 0.</summary>
    private void Pad(int rows)
    {
        if (_kind == TaskKind.SingleLabel)
        {
            while (_classes.Count < rows) _classes.Add(-1);
            while (_weights is not null && _factors.Count < rows) _factors.Add(0);
            return;
        }

        while (_factors.Count < _targets.Count) _factors.Add(1);
        while (_targets.Count < rows * _outputs)
        {
            _targets.Add(0);
            _factors.Add(0);
        }
    }

    private float[] Balanced(Target[] train)
    {
        var counts = new int[_outputs];
        foreach (Target target in train)
        {
            if (target.Class >= 0) counts[target.Class]++;
            foreach (int c in target.Classes) counts[c]++;
        }

        // A class without rows has no loss to weigh; one that all rows have is not to weigh nothing.
        return Array.ConvertAll(counts, count => (float)(count == 0 ? 1
            : _kind == TaskKind.SingleLabel
            ? (double)train.Length / ((double)_outputs * count) : Math.Max(1, train.Length - count) / (double)count));
    }
}
