namespace Dnabert2.Interpretation;

/// <summary>How variants are scored.</summary>
public sealed record VariantOptions
{
    /// <summary>The widest window that is chosen for a model without a limit.</summary>
    private const int WidestByDefault = 512;

    /// <summary>
    /// The bases of the genome that the model sees: the reference allele of the normal form in the middle, less at the end of a chromosome.
    /// Null: 512, or what the most tokens that the model takes always hold if that is less; of byte-pair encoding, four times as many
    /// bases as these tokens, which have four to five. From 8 to 16,777,216, and no more than a model has positions for.
    /// </summary>
    public int? Window { get; init; }

    /// <summary>
    /// Where windows begin: at every multiple of so many bases, so that variants near each other are seen in one window, and what is the
    /// same for them is computed once. Each is in the window that has it nearest to the middle, at most half a step from there; one that
    /// does not fit into it, or whose window has to be narrower, has one of its own. Null: each variant is in the middle of its own window.
    /// From 1 to half of the window.
    /// </summary>
    public int? Step { get; init; }

    /// <summary>
    /// What variants are scored by; null: by all that the model has, but for the pseudo-likelihood, which takes a pass for each token.
    /// </summary>
    public VariantScores? Scores { get; init; }

    /// <summary>
    /// Whether scores are of both strands: of the averages of the vectors and of the probabilities of the bases and of their reverse
    /// complement, and of the average change of the likelihood. Where the model takes no more tokens, both strands are of the same bases.
    /// </summary>
    public bool AverageReverseComplement { get; init; }

    /// <summary>The most tokens in a batch; memory grows with it. From 1 to 16,777,216.</summary>
    public int BatchTokens { get; init; } = 4096;

    internal int WindowFor(InterpretedModel model)
    {
        int most = model.PositionedBases ?? int.MaxValue;
        if (Window is { } given) return Math.Min(given, most);
        if (model.Limit is not { } limit) return WidestByDefault;
        long fit = model.Model.Tokenizer.BasesThatFit(model.Room!.Value) ?? 4L * limit;
        return (int)Math.Min(Math.Min(WidestByDefault, most), fit);
    }

    /// <summary>What variants are scored by with a model.</summary>
    /// <exception cref="ArgumentException">The model does not have it.</exception>
    internal VariantScores ScoresFor(InterpretedModel model)
    {
        bool causal = model.Model.IsCausal, masks = model.HasLikelihood && !causal && model.Model.Tokenizer.MaskId is not null;
        VariantScores there = VariantScores.Distances | (model.Task is null ? 0 : VariantScores.Classes)
            | (masks || (model.HasLikelihood && causal) ? VariantScores.Likelihood : 0) | (masks ? VariantScores.PseudoLikelihood : 0);
        if (Scores is not { } asked) return there & ~VariantScores.PseudoLikelihood;
        VariantScores missing = asked & ~there;
        if (missing == 0) return asked;
        string why = missing.HasFlag(VariantScores.Classes) ? "the model is not fine-tuned and has no classes"
            : causal && model.HasLikelihood ? "a causal model has the likelihood of the window itself, and no pseudo-likelihood"
            : "the model has no head of a language model, or its tokenizer no [MASK], and so no likelihood";
        throw new ArgumentException($"Scores is {asked}: {why}; without {missing} it can be had");
    }

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        const VariantScores All =
            VariantScores.Distances | VariantScores.Likelihood | VariantScores.PseudoLikelihood | VariantScores.Classes;
        if (Scores is { } scores && (scores == 0 || (scores & ~All) != 0))
            throw new ArgumentException($"Scores is {scores}: it must be one or several of {All}");
        if (Step is { } step) OptionRange.Check(nameof(Step), step, 1, OptionRange.MostTogether / 2);
        OptionRange.Check(nameof(Window), Window ?? WidestByDefault, 8, OptionRange.MostTogether);
        OptionRange.Check(nameof(BatchTokens), BatchTokens, 1, OptionRange.MostTogether);
    }
}
