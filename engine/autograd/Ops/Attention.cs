using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>Attention over packed sequences, <c>softmax(mod(Q Kᵀ / sqrt(head size))) V</c>.</summary>
/// <typeparam name="TMod">The score modification.</typeparam>
/// <param name="heads">The number of heads.</param>
/// <param name="mod">The parameters of the score modification.</param>
public sealed class Attention<TMod>(int heads, TMod mod) : Op
    where TMod : unmanaged, IScoreModification<TMod>
{
    private readonly TMod _mod = mod;

    /// <summary>qkv [tokens, 3 · hidden] → [tokens, hidden].</summary>
    public Variable Forward(Tape tape, Variable qkv, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int tokens = qkv.Data.Shape[0];
        Tensor y = tape.Rent(tokens, qkv.Data.Shape[1] / 3, qkv.Data.DType);
        Tensor logSumExp = tape.IsTraining ? tape.Rent(heads, tokens, DType.F32) : default;
        tape.Backend.Attention(qkv.Data, cuSeqlens, heads, _mod, logSumExp, y);
        return tape.Record(this, y, qkv, saved: (logSumExp, default, default, default), cuSeqlens: cuSeqlens);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dqkv = tape.RentGradient(entry.A.Data.Shape, entry.A.Data.DType);
        tape.Backend.AttentionGradient(
            entry.A.Data, entry.CuSeqlens, heads, _mod, entry.Saved.First, entry.Output.Data, tape.GradientOf(entry.Output), dqkv);
        tape.Pass(entry.A, dqkv);
    }
}
