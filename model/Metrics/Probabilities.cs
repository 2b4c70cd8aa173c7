using Dnabert2.FineTuning;

namespace Dnabert2.Metrics;

/// <summary>What a classifier's outputs (logits) say.</summary>
public static class Probabilities
{
    /// <summary>
    /// The probability of each class: softmax in <see cref="TaskKind.SingleLabel"/>, the logistic function of each in
    /// <see cref="TaskKind.MultiLabel"/>. In <see cref="TaskKind.Regression"/> the output is the value itself.
    /// </summary>
    /// <param name="kind">The kind of task.</param>
    /// <param name="logits">The outputs of one row.</param>
    /// <param name="destination">Receives as many numbers.</param>
    public static void Of(TaskKind kind, ReadOnlySpan<float> logits, Span<double> destination)
    {
        if (kind == TaskKind.SingleLabel)
        {
            double highest = double.NegativeInfinity, sum = 0;
            foreach (float logit in logits) highest = Math.Max(highest, logit);
            for (int c = 0; c < logits.Length; c++) sum += destination[c] = Math.Exp(logits[c] - highest);
            for (int c = 0; c < logits.Length; c++) destination[c] /= sum;
            return;
        }

        for (int c = 0; c < logits.Length; c++)
            destination[c] = kind == TaskKind.MultiLabel ? 1 / (1 + Math.Exp(-(double)logits[c])) : logits[c];
    }

    /// <summary>The class of the highest output, the first of equal ones.</summary>
    public static int Likeliest(ReadOnlySpan<float> logits)
    {
        int best = 0;
        for (int c = 1; c < logits.Length; c++)
            if (logits[c] > logits[best]) best = c;
        return best;
    }
}
