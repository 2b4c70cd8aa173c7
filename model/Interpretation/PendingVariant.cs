using System.Numerics.Tensors;

namespace Dnabert2.Interpretation;

/// <summary>A variant whose passes may still have to be run.</summary>
/// <param name="score">What is known of it beforehand.</param>
internal sealed class PendingVariant(VariantScore score)
{
    private readonly List<VariantStrand> _strands = [];

    /// <summary>Adds a strand over which the score is averaged.</summary>
    public void Add(VariantStrand strand) => _strands.Add(strand);

    /// <summary>The score, when all passes are run.</summary>
    /// <param name="model">The model.</param>
    /// <param name="scores">What it is scored by.</param>
    public VariantScore Finish(InterpretedModel model, VariantScores scores)
    {
        if (_strands.Count == 0) return score;
        VariantScore finished = score with
        {
            LikelihoodChange = Average(strand => strand.LikelihoodChange),
            LikelihoodChangePerBase = Average(strand => strand.LikelihoodChangePerBase),
            PseudoLikelihoodChange = Average(strand => strand.PseudoLikelihoodChange),
            PseudoLikelihoodChangePerBase = Average(strand => strand.PseudoLikelihoodChangePerBase),
        };
        if (scores.HasFlag(VariantScores.Distances))
        {
            (double cosine, double euclidean) =
                Distances(Averages(strand => Vector(strand.Reference!)), Averages(strand => Vector(strand.Alternative!)));
            finished = finished with { CosineDistance = cosine, EuclideanDistance = euclidean };
        }

        if (!scores.HasFlag(VariantScores.Classes)) return finished;
        double[] before = Averages(strand => Probabilities(strand.Reference!));
        double[] after = Averages(strand => Probabilities(strand.Alternative!));
        TensorPrimitives.Subtract(after, before, after);
        return finished with { Probabilities = before, ProbabilityChanges = after };

        double[] Probabilities(ForwardPass pass)
        {
            double[] all = new double[pass.Logits.Length];
            for (int i = 0; i < all.Length; i++) all[i] = ClassScores.Probability(pass.Logits, i, model.Task!.Value);
            return all;
        }
    }

    /// <summary>
    /// 1 − cos of two vectors, and their Euclidean distance, each summed in one order: sums of TensorPrimitives depend on where the numbers
    /// lie in memory.
    /// </summary>
    private static (double Cosine, double Euclidean) Distances(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        double product = 0, ofA = 0, ofB = 0, squares = 0;
        for (int i = 0; i < a.Length; i++)
        {
            product += a[i] * b[i];
            ofA += a[i] * a[i];
            ofB += b[i] * b[i];
            squares += (a[i] - b[i]) * (a[i] - b[i]);
        }

        return (Math.Max(0, 1 - (product / (Math.Sqrt(ofA) * Math.Sqrt(ofB)))), Math.Sqrt(squares));
    }

    private double Average(Func<VariantStrand, double> of)
    {
        double sum = 0;
        foreach (VariantStrand strand in _strands) sum += of(strand);
        return sum / _strands.Count;
    }

    private double[] Averages(Func<VariantStrand, double[]> of)
    {
        double[] average = of(_strands[0]);
        for (int i = 1; i < _strands.Count; i++) TensorPrimitives.Add(average, of(_strands[i]), average);
        TensorPrimitives.Divide(average, _strands.Count, average);
        return average;
    }

    private static double[] Vector(ForwardPass pass)
    {
        double[] vector = new double[pass.Embedding.Length];
        TensorPrimitives.ConvertChecked<float, double>(pass.Embedding, vector);
        return vector;
    }
}
