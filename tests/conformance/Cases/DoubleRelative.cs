using Engine.Kernels;

namespace Conformance.Cases;

/// <summary>Relative biases from numbers in float64, for central differences by them.</summary>
internal readonly unsafe struct DoubleRelative : IScoreModification<DoubleRelative>
{
    private readonly double* _table;
    private readonly int _radius;

    private DoubleRelative(double* table, int radius)
    {
        _table = table;
        _radius = radius;
    }

    /// <summary>Attention with a table [heads, 2 · radius + 1].</summary>
    public static double[] Attention(double[] qkv, int[] lengths, int heads, int headSize, double[] table, int radius,
        AttentionMask dropout = default)
    {
        fixed (double* numbers = table) return Reference.Attention(qkv, lengths, heads, headSize, new DoubleRelative(numbers, radius),
            dropout).Result;
    }

    public static DoubleRelative ForHead(in DoubleRelative mod, int head, int heads) =>
        new(mod._table + (head * ((2 * mod._radius) + 1)), mod._radius);

    public static T Score<T>(in DoubleRelative mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
    {
        T distance = key - query;
        return score + T.Constant(mod._table[Math.Clamp((int)*(double*)&distance, -mod._radius, mod._radius) + mod._radius]);
    }
}
