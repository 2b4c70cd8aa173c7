using System.Numerics.Tensors;
using Dnabert2.Metrics;

namespace Dnabert2.FineTuning;

/// <summary>What a classifier says of the two strands of a row.</summary>
internal static class Strands
{
    // Of what is certain on both strands the logarithms would be infinite.
    private const double Smallest = 1e-300;

    /// <summary>Outputs whose probabilities, or values in regression, are the averages of those of both strands.</summary>
    /// <param name="kind">The kind of task.</param>
    /// <param name="logits">[2 rows, outputs]: of each row one strand, then the other.</param>
    /// <param name="outputs">Outputs.</param>
    /// <returns>[rows, outputs].</returns>
    public static float[] Joined(TaskKind kind, ReadOnlySpan<float> logits, int outputs)
    {
        float[] averages = new float[logits.Length / 2];
        double[] row = new double[outputs];
        for (int start = 0; start < averages.Length; start += outputs)
        {
            Average(kind, logits.Slice(2 * start, 2 * outputs), row);
            for (int c = 0; c < outputs; c++)
                averages[start + c] = (float)(kind switch
                {
                    // The first class has 0, as where a network has one output for two classes.
                    TaskKind.SingleLabel => LogRatio(row[c], row[0]),
                    TaskKind.MultiLabel => LogRatio(row[c], 1 - row[c]),
                    _ => row[c],
                });
        }

        return averages;
    }

    /// <summary>The averages of a row, of one strand or more.</summary>
    /// <param name="kind">The kind of task.</param>
    /// <param name="logits">[strands, outputs].</param>
    /// <param name="averages">[outputs]: receives probabilities, or values in regression.</param>
    public static void Average(TaskKind kind, ReadOnlySpan<float> logits, Span<double> averages)
    {
        Span<double> strand = new double[averages.Length];
        averages.Clear();
        for (int start = 0; start < logits.Length; start += averages.Length)
        {
            Probabilities.Of(kind, logits.Slice(start, averages.Length), strand);
            TensorPrimitives.Add(averages, strand, averages);
        }

        TensorPrimitives.Divide(averages, logits.Length / averages.Length, averages);
    }

    private static double LogRatio(double p, double q) => Math.Log(Math.Max(p, Smallest)) - Math.Log(Math.Max(q, Smallest));
}
