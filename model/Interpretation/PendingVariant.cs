using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dnabert2.Tokenizers;

namespace Dnabert2.Interpretation;

/// <summary>A variant some of whose passes may still be on their way.</summary>
/// <param name="score">What is known of it beforehand.</param>
internal sealed class PendingVariant(VariantScore score)
{
    private readonly List<ForwardPass> _all = [];
    private readonly List<Strand> _strands = [];

    /// <summary>What is to be run.</summary>
    public List<(ForwardPass Pass, List<int> Tokens)> Passes { get; } = [];

    /// <summary>Whether all passes have been run.</summary>
    public bool IsDone => _all.TrueForAll(pass => pass.IsDone);

    /// <summary>A strand over which the score is averaged.</summary>
    public Strand AddStrand()
    {
        _strands.Add(new Strand(this));
        return _strands[^1];
    }

    /// <summary>Forgets what is to be run, once it is on its way.</summary>
    public void ForgetTokens() => Passes.Clear();

    /// <summary>The score, when all passes are run.</summary>
    public VariantScore Finish(InterpretedModel model)
    {
        if (_strands.Count == 0) return score;
        double[] a = Average(strand => Vector(strand.Reference)), b = Average(strand => Vector(strand.Alternative));
        double[] before = Average(strand => Probabilities(strand.Reference)), after = Average(strand => Probabilities(strand.Alternative));
        TensorPrimitives.Subtract(after, before, after);
        return score with
        {
            CosineDistance = Math.Max(0, 1 - TensorPrimitives.CosineSimilarity<double>(a, b)),
            EuclideanDistance = TensorPrimitives.Distance<double>(a, b),
            LikelihoodChange = _strands.Average(strand => strand.LikelihoodChange),
            Probabilities = before,
            ProbabilityChanges = after,
        };

        double[] Probabilities(ForwardPass pass)
        {
            double[] all = new double[pass.Logits.Length];
            for (int i = 0; i < all.Length; i++) all[i] = ClassScores.Probability(pass.Logits, i, model.Task!.Value);
            return all;
        }
    }

    private double[] Average(Func<Strand, double[]> of)
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

    /// <summary>The passes of one strand.</summary>
    internal sealed class Strand(PendingVariant owner)
    {
        private ForwardPass? _likelihoodReference, _likelihoodAlternative;
        private Range _referenceAnswers, _alternativeAnswers;
        private int _tokensOfABase = 1;

        /// <summary>The pass of the genome as it is.</summary>
        public ForwardPass Reference { get; private set; } = null!;

        /// <summary>The pass with the alternative allele.</summary>
        public ForwardPass Alternative { get; private set; } = null!;

        /// <summary>The change of the log-likelihood; NaN if it was not asked for.</summary>
        public double LikelihoodChange => _likelihoodReference is null ? double.NaN
            : (_likelihoodAlternative!.LogLikelihood(_alternativeAnswers) - _likelihoodReference.LogLikelihood(_referenceAnswers))
                / _tokensOfABase;

        /// <summary>Asks for what is of the whole of both alleles.</summary>
        /// <param name="reference">The tokens of the genome as it is.</param>
        /// <param name="alternative">Those with the alternative allele.</param>
        /// <param name="outputs">The vectors, the logits, and of a causal model the likelihoods.</param>
        public void AskWhole(List<int> reference, List<int> alternative, PassOutputs outputs)
        {
            Reference = Add(outputs, reference);
            Alternative = Add(outputs, alternative);
            if (!outputs.HasFlag(PassOutputs.Likelihood)) return;
            (_likelihoodReference, _likelihoodAlternative) = (Reference, Alternative);
            _referenceAnswers = Reference.AskNext(CollectionsMarshal.AsSpan(reference));
            _alternativeAnswers = Alternative.AskNext(CollectionsMarshal.AsSpan(alternative));
        }

        /// <summary>
        /// Asks for the likelihoods of masked tokens. Where both alleles have as many tokens, one pass with these masked answers for both.
        /// </summary>
        /// <param name="reference">The tokens of the genome as it is.</param>
        /// <param name="alternative">Those with the alternative allele.</param>
        /// <param name="tokenizer">Of both.</param>
        public void AskLikelihood(List<int> reference, List<int> alternative, ISequenceTokenizer tokenizer)
        {
            var difference = TokenDifference.Between(
                CollectionsMarshal.AsSpan(reference), CollectionsMarshal.AsSpan(alternative), tokenizer.Overlap);
            _tokensOfABase = difference.TokensOfABase(tokenizer.Overlap);
            _likelihoodReference = Masked(difference.Reference);
            _likelihoodAlternative =
                difference.Reference == difference.Alternative ? _likelihoodReference : Masked(difference.Alternative);
            _referenceAnswers = Ask(_likelihoodReference, reference, difference.Reference);
            _alternativeAnswers = Ask(_likelihoodAlternative, alternative, difference.Alternative);

            ForwardPass Masked(int masks)
            {
                var tokens = new List<int>();
                difference.AppendMasked(CollectionsMarshal.AsSpan(reference), masks, tokenizer.MaskId!.Value, tokens);
                return Add(PassOutputs.Likelihood, tokens);
            }

            Range Ask(ForwardPass pass, List<int> tokens, int differing) =>
                pass.Ask(difference.Prefix, CollectionsMarshal.AsSpan(tokens).Slice(difference.Prefix, differing));
        }

        private ForwardPass Add(PassOutputs outputs, List<int> tokens)
        {
            var pass = new ForwardPass(outputs);
            owner._all.Add(pass);
            owner.Passes.Add((pass, tokens));
            return pass;
        }
    }
}
