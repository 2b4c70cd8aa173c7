using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Attention in float64, plain loops: of queries to keys of sequences of their own, in grouped heads, with sinks.</summary>
/// <param name="lengths">The queries of each sequence.</param>
/// <param name="keyLengths">Its keys.</param>
/// <param name="heads">The heads.</param>
/// <param name="headSize">Their size.</param>
internal sealed class ReferenceAttention(int[] lengths, int[] keyLengths, AttentionHeads heads, int headSize)
{
    /// <summary>What is dropped of the probabilities.</summary>
    public AttentionMask Dropout { get; init; }

    /// <summary>A score of each head beside the keys, or none.</summary>
    public double[]? Sinks { get; init; }

    /// <summary>Returns the result [tokens, heads · headSize] and the log-sum-exp [heads, tokens].</summary>
    public (double[] Result, double[] LogSumExp) Run<TMod>(double[] queries, double[] keys, double[] values, TMod mod)
        where TMod : unmanaged, IScoreModification<TMod>
    {
        int tokens = lengths.Sum(), start = 0, keyStart = 0;
        var result = new double[queries.Length];
        var logSumExp = new double[heads.Queries * tokens];
        for (int sequence = 0; sequence < lengths.Length; sequence++)
        {
            for (int head = 0; head < heads.Queries; head++)
            {
                TMod ofHead = TMod.ForSequence(TMod.ForHead(mod, head, heads.Queries), sequence);
                for (int q = 0; q < lengths[sequence]; q++) logSumExp[(head * tokens) + start + q] = Query(ofHead, head, q,
                    keyLengths[sequence]);
            }

            start += lengths[sequence];
            keyStart += keyLengths[sequence];
        }

        return (result, logSumExp);

        double Query(TMod ofHead, int head, int q, int length)
        {
            int query = ((start + q) * heads.Queries * headSize) + (head * headSize);
            var scores = new double[length];
            for (int k = 0; k < length; k++)
            {
                double dot = 0;
                for (int d = 0; d < headSize; d++) dot += queries[query + d] * keys[Key(k) + d];
                scores[k] = TMod.Score<Float64>(ofHead, dot / Math.Sqrt(headSize), q, k).Value;
            }

            double sink = Sinks is { } all ? all[head] : double.NegativeInfinity, maximum = scores.Append(sink).Max();
            if (double.IsNegativeInfinity(maximum)) return maximum;
            double sum = scores.Append(sink).Sum(s => Math.Exp(s - maximum));
            for (int k = 0; k < length; k++)
            {
                double weight = Math.Exp(scores[k] - maximum) / sum * (Dropout.IsActive ? Dropout.Factor(start, head, q, k) : 1);
                for (int d = 0; d < headSize; d++) result[query + d] += weight * values[Key(k) + d];
            }

            return maximum + Math.Log(sum);

            int Key(int k) => ((keyStart + k) * heads.Keys * headSize) + (head / (heads.Queries / heads.Keys) * headSize);
        }
    }
}
