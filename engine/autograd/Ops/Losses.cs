using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>The cross-entropy of each row. It is a loss: the backward pass begins here.</summary>
public sealed class CrossEntropy : Op
{
    /// <summary>The operation.</summary>
    public static CrossEntropy Instance { get; } = new(inPlace: false);

    private static readonly CrossEntropy InPlace = new(inPlace: true);
    private readonly bool _inPlace;

    private CrossEntropy(bool inPlace) => _inPlace = inPlace;

    /// <inheritdoc/>
    public override bool IsLoss => true;

    /// <summary>logits [rows, classes], labels I32 [rows] → losses [rows]; 0 where the label is negative.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="logits">The logits.</param>
    /// <param name="labels">The labels.</param>
    /// <param name="scale">[1], the factor of the gradient: one over the number of labels for their mean.</param>
    /// <param name="weights">[rows], the factor of each row's loss, or absent: all 1.</param>
    public Variable Forward(Tape tape, Variable logits, Tensor labels, Tensor scale, Tensor weights = default) =>
        Record(tape, logits, labels, scale, weights);

    /// <summary>
    /// The same as <see cref="Forward"/>; the backward pass writes the gradient of the logits in their place, so no other operation may
    /// need their values in its own backward pass, as <see cref="Tanh"/> and attention need those of their results.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable logits, Tensor labels, Tensor scale, Tensor weights = default) =>
        (_inPlace ? this : InPlace).Record(tape, logits, labels, scale, weights);

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor gradient = _inPlace ? entry.A.Data : tape.RentGradient(entry.A.Data.Shape, entry.A.Data.DType);
        tape.Backend.Run(new CrossEntropyBackward(entry.A.Data, entry.Saved.First, entry.Saved.Second, entry.Saved.Third, gradient));
        tape.Pass(entry.A, gradient);
    }

    private Variable Record(Tape tape, Variable logits, Tensor labels, Tensor scale, Tensor weights)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor losses = tape.Activations.Rent(labels.Shape, DType.F32);
        tape.Backend.Run(new CrossEntropyForward(logits.Data, labels, weights, losses));
        return tape.Record(this, losses, logits, saved: (labels, weights, scale, default));
    }
}

/// <summary>The binary cross-entropy of each logit with a target from 0 to 1. It is a loss: the backward pass begins here.</summary>
public sealed class BinaryCrossEntropy : Op
{
    /// <summary>The operation.</summary>
    public static BinaryCrossEntropy Instance { get; } = new();

    /// <inheritdoc/>
    public override bool IsLoss => true;

    /// <summary>logits [rows, labels], targets [rows, labels] → losses [rows, labels].</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="logits">The logits.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="scale">[1], the factor of the gradient: one over the number of logits for the mean.</param>
    /// <param name="weights">[rows, labels], the factor of each loss, or absent: all 1.</param>
    public Variable Forward(Tape tape, Variable logits, Tensor targets, Tensor scale, Tensor weights = default)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor losses = tape.Activations.Rent(targets.Shape, DType.F32);
        tape.Backend.Run(new BinaryCrossEntropyForward(logits.Data, targets, weights, losses));
        return tape.Record(this, losses, logits, saved: (targets, weights, scale, default));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor gradient = tape.RentGradient(entry.A.Data.Shape, entry.A.Data.DType);
        tape.Backend.Run(new BinaryCrossEntropyBackward(entry.A.Data, entry.Saved.First, entry.Saved.Second, entry.Saved.Third, gradient));
        tape.Pass(entry.A, gradient);
    }
}

/// <summary>The squared error of each prediction. It is a loss: the backward pass begins here.</summary>
public sealed class SquaredError : Op
{
    /// <summary>The operation.</summary>
    public static SquaredError Instance { get; } = new();

    /// <inheritdoc/>
    public override bool IsLoss => true;

    /// <summary>x [rows, values], targets [rows, values] → losses [rows, values].</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">The predictions.</param>
    /// <param name="targets">The targets.</param>
    /// <param name="scale">[1], the factor of the gradient: one over the number of predictions for the mean.</param>
    /// <param name="weights">[rows, values], the factor of each loss, or absent: all 1.</param>
    public Variable Forward(Tape tape, Variable x, Tensor targets, Tensor scale, Tensor weights = default)
    {
        ArgumentNullException.ThrowIfNull(tape);
        Tensor losses = tape.Activations.Rent(targets.Shape, DType.F32);
        tape.Backend.Run(new SquaredErrorForward(x.Data, targets, weights, losses));
        return tape.Record(this, losses, x, saved: (targets, weights, scale, default));
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor gradient = tape.RentGradient(entry.A.Data.Shape, entry.A.Data.DType);
        tape.Backend.Run(new SquaredErrorBackward(entry.A.Data, entry.Saved.First, entry.Saved.Second, entry.Saved.Third, gradient));
        tape.Pass(entry.A, gradient);
    }
}
