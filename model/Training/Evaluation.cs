namespace Dnabert2.Training;

/// <summary>
/// How well masked tokens were predicted. Every one of them was hidden as [MASK]; in training a tenth of them stays in sight, which a
/// model learns to copy, so that its training loss comes to lie about half a nat below this one.
/// </summary>
/// <param name="Windows">Windows.</param>
/// <param name="Tokens">Masked tokens.</param>
/// <param name="Bases">The bases of the masked tokens that no token in sight shows: where k-mers do not overlap, all of them.</param>
/// <param name="Nats">The sum of their cross-entropies, −log p of the true token.</param>
/// <param name="Correct">How many of them were the most probable one.</param>
public readonly record struct Score(long Windows, long Tokens, long Bases, double Nats, long Correct)
{
    /// <summary>Nats for a masked token.</summary>
    public double Loss => Nats / Tokens;

    /// <summary>The part of the masked tokens that was the most probable one.</summary>
    public double Accuracy => (double)Correct / Tokens;

    /// <summary>Bits for a base of <see cref="Bases"/>. The even guess of bases, borders not known, has 2.</summary>
    public double BitsPerBase => Nats / Math.Log(2) / Bases;

    /// <summary>Both together.</summary>
    public static Score operator +(Score a, Score b) => Add(a, b);

    /// <summary>Both together.</summary>
    public static Score Add(Score left, Score right) => new(
        left.Windows + right.Windows, left.Tokens + right.Tokens, left.Bases + right.Bases,
        left.Nats + right.Nats, left.Correct + right.Correct);
}

/// <summary>The score on the held-out windows of a species.</summary>
/// <param name="Name">The species.</param>
/// <param name="Score">Its score.</param>
public sealed record SpeciesScore(string Name, Score Score);

/// <summary>The scores on the held-out windows of a corpus.</summary>
/// <param name="Total">Of all windows.</param>
/// <param name="Species">Of each species that has held-out windows.</param>
public sealed record Evaluation(Score Total, IReadOnlyList<SpeciesScore> Species);
