using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>
/// A differentiable operation: parameters and settings, but no state of a pass. Its forward method computes and calls
/// <see cref="Tape.Record"/> with what the backward pass will need; the tape calls <see cref="Backward"/> in reverse order.
/// </summary>
public abstract class Op
{
    /// <summary>The name in messages.</summary>
    public virtual string Name => GetType().Name;

    /// <summary>Whether there is a backward pass; recording an operation without one is an error.</summary>
    public virtual bool HasGradient => true;

    /// <summary>Whether it has parameters that are trained, so that it is recorded even if its operands are constants.</summary>
    public virtual bool IsTrained => false;

    /// <summary>Whether it is a loss: the backward pass begins with it, and a gradient that is passed back to it is an error.</summary>
    public virtual bool IsLoss => false;

    /// <summary>
    /// Takes the gradient of the output (<see cref="Tape.GradientOf"/>), adds to those of the parameters, and gives its own to those of
    /// the operands (<see cref="Tape.Accumulate"/> or <see cref="Tape.Pass"/>). The buffer of the output's gradient may be overwritten
    /// or passed on: nobody reads it afterwards. The data of operands and output are others' as well and stay as they are.
    /// </summary>
    /// <param name="tape">The tape.</param>
    /// <param name="entry">What the forward pass recorded.</param>
    protected internal abstract void Backward(Tape tape, in TapeEntry entry);
}

/// <summary>One recorded operation.</summary>
/// <param name="Op">The operation.</param>
/// <param name="Output">Its result.</param>
/// <param name="A">Its first operand.</param>
/// <param name="B">Its second operand, or none.</param>
public readonly record struct TapeEntry(Op Op, Variable Output, Variable A, Variable B)
{
    /// <summary>Its third operand, or none.</summary>
    public Variable C { get; init; }

    /// <summary>The borders of the sequences, where the operation needs them.</summary>
    public CuSeqlens CuSeqlens { get; init; }

    /// <summary>The borders of the sequences of keys, where they are not those of the queries.</summary>
    public CuSeqlens KeyCuSeqlens { get; init; }

    /// <summary>Tensors kept for the backward pass.</summary>
    public (Tensor First, Tensor Second, Tensor Third, Tensor Fourth) Saved { get; init; }

    internal ISegment? Segment { get; init; }

    internal int Start { get; init; }

    internal int Outside { get; init; }
}

/// <summary>
/// A stretch of a model, from one activation to one of the same shape. Its intermediate results are taken back in inference, and in
/// training where activations are recomputed; the gradients of its intermediate results are taken back always. It is differentiated by
/// its operand and by parameters; other variables that it uses are constants.
/// </summary>
public interface ISegment
{
    /// <summary>Runs the stretch.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[tokens, hidden]; in inference its memory is the segment's own, for operations in place.</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <returns>[tokens, hidden].</returns>
    Variable Forward(Tape tape, Variable x, in CuSeqlens cuSeqlens);
}
