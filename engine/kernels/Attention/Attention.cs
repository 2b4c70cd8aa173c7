namespace Engine.Kernels;

/// <summary>
/// Exact attention over packed sequences, <c>softmax(mod(Q Kᵀ / sqrt(d))) V</c> per sequence and head, tiled with a running softmax
/// (Dao et al., FlashAttention, arXiv 2205.14135), so that no sequence × sequence buffer exists.
///
/// Input is <c>qkv [tokens, (heads + 2 · key heads) · head size]</c>, laid out (queries, keys, values), or one tensor each, then also with
/// keys of other sequences; output <c>[tokens, hidden]</c> and, where asked for, the log-sum-exp <c>[heads, tokens]</c>. Sequence s holds
/// the rows <c>cu_seqlens[s] … cu_seqlens[s + 1] − 1</c>; empty sequences are allowed. A query that sees no key gets zeros and a
/// log-sum-exp of −∞.
///
/// On the CPU the scores are computed transposed: keys down the rows, queries in the SIMD lanes. Maximum, exponential and sum are then
/// lane-wise, and the probabilities come out in the very layout in which the matrix product wants its right factor for <c>Vᵀ Pᵀ</c>.
/// Keys and values are read where they are, values by columns; only the queries of a block are transposed.
/// </summary>
internal static class Attention
{
    /// <summary>Keys of a score tile; 192 × 32 floats are 24 KB, half of L1, and a multiple of every tile height.</summary>
    public const int KeyTile = 192;

    /// <summary>The running maximum starts here rather than at −∞, so that a hidden key's weight is exp(−∞) = 0 and not NaN.</summary>
    public const float LowestMaximum = -1e30f;

    /// <summary>
    /// An interval of keys held within [from, length) and widened to even borders, since two keys share a block of random numbers, and a
    /// step of a product in 16 bits; (length, length) where it is empty.
    /// </summary>
    public static (int First, int End) Interval(int first, int end, int from, int length)
    {
        first = first < from ? from : first;
        end = end > length ? length : end;
        if (first >= end) return (length, length);
        end = (end + 1) & ~1;
        return (first & ~1, end > length ? length : end);
    }
}
