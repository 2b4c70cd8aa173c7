using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>What a layer of a model has for attention: of each sequence to itself.</summary>
public interface ISelfAttention
{
    /// <summary>Attends. In inference the result may be computed in the memory of qkv, which nothing may read afterwards.</summary>
    /// <param name="tape">The tape.</param>
    /// <param name="qkv">Queries, keys and values, [tokens, 3 · hidden], laid out (three, head, head size).</param>
    /// <param name="cuSeqlens">The borders of the sequences.</param>
    /// <returns>[tokens, hidden].</returns>
    Variable Forward(Tape tape, Variable qkv, in CuSeqlens cuSeqlens);
}
