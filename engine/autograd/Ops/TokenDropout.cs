using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>
/// The token dropout of ESM, which draws nothing and acts in inference, too: embeddings of masks become 0, the others are scaled by
/// <c>0.88 / (1 − masks / tokens)</c> of their sequence; see <see cref="ApplyTokenDropout"/>.
/// </summary>
/// <param name="mask">The id of the mask.</param>
public sealed class TokenDropout(int mask) : Op
{
    /// <summary>x [tokens, width], ids I32 [tokens] → [tokens, width].</summary>
    public Variable Forward(Tape tape, Variable x, Tensor ids, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return Forward(tape, x, ids, cuSeqlens, tape.Rent(x.Data.Shape[0], x.Data.Shape[1], x.Data.DType));
    }

    /// <summary>
    /// The same as <see cref="Forward(Tape, Variable, Tensor, in CuSeqlens)"/>; in inference the result takes the place of x, which nothing
    /// may read afterwards.
    /// </summary>
    public Variable ForwardInPlace(Tape tape, Variable x, Tensor ids, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        return tape.IsTraining ? Forward(tape, x, ids, cuSeqlens) : Forward(tape, x, ids, cuSeqlens, x.Data);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dy = tape.GradientOf(entry.Output);
        tape.Backend.Run(new ApplyTokenDropout(dy, entry.Saved.First, entry.CuSeqlens, mask, dy));
        tape.Pass(entry.A, dy);
    }

    private Variable Forward(Tape tape, Variable x, Tensor ids, in CuSeqlens cuSeqlens, Tensor y)
    {
        tape.Backend.Run(new ApplyTokenDropout(x.Data, ids, cuSeqlens, mask, y));
        return tape.Record(this, y, x, saved: (ids, default, default, default), cuSeqlens: cuSeqlens);
    }
}
