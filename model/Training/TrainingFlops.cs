using Engine.Autograd;

namespace Dnabert2.Training;

/// <summary>What the floating-point operations of a training step are proportional to; see <see cref="TrainingFlops"/>.</summary>
/// <param name="TokenWeights">Weights that each token goes through.</param>
/// <param name="SquaredWidth">The width of attention, of all layers: what the squares of the lengths are multiplied with.</param>
/// <param name="TargetWeights">Weights that each token goes through that the loss of the language model looks at.</param>
internal readonly record struct TrainingCost(double TokenWeights, double SquaredWidth, double TargetWeights)
{
    /// <summary>That of a transformer whose heads of attention together are as wide as its tokens' vectors.</summary>
    /// <param name="model">The model.</param>
    /// <param name="layers">Its layers.</param>
    /// <param name="targetWeights">Weights of the head of its language model.</param>
    public static TrainingCost OfTransformer(SequenceModel model, int layers, long targetWeights)
    {
        double weights = 0;
        foreach (Linear linear in model.Linears)
            if (Checkpoint.PartOf(linear.Weight.Name) == ModelParts.Encoder) weights += linear.Weight.Shape.Count;
        return new TrainingCost(weights, (double)layers * model.HiddenSize, targetWeights);
    }
}

/// <summary>
/// The floating-point operations that a training step has to do: forward and backward, a multiplication and an addition counted as
/// two. What an implementation does besides (recomputed scores or activations, element-wise work, the optimizer) does not count.
/// </summary>
internal static class TrainingFlops
{
    /// <summary>
    /// <c>6 · W · T + 12 · L · H · Σ s² + 6 · (H² + H V) · M</c>: six times each of the W weights for each token that goes through it
    /// (2 forward, 4 backward), of which the head sees only the masked ones, and attention's two products forward and four backward,
    /// 2 · H · s² each, for every sequence of s tokens. L layers, hidden size H, vocabulary V. Of DNABERT-2 and the Nucleotide
    /// Transformer v2 W is L · (4 H² + 3 H I), of the other transformers L · (4 H² + 2 H I), with the intermediate size I, and of HyenaDNA,
    /// whose linear layers of tokens are counted, but neither its long convolutions nor the networks that make their filters.
    /// </summary>
    /// <param name="cost">The model's.</param>
    /// <param name="tokens">T.</param>
    /// <param name="masked">M.</param>
    /// <param name="squaredLengths">Σ s².</param>
    public static double Of(TrainingCost cost, long tokens, long masked, long squaredLengths) =>
        (6 * cost.TokenWeights * tokens) + (12 * cost.SquaredWidth * squaredLengths) + (6 * cost.TargetWeights * masked);
}
