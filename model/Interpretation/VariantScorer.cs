using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using Dnabert2.FineTuning;
using Dnabert2.Sequences;

namespace Dnabert2.Interpretation;

/// <summary>
/// Scores variants: the genome around each, as it is and with the alternative allele, goes through the model. Variants stream through, and
/// scores come in their order. Several threads may use one scorer at once.
/// </summary>
public sealed class VariantScorer
{
    // Variants that need no computing wait behind one that does; they are not to pile up.
    private const int MostWaiting = 4096;
    private readonly InterpretedModel _model;
    private readonly Genome _genome;
    private readonly VariantOptions _options;
    private readonly int _window;

    /// <summary>A scorer with a loaded model and genome.</summary>
    /// <exception cref="ArgumentException">An option is out of its range.</exception>
    public VariantScorer(InterpretedModel model, Genome genome, VariantOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(genome);
        (_model, _genome, _options) = (model, genome, options ?? new VariantOptions());
        _options.Validate();
        _window = _options.WindowFor(model);
    }

    /// <summary>The bases of the genome that the model sees around a variant.</summary>
    public int Window => _window;

    /// <summary>Whether the change of the likelihood is among the scores.</summary>
    public bool HasLikelihood => _model.HasLikelihood && _model.Model.Tokenizer.MaskId is not null;

    /// <summary>One score for each variant, in order.</summary>
    /// <param name="variants">The variants.</param>
    /// <param name="progress">Told the tokens computed so far after each batch, on this thread.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<VariantScore> Score(
        IEnumerable<Variant> variants, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(variants);
        using var batch = new PassBatch(_model.Model, _options.BatchTokens);
        var waiting = new Queue<Pending>();
        foreach (Variant variant in variants)
        {
            Pending pending = Prepare(variant);
            waiting.Enqueue(pending);
            foreach ((ForwardPass pass, List<int> tokens) in pending.Passes)
            {
                if (batch.WouldOverflow(tokens.Count)) Run();
                batch.Add(CollectionsMarshal.AsSpan(tokens), pass);
            }

            pending.ForgetTokens();
            if (waiting.Count >= MostWaiting) Run();
            while (waiting.TryPeek(out Pending? first) && first.IsDone) yield return waiting.Dequeue().Finish(_model);
        }

        Run();
        while (waiting.TryDequeue(out Pending? last)) yield return last.Finish(_model);

        void Run()
        {
            cancellation.ThrowIfCancellationRequested();
            if (batch.Count == 0) return;
            batch.Run();
            progress?.Report(batch.TokensDone);
        }
    }

    private Pending Prepare(Variant variant)
    {
        VariantWindow window = VariantWindow.Of(variant, _genome, _window);
        if (window.Status != VariantStatus.Scored) return new Pending(variant, window.Status, window.Reason);
        List<int> reference = [], alternative = [];
        _model.Model.Tokenizer.EncodeSequence(window.Reference, reference);
        _model.Model.Tokenizer.EncodeSequence(window.Alternative, alternative);
        var difference = TokenDifference.Between(CollectionsMarshal.AsSpan(reference), CollectionsMarshal.AsSpan(alternative));
        int room = (_model.MaxTokens ?? int.MaxValue) - 2;
        if (difference.Prefix >= room)
            return new Pending(variant, VariantStatus.Unseen, $"it lies past the {_model.MaxTokens} tokens that the model takes: a smaller window has it nearer to the beginning");
        var pending = new Pending(variant, VariantStatus.Scored, "") { UnknownBases = window.Reference.AsSpan().Count((byte)'N') };
        if (HasLikelihood) pending.AskLikelihood(difference, reference, alternative, _model.Model.Tokenizer.MaskId!.Value);
        pending.AskWhole(Cut(reference, room), Cut(alternative, room), _model.Task is not null);
        return pending;
    }

    private static List<int> Cut(List<int> tokens, int most) => tokens.Count <= most ? tokens : tokens[..most];

    /// <summary>A variant some of whose passes may still be on their way.</summary>
    private sealed class Pending(Variant variant, VariantStatus status, string reason)
    {
        private readonly List<ForwardPass> _all = [];
        private ForwardPass? _reference, _alternative, _maskedReference, _maskedAlternative;
        private Range _referenceAnswers, _alternativeAnswers;

        public int UnknownBases { get; init; }

        /// <summary>What is to be run.</summary>
        public List<(ForwardPass Pass, List<int> Tokens)> Passes { get; } = [];

        public bool IsDone => _all.TrueForAll(pass => pass.IsDone);

        public void AskWhole(List<int> reference, List<int> alternative, bool classify)
        {
            PassOutputs outputs = PassOutputs.Embedding | (classify ? PassOutputs.Logits : 0);
            _reference = Add(outputs, reference);
            _alternative = Add(outputs, alternative);
        }

        /// <summary>Where both alleles have the same number of tokens, one pass with these masked answers for both.</summary>
        public void AskLikelihood(TokenDifference difference, List<int> reference, List<int> alternative, int maskId)
        {
            _maskedReference = Masked(difference.Reference);
            _maskedAlternative = difference.Reference == difference.Alternative ? _maskedReference : Masked(difference.Alternative);
            _referenceAnswers = _maskedReference.Ask(difference.Prefix, CollectionsMarshal.AsSpan(reference).Slice(difference.Prefix, difference.Reference));
            _alternativeAnswers = _maskedAlternative.Ask(difference.Prefix, CollectionsMarshal.AsSpan(alternative).Slice(difference.Prefix, difference.Alternative));

            ForwardPass Masked(int masks)
            {
                var tokens = new List<int>();
                difference.AppendMasked(CollectionsMarshal.AsSpan(reference), masks, maskId, tokens);
                return Add(PassOutputs.Likelihood, tokens);
            }
        }

        public void ForgetTokens() => Passes.Clear();

        public VariantScore Finish(InterpretedModel model)
        {
            if (status != VariantStatus.Scored) return new VariantScore(variant, status, reason);
            float[] a = _reference!.Embedding, b = _alternative!.Embedding;
            double product = 0, lengthA = 0, lengthB = 0;
            for (int i = 0; i < a.Length; i++)
                (product, lengthA, lengthB) = (product + ((double)a[i] * b[i]), lengthA + ((double)a[i] * a[i]), lengthB + ((double)b[i] * b[i]));
            double[] before = Probabilities(_reference), after = Probabilities(_alternative);
            TensorPrimitives.Subtract(after, before, after);
            return new VariantScore(variant, status, "")
            {
                UnknownBases = UnknownBases,
                CosineDistance = Math.Max(0, 1 - (product / Math.Sqrt(lengthA * lengthB))),
                EuclideanDistance = TensorPrimitives.Distance<float>(a, b),
                LikelihoodChange = _maskedReference is null ? double.NaN
                    : _maskedAlternative!.LogLikelihood(_alternativeAnswers) - _maskedReference.LogLikelihood(_referenceAnswers),
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

        private ForwardPass Add(PassOutputs outputs, List<int> tokens)
        {
            var pass = new ForwardPass(outputs);
            _all.Add(pass);
            Passes.Add((pass, tokens));
            return pass;
        }
    }
}
