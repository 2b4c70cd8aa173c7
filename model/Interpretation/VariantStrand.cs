using System.Runtime.InteropServices;
using Dnabert2.Tokenizers;

namespace Dnabert2.Interpretation;

/// <summary>What is asked of the model about a variant on one strand.</summary>
/// <param name="pool">Where the passes go.</param>
internal sealed class VariantStrand(PassPool pool)
{
    private LikelihoodSum? _reference, _alternative, _wholeReference, _wholeAlternative;
    private int _tokensOfABase = 1;

    /// <summary>The pass of the genome as it is, where one is wanted of the whole.</summary>
    public ForwardPass? Reference { get; private set; }

    /// <summary>The pass with the alternative allele, where one is wanted of the whole.</summary>
    public ForwardPass? Alternative { get; private set; }

    /// <summary>The change of the log-likelihood; NaN if it was not asked for.</summary>
    public double LikelihoodChange =>
        _reference is null ? double.NaN : (_alternative!.Value() - _reference.Value()) / _tokensOfABase;

    /// <summary>The same of each base; NaN if it was not asked for.</summary>
    public double LikelihoodChangePerBase => _reference is null ? double.NaN : _alternative!.PerBase() - _reference.PerBase();

    /// <summary>The change of the pseudo-log-likelihood; NaN if it was not asked for.</summary>
    public double PseudoLikelihoodChange =>
        _wholeReference is null ? double.NaN : _wholeAlternative!.Value() - _wholeReference.Value();

    /// <summary>The same of each base; NaN if it was not asked for.</summary>
    public double PseudoLikelihoodChangePerBase =>
        _wholeReference is null ? double.NaN : _wholeAlternative!.PerBase() - _wholeReference.PerBase();

    /// <summary>Asks for what is of the whole of both alleles.</summary>
    /// <param name="reference">The genome as it is.</param>
    /// <param name="alternative">The same with the alternative allele.</param>
    /// <param name="outputs">The vectors, the logits, and of a causal model the likelihoods.</param>
    /// <param name="overlap">The bases that a token shares with the one before it.</param>
    public void AskWhole(in EncodedBases reference, in EncodedBases alternative, PassOutputs outputs, int overlap)
    {
        Reference = pool.Pass(reference.Ids, outputs);
        Alternative = pool.Pass(alternative.Ids, outputs);
        if (!outputs.HasFlag(PassOutputs.Likelihood)) return;
        _reference = OfNext(Reference, reference);
        _alternative = OfNext(Alternative, alternative);

        LikelihoodSum OfNext(ForwardPass pass, in EncodedBases encoded)
        {
            var sum = new LikelihoodSum();
            // Nothing tells how probable the first token is.
            sum.Add(pass, pass.AskNext(encoded.Tokens), encoded.BasesOf(1, Math.Max(0, encoded.Ids.Count - 1), overlap));
            return sum;
        }
    }

    /// <summary>
    /// Asks for the likelihoods of the tokens that differ, all of them masked. Where both alleles have as many, one pass answers for both.
    /// </summary>
    /// <param name="reference">The genome as it is.</param>
    /// <param name="alternative">The same with the alternative allele.</param>
    /// <param name="tokenizer">Of both.</param>
    public void AskLikelihood(in EncodedBases reference, in EncodedBases alternative, ISequenceTokenizer tokenizer)
    {
        List<int> around = reference.Ids;
        var difference = TokenDifference.Between(reference.Tokens, alternative.Tokens, tokenizer.Overlap);
        _tokensOfABase = difference.TokensOfABase(tokenizer.Overlap);
        _reference = OfMasked(reference, difference.Reference);
        _alternative = OfMasked(alternative, difference.Alternative);

        LikelihoodSum OfMasked(in EncodedBases encoded, int masks)
        {
            var tokens = new List<int>(around.Count - difference.Reference + masks);
            difference.AppendMasked(CollectionsMarshal.AsSpan(around), masks, tokenizer.MaskId!.Value, tokens);
            ForwardPass pass = pool.Pass(tokens, PassOutputs.Likelihood);
            var sum = new LikelihoodSum();
            sum.Add(
                pass, pass.Ask(difference.Prefix, encoded.Tokens.Slice(difference.Prefix, masks)),
                encoded.BasesOf(difference.Prefix, masks, tokenizer.Overlap));
            return sum;
        }
    }

    /// <summary>Asks for the pseudo-likelihoods of both windows.</summary>
    /// <param name="reference">The genome as it is.</param>
    /// <param name="alternative">The same with the alternative allele.</param>
    /// <param name="tokenizer">Of both.</param>
    public void AskPseudoLikelihood(in EncodedBases reference, in EncodedBases alternative, ISequenceTokenizer tokenizer)
    {
        _wholeReference = PseudoLikelihood(reference, tokenizer);
        _wholeAlternative = PseudoLikelihood(alternative, tokenizer);
    }

    private LikelihoodSum PseudoLikelihood(in EncodedBases encoded, ISequenceTokenizer tokenizer)
    {
        var sum = new LikelihoodSum();
        // Where tokens overlap, each base in turn is hidden: the tokens that hold it, of which every other one would tell the base.
        int overlap = tokenizer.Overlap, steps = overlap == 0 ? encoded.Ids.Count : encoded.Bases;
        for (int i = 0; i < steps; i++)
        {
            int first = Math.Max(0, i - overlap), last = Math.Min(i, encoded.Ids.Count - 1), known = 0;
            for (int at = first; at <= last; at++) known += tokenizer.IsSpecial(encoded.Ids[at]) ? 0 : 1;
            // Of an unknown base nothing is asked.
            if (known == 0) continue;
            List<int> masked = [.. encoded.Ids];
            for (int at = first; at <= last; at++) masked[at] = tokenizer.MaskId!.Value;
            ForwardPass pass = pool.Pass(masked, PassOutputs.Likelihood);
            int bases = overlap == 0 ? encoded.BasesOf(i, 1, 0) : 1;
            for (int at = first; at <= last; at++)
            {
                if (tokenizer.IsSpecial(encoded.Ids[at])) continue;
                sum.Add(pass, pass.Ask(at, encoded.Tokens.Slice(at, 1)), bases, 1.0 / known);
                bases = 0;
            }
        }

        return sum;
    }
}
