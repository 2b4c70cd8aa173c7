namespace Dnabert2.Training;

/// <summary>
/// The floating-point operations that a training step has to do: forward and backward, a multiplication and an addition counted as
/// two. What an implementation does besides (recomputed scores or activations, element-wise work, the optimizer) does not count.
/// </summary>
internal static class TrainingFlops
{
    /// <summary>
    /// <c>6 · L · (4 H² + 3 H I) · T + 12 · L · H · Σ s² + 6 · (H² + H V) · M</c>: six times each weight for each token that goes
    /// through it (2 forward, 4 backward), of which the head sees only the masked ones, and attention's two products forward and four
    /// backward, 2 · H · s² each, for every sequence of s tokens. L layers, hidden size H, intermediate size I, vocabulary V.
    /// </summary>
    /// <param name="config">The model.</param>
    /// <param name="tokens">T.</param>
    /// <param name="masked">M.</param>
    /// <param name="squaredLengths">Σ s².</param>
    public static double Of(Dnabert2Config config, long tokens, long masked, long squaredLengths)
    {
        double layers = config.NumHiddenLayers, hidden = config.HiddenSize, intermediate = config.IntermediateSize;
        return (6 * layers * ((4 * hidden * hidden) + (3 * hidden * intermediate)) * tokens)
            + (12 * layers * hidden * squaredLengths)
            + (6 * ((hidden * hidden) + (hidden * config.VocabSize)) * masked);
    }
}
