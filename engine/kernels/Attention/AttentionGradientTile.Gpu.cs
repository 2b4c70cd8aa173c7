using Engine.Kernels.Gpu;
using ILGPU;

namespace Engine.Kernels;

/// <summary>A thread's probabilities and the gradients of its scores, of a tile of queries and keys.</summary>
internal struct AttentionGradientTile<TMod>
    where TMod : unmanaged, IScoreModification<TMod>
{
    public ScoreTile Probabilities, Scores;

    public static AttentionGradientTile<TMod> Compute<TDropout>(
        ArrayView<Float4> queries, ArrayView<Float4> keys, ArrayView<Float4> gradients, ArrayView<Float4> values, int quads, TMod mod,
        ArrayView<float> logSumExp, ArrayView<float> delta, int firstQuery, int firstKey, int endKey, float scale,
        GpuAttentionDropout dropout)
        where TDropout : struct, IChoice
    {
        ScoreTile s = ScoreTile.Products(queries, keys, quads), dp = ScoreTile.Products(gradients, values, quads);
        int query = firstQuery + (AttentionTile.I * 4), key = firstKey + AttentionTile.J;
        if (TDropout.Value) dp = dropout.Apply(dp, query, key);
        AttentionGradientTile<TMod> g = default;
        (g.Probabilities.S0, g.Scores.S0) = Row(s.S0, dp.S0, mod, logSumExp, delta, query, key, endKey, scale);
        (g.Probabilities.S1, g.Scores.S1) = Row(s.S1, dp.S1, mod, logSumExp, delta, query + 1, key, endKey, scale);
        (g.Probabilities.S2, g.Scores.S2) = Row(s.S2, dp.S2, mod, logSumExp, delta, query + 2, key, endKey, scale);
        (g.Probabilities.S3, g.Scores.S3) = Row(s.S3, dp.S3, mod, logSumExp, delta, query + 3, key, endKey, scale);
        if (TDropout.Value) g.Probabilities = dropout.Apply(g.Probabilities, query, key);
        return g;
    }

    /// <summary>The gradients of the entries that the scores of a tile look up in a table.</summary>
    public static ScoreTile Entries<TDropout>(
        ArrayView<Float4> queries, ArrayView<Float4> keys, ArrayView<Float4> gradients, ArrayView<Float4> values, int quads, TMod mod,
        int table, ArrayView<float> logSumExp, ArrayView<float> delta, int firstQuery, int firstKey, int endKey, float scale,
        GpuAttentionDropout dropout)
        where TDropout : struct, IChoice
    {
        ScoreTile s = ScoreTile.Products(queries, keys, quads), dp = ScoreTile.Products(gradients, values, quads);
        int query = firstQuery + (AttentionTile.I * 4), key = firstKey + AttentionTile.J;
        if (TDropout.Value) dp = dropout.Apply(dp, query, key);
        dp.S0 = Entries(s.S0, dp.S0, mod, table, logSumExp, delta, query, key, endKey, scale);
        dp.S1 = Entries(s.S1, dp.S1, mod, table, logSumExp, delta, query + 1, key, endKey, scale);
        dp.S2 = Entries(s.S2, dp.S2, mod, table, logSumExp, delta, query + 2, key, endKey, scale);
        dp.S3 = Entries(s.S3, dp.S3, mod, table, logSumExp, delta, query + 3, key, endKey, scale);
        return dp;
    }

    private static Float4 Entries(
        Float4 s, Float4 dp, TMod mod, int table, ArrayView<float> logSumExp, ArrayView<float> delta, int query, int key, int endKey,
        float scale)
    {
        (_, Float4 modified) = Modified(s, dp, mod, logSumExp, delta, query, key, endKey, scale);
        return modified * new Float4(
            EntryDerivative(s.X, mod, table, query, key, scale), EntryDerivative(s.Y, mod, table, query, key + 16, scale),
            EntryDerivative(s.Z, mod, table, query, key + 32, scale), EntryDerivative(s.W, mod, table, query, key + 48, scale));
    }

    private static (Float4 Probabilities, Float4 Scores) Row(
        Float4 s, Float4 dp, TMod mod, ArrayView<float> logSumExp, ArrayView<float> delta, int query, int key, int endKey, float scale)
    {
        (Float4 p, Float4 modified) = Modified(s, dp, mod, logSumExp, delta, query, key, endKey, scale);
        Float4 ds = modified * new Float4(
            Derivative(s.X, mod, query, key, scale), Derivative(s.Y, mod, query, key + 16, scale),
            Derivative(s.Z, mod, query, key + 32, scale), Derivative(s.W, mod, query, key + 48, scale));
        return (p, ds * scale);
    }

    /// <summary>The probabilities, and the gradients of the scores as they are after the modification.</summary>
    private static (Float4 Probabilities, Float4 Modified) Modified(
        Float4 s, Float4 dp, TMod mod, ArrayView<float> logSumExp, ArrayView<float> delta, int query, int key, int endKey, float scale)
    {
        bool inside = query < (int)logSumExp.Length;
        float shift = Ptx.LoadConstant(ref logSumExp[query], inside), d = Ptx.LoadConstant(ref delta[query], inside);
        Float4 p = new(
            Probability(s.X, mod, shift, query, key, endKey, scale, inside),
            Probability(s.Y, mod, shift, query, key + 16, endKey, scale, inside),
            Probability(s.Z, mod, shift, query, key + 32, endKey, scale, inside),
            Probability(s.W, mod, shift, query, key + 48, endKey, scale, inside));
        return (p, p * (dp - Float4.Broadcast(d)));
    }

    // A hidden key has a score of −∞; where all are hidden, so is the log-sum-exp.
    private static float Probability(float s, TMod mod, float shift, int query, int key, int endKey, float scale, bool inside)
    {
        float modified = TMod.Score<GpuFloat>(mod, s * scale, query, key).Value;
        return inside & (key < endKey) & (modified > float.MinValue) ? GpuMath.Exp(modified - shift) : 0f;
    }

    private static float EntryDerivative(float s, TMod mod, int table, int query, int key, float scale) =>
        TMod.EntryDerivative<GpuFloat>(mod, table, s * scale, query, key).Value;

    private static float Derivative(float s, TMod mod, int query, int key, float scale) =>
        TMod.Derivative<GpuFloat>(mod, s * scale, query, key).Value;
}
