using Engine.Kernels;

namespace AttentionVariant;

/// <summary>Scores fade with the distance: <c>score · exp(−|query − key| / length)</c>.</summary>
/// <param name="length">The distance, in tokens, at which a score has fallen to 37 %.</param>
public readonly struct DistanceDecay(float length) : IScoreModification<DistanceDecay>
{
    private readonly float _rate = -1 / length;

    /// <inheritdoc/>
    public static TV Score<TM, TV>(in DistanceDecay mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
        => TM.Multiply(score, Derivative<TM, TV>(mod, score, query, key));

    /// <inheritdoc/>
    public static TV Derivative<TM, TV>(in DistanceDecay mod, TV score, TV query, TV key)
        where TM : struct, IMath<TV>
        where TV : unmanaged
        => TM.Exp(TM.Multiply(TM.Abs(TM.Subtract(query, key)), TM.Constant(mod._rate)));
}
