using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>Attention over packed sequences, <c>dropout(softmax(mod(Q Kᵀ / sqrt(head size)))) V</c>.</summary>
/// <typeparam name="TMod">The score modification.</typeparam>
public sealed class Attention<TMod> : Op, ISelfAttention
    where TMod : unmanaged, IScoreModification<TMod>
{
    private readonly int _heads, _site;
    private readonly TMod _mod;
    private readonly float _dropout;

    /// <summary>Attention without dropout.</summary>
    /// <param name="heads">The number of heads.</param>
    /// <param name="mod">The parameters of the score modification.</param>
    public Attention(int heads, TMod mod) => (_heads, _mod) = (heads, mod);

    /// <summary>Attention whose probabilities are dropped in training.</summary>
    /// <param name="set">The set of the model, which numbers the sites; without dropout there is none.</param>
    /// <param name="heads">The number of heads.</param>
    /// <param name="mod">The parameters of the score modification.</param>
    /// <param name="dropout">The probability.</param>
    public Attention(ParameterSet set, int heads, TMod mod, float dropout)
        : this(heads, mod)
    {
        ArgumentNullException.ThrowIfNull(set);
        (_dropout, _site) = (dropout, dropout > 0 ? set.NextSite() : 0);
    }

    /// <summary>qkv [tokens, 3 · hidden] → [tokens, hidden].</summary>
    public Variable Forward(Tape tape, Variable qkv, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int tokens = qkv.Data.Shape[0];
        Tensor y = tape.Rent(tokens, qkv.Data.Shape[1] / 3, qkv.Data.DType);
        Tensor logSumExp = tape.IsTraining ? tape.Rent(_heads, tokens, DType.F32) : default;
        tape.Backend.Run(new AttentionForward<TMod>(qkv.Data, cuSeqlens, _heads, _mod, logSumExp, y, DropoutOf(tape)));
        return tape.Record(this, y, qkv, saved: (logSumExp, default, default, default), cuSeqlens: cuSeqlens);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dqkv = tape.RentGradient(entry.A.Data.Shape, entry.A.Data.DType);
        tape.Backend.Run(new AttentionBackward<TMod>(
            entry.A.Data, entry.CuSeqlens, _heads, _mod, entry.Saved.First, entry.Output.Data, tape.GradientOf(entry.Output), dqkv,
            DropoutOf(tape)));
        tape.Pass(entry.A, dqkv);
    }

    private AttentionDropout DropoutOf(Tape tape) => tape.IsTraining && _dropout > 0 ? new(tape.Stream, _site, _dropout) : default;
}
