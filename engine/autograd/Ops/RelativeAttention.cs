using Engine.Kernels;
using Engine.Runtime;

namespace Engine.Autograd;

/// <summary>Attention with a learned bias for each head and clipped distance; see <see cref="RelativeBias"/>.</summary>
public sealed class RelativeAttention : Op, ISelfAttention
{
    private readonly int _heads;

    private RelativeAttention(int heads, Parameter table) => (_heads, Table) = (heads, table);

    /// <summary>[heads, 2R + 1], that of distance −R (the key stands R tokens before the query) first.</summary>
    public Parameter Table { get; }

    /// <inheritdoc/>
    public override bool IsTrained => Table.IsTrained;

    /// <summary>Declares <c>NAME.relative_bias</c>, initially 0.</summary>
    /// <param name="set">Where.</param>
    /// <param name="name">NAME.</param>
    /// <param name="heads">The number of heads.</param>
    /// <param name="radius">R, the distance from which on all are one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The radius is negative, or there is no head.</exception>
    public static RelativeAttention Declare(ParameterSet set, string name, int heads, int radius)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(radius);
        return new(heads, set.Declare(name + ".relative_bias", ParameterKind.Bias, heads, checked((2 * radius) + 1)));
    }

    /// <summary>qkv [tokens, 3 · hidden] → [tokens, hidden].</summary>
    public Variable Forward(Tape tape, Variable qkv, in CuSeqlens cuSeqlens)
    {
        ArgumentNullException.ThrowIfNull(tape);
        int tokens = qkv.Data.Shape[0];
        Tensor y = tape.Rent(tokens, qkv.Data.Shape[1] / 3, qkv.Data.DType);
        Tensor logSumExp = tape.IsTraining ? tape.Rent(_heads, tokens, DType.F32) : default;
        tape.Backend.Run(
            new AttentionForward<RelativeBias>(qkv.Data, cuSeqlens, _heads, new RelativeBias(Table.Value.AsBiasTable()), logSumExp, y));
        return tape.Record(this, y, qkv, saved: (logSumExp, default, default, default), cuSeqlens: cuSeqlens);
    }

    /// <inheritdoc/>
    protected internal override void Backward(Tape tape, in TapeEntry entry)
    {
        Tensor dqkv = tape.RentGradient(entry.A.Data.Shape, entry.A.Data.DType);
        tape.Backend.Run(new AttentionBackward<RelativeBias>(
            entry.A.Data, entry.CuSeqlens, _heads, new RelativeBias(Table.Value.AsBiasTable()), entry.Saved.First, entry.Output.Data,
            tape.GradientOf(entry.Output), dqkv, dropout: default, Table.IsTrained ? Table.Gradient : default));
        tape.Pass(entry.A, dqkv);
    }
}
