using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>
/// A low-rank addition to a linear layer, <c>z += scale · dropout(x) Aᵀ Bᵀ</c> (LoRA; Hu et al., arXiv 2106.09685). It belongs to a
/// <see cref="Linear"/>, whose weight is usually frozen.
/// </summary>
public sealed class LowRank
{
    private readonly float _scale, _dropout;
    private readonly int _site;

    internal LowRank(ParameterSet set, string name, int inputs, int outputs, int rank, float scale, float dropout)
    {
        Down = set.Declare(name + ".lora_A.weight", ParameterKind.LowRankDown, rank, inputs);
        Up = set.Declare(name + ".lora_B.weight", ParameterKind.LowRankUp, outputs, rank);
        (_scale, _dropout, _site) = (scale, dropout, set.NextSite());
    }

    /// <summary>A: [rank, in].</summary>
    public Parameter Down { get; }

    /// <summary>B: [out, rank].</summary>
    public Parameter Up { get; }

    internal bool IsTrained => Down.IsTrained || Up.IsTrained;

    /// <summary>Adds to z [rows, out] what x [rows, in] gives, and returns <c>scale · dropout(x) Aᵀ</c> [rows, rank].</summary>
    internal Tensor Forward(Tape tape, Tensor x, Tensor z)
    {
        Backend backend = tape.Backend;
        Tensor low = tape.Rent(x.Shape[0], Down.Shape[0], x.DType);
        ArenaMark mark = tape.Activations.Mark();
        if (tape.IsTraining && _dropout > 0) x = Dropped(tape, x, tape.Rent(x.Shape[0], x.Shape[1], x.DType));
        backend.Run(new LinearForward(x, Down.WeightIn(x.DType), bias: default, Kernels.Activation.None, residual: default, low));
        tape.Activations.Reset(mark);
        backend.Run(new Scale(low, _scale, low));
        backend.Run(new LinearForward(low, Up.WeightIn(low.DType), bias: default, Kernels.Activation.None, residual: z, z));
        return low;
    }

    /// <summary>Adds to the gradients of both factors, and to that of x [rows, in] where it is wanted.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="x">[rows, in], before dropout, which is drawn again.</param>
    /// <param name="low">[rows, rank], of the forward pass.</param>
    /// <param name="dz">[rows, out].</param>
    /// <param name="dx">[rows, in], or absent.</param>
    internal void Backward(Tape tape, Tensor x, Tensor low, Tensor dz, Tensor dx)
    {
        Backend backend = tape.Backend;
        if (Up.IsTrained) backend.Run(new LinearWeightBackward(dz, low, Up.Gradient));
        Tensor dlow = tape.RentGradient(low.Shape, low.DType);
        backend.Run(new LinearInputBackward(dz, Up.ValueIn(dz.DType), accumulate: false, dlow));
        backend.Run(new Scale(dlow, _scale, dlow));
        Tensor scratch = _dropout > 0 ? tape.RentGradient(x.Shape, x.DType) : default;
        if (Down.IsTrained) backend.Run(new LinearWeightBackward(dlow, _dropout > 0 ? Dropped(tape, x, scratch) : x, Down.Gradient));
        if (dx.IsAbsent) return;
        backend.Run(new LinearInputBackward(dlow, Down.ValueIn(dlow.DType), accumulate: _dropout == 0, _dropout > 0 ? scratch : dx));
        if (_dropout > 0) backend.Run(new DropoutForward(scratch, tape.RandomState, _site, _dropout, residual: dx, dx));
    }

    private Tensor Dropped(Tape tape, Tensor x, Tensor y)
    {
        tape.Backend.Run(new DropoutForward(x, tape.RandomState, _site, _dropout, residual: default, y));
        return y;
    }
}
