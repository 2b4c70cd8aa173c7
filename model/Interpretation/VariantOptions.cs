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

    /// <exception cref="ArgumentException">A value is out of its range.</exception>
    internal void Validate()
    {
        OptionRange.Check(nameof(Window), Window ?? WidestByDefault, 8, OptionRange.MostTogether);
        OptionRange.Check(nameof(BatchTokens), BatchTokens, 1, OptionRange.MostTogether);
    }
}
