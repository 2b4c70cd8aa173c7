using Dnabert2.Embeddings;
using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>What became of a variant.</summary>
public enum VariantStatus
{
    /// <summary>It is scored.</summary>
    Scored,

    /// <summary>
    /// The alternative allele is symbolic and its bases cannot be made from the genome: another one than <c>&lt;DEL&gt;</c>,
    /// <c>&lt;DUP&gt;</c> and <c>&lt;INV&gt;</c>, or one whose length is not given.
    /// </summary>
    Symbolic,

    /// <summary>The alternative allele is <c>*</c>: a deletion that another line gives.</summary>
    SpanningDeletion,

    /// <summary>The alternative allele is a breakend, such as <c>G]17:198982]</c>.</summary>
    Breakend,

    /// <summary>There is no alternative allele, or it is the reference allele.</summary>
    NoAlternative,

    /// <summary>An allele holds other letters than A, C, G and T.</summary>
    NotBases,

    /// <summary>An allele does not fit into the window; a wider one holds it.</summary>
    TooLong,

    /// <summary>The variant lies past the most tokens the model takes.</summary>
    Unseen,

    /// <summary>The genome has no such chromosome.</summary>
    UnknownChromosome,

    /// <summary>The chromosome ends before, or the position is below 1.</summary>
    OutOfRange,

    /// <summary>The genome has other bases there than the reference allele.</summary>
    ReferenceMismatch,
}

/// <summary>
/// The score of a variant. All changes are of the sequence with the alternative allele, minus that of the genome as it is.
/// </summary>
/// <param name="Variant">The variant.</param>
/// <param name="Status">What became of it.</param>
/// <param name="Reason">Why it is not scored, in words; empty if it is.</param>
public sealed record VariantScore(Variant Variant, VariantStatus Status, string Reason)
{
    /// <summary>
    /// The variant in the form that all its spellings have, that of <c>bcftools norm</c>; null if it is not scored. A base beside an
    /// insertion or deletion that the genome does not know is N.
    /// </summary>
    public Variant? Normalized { get; init; }

    /// <summary>Bases of the window that are not known; to the model they are [UNK].</summary>
    public int UnknownBases { get; init; }

    /// <summary>1 − cos of the two mean vectors, from 0 to 2; NaN if not scored by it.</summary>
    public double CosineDistance { get; init; } = double.NaN;

    /// <summary>The Euclidean distance of the two mean vectors; NaN if not scored by it.</summary>
    public double EuclideanDistance { get; init; } = double.NaN;

    /// <summary>
    /// The change of the log-likelihood in nats, as <see cref="Attribution"/> defines it; NaN if not scored by it.
    /// </summary>
    public double LikelihoodChange { get; init; } = double.NaN;

    /// <summary>
    /// The same where each allele's log-likelihood is divided by the bases that it is of, in nats a base: of insertions and deletions the
    /// fairer comparison, since a longer allele is less probable for its length alone. NaN if not scored by it, or where nothing is left of
    /// an allele's window.
    /// </summary>
    public double LikelihoodChangePerBase { get; init; } = double.NaN;

    /// <summary>
    /// The change of the pseudo-log-likelihood of the window, Σ_i ln p(token i | all others), in nats; NaN if not scored by it. Where
    /// tokens overlap, the sum over bases of the mean of ln p over the tokens that hold the base, all of which are masked.
    /// </summary>
    public double PseudoLikelihoodChange { get; init; } = double.NaN;

    /// <summary>
    /// The same where each window's pseudo-log-likelihood is divided by the bases that it is of, in nats a base; NaN as with
    /// <see cref="LikelihoodChangePerBase"/>.
    /// </summary>
    public double PseudoLikelihoodChangePerBase { get; init; } = double.NaN;

    /// <summary>
    /// [labels]: the probability of each class, or the value, for the genome as it is; empty if not scored by it.
    /// </summary>
    public IReadOnlyList<double> Probabilities { get; init; } = [];

    /// <summary>[labels]: their changes.</summary>
    public IReadOnlyList<double> ProbabilityChanges { get; init; } = [];

    /// <summary>Whether the variant contradicts the genome: another build, or names that differ.</summary>
    public bool ContradictsGenome =>
        Status is VariantStatus.UnknownChromosome or VariantStatus.OutOfRange or VariantStatus.ReferenceMismatch;
}
