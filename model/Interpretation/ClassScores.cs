using Dnabert2.FineTuning;

namespace Dnabert2.Interpretation;

/// <summary>What the logits of a classifier say of one class.</summary>
internal static class ClassScores
{
    /// <summary>
    /// The probability of a class: by softmax, or by the logistic function where labels are independent. Of a regression, the value.
    /// </summary>
    public static double Probability(ReadOnlySpan<float> logits, int label, TaskKind kind) =>
        kind == TaskKind.Regression ? logits[label] : 1 / (1 + Math.Exp(-LogOdds(logits, label, kind)));

    /// <summary>
    /// ln p/(1 − p), the class's logit: z_c − ln Σ_{j≠c} exp z_j by softmax, z_c where labels are independent. Of a regression, the value.
    /// </summary>
    public static double LogOdds(ReadOnlySpan<float> logits, int label, TaskKind kind)
    {
        if (kind != TaskKind.SingleLabel) return logits[label];
        double highest = double.NegativeInfinity, sum = 0;
        for (int j = 0; j < logits.Length; j++)
            if (j != label) highest = Math.Max(highest, logits[j]);
        for (int j = 0; j < logits.Length; j++)
            if (j != label) sum += Math.Exp(logits[j] - highest);
        return logits[label] - highest - Math.Log(sum);
    }
}
