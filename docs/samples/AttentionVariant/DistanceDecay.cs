using Engine.Kernels;

namespace AttentionVariant;

/// <summary>Scores fade with the distance: <c>score · exp(−|query − key| / length)</c>.</summary>
/// <param name="length">The distance, in tokens, at which a score has fallen to 37 %.</param>
public readonly struct DistanceDecay(float length) : IScoreModification<DistanceDecay>
{
    private readonly float _rate = -1 / length;

    /// <inheritdoc/>
    public static T Score<T>(in DistanceDecay mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => score * Derivative(mod, score, query, key);

    /// <inheritdoc/>
    public static T Derivative<T>(in DistanceDecay mod, T score, T query, T key)
        where T : unmanaged, IReal<T>
        => T.Exp(T.Abs(query - key) * mod._rate);
}
