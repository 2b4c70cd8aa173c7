using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>The sizes at which operations are measured.</summary>
internal static class OpCases
{
    /// <summary>The operations of the 117M model on a batch of so many sequences of so many tokens.</summary>
    public static IEnumerable<OpCase> Model(int sequences, int tokens)
    {
        int total = sequences * tokens;
        int[] lengths = [.. Enumerable.Repeat(tokens, sequences)];
        yield return new EmbeddingCase(total, 4096, 768, types: false);
        yield return new LinearCase(total, 2304, 768, Activation.None, bias: true, residual: false, packed: true);
        yield return new AttentionCase<Alibi>(lengths, 12, 64, default);
        yield return new LinearCase(total, 768, 768, Activation.None, bias: true, residual: true, packed: true);
        yield return new LayerNormCase(total, 768, inPlace: true);
        yield return new LinearCase(total, 6144, 768, Activation.Geglu, bias: false, residual: false, packed: true);
        yield return new LinearCase(total, 768, 3072, Activation.None, bias: true, residual: true, packed: true);
    }
}
