using Engine.Kernels;

namespace Engine.Autograd;

/// <summary>Attention with a learned bias for each head and clipped distance; see <see cref="RelativeBias"/>.</summary>
public static class RelativeAttention
{
    /// <summary>
    /// Declares <c>NAME.relative_bias</c>, [heads, 2R + 1], initially 0: that of distance −R, where the key stands R tokens before the
    /// query, first.
    /// </summary>
    /// <param name="set">Where.</param>
    /// <param name="name">NAME.</param>
    /// <param name="heads">The number of heads.</param>
    /// <param name="radius">R, the distance from which on all are one.</param>
    /// <param name="dropout">The probability with which probabilities are dropped in training.</param>
    /// <exception cref="ArgumentOutOfRangeException">The radius is negative, or there is no head.</exception>
    public static Attention<RelativeBias> Declare(ParameterSet set, string name, int heads, int radius, float dropout = 0)
    {
        ArgumentNullException.ThrowIfNull(set);
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(radius);
        Parameter table = set.Declare(name + ".relative_bias", ParameterKind.Bias, heads, checked((2 * radius) + 1));
        return new(set, heads, [table], () => new RelativeBias(table.Value.AsBiasTable()), dropout);
    }
}
