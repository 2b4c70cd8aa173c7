namespace Dnabert2.Interpretation;

/// <summary>What variants are scored by.</summary>
[Flags]
public enum VariantScores
{
    /// <summary>The distances of the mean vectors of both alleles' windows: a pass for each allele.</summary>
    Distances = 1,

    /// <summary>
    /// The change of the log-likelihood of the tokens that the alleles differ by: one pass or two, with all these tokens masked. Of a
    /// causal model that of the window, of the passes of the whole alleles.
    /// </summary>
    Likelihood = 2,

    /// <summary>
    /// The change of the pseudo-likelihood of the window: a pass for each token of each allele, with this token masked. Not of a causal
    /// model, which has a likelihood.
    /// </summary>
    PseudoLikelihood = 4,

    /// <summary>The changes of the probabilities of classes, or of a value, of a fine-tuned model: the passes of the distances.</summary>
    Classes = 8,
}
