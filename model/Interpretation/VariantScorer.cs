using System.Runtime.InteropServices;
using Dnabert2.Sequences;
using Dnabert2.Training;

namespace Dnabert2.Interpretation;

/// <summary>
/// Scores variants: the genome around each, as it is and with the alternative allele, goes through the model. Variants stream through, and
/// scores come in their order. Several threads may use one scorer at once.
/// </summary>
/// <remarks>
/// A variant has one score however it is written: before the window is laid its alleles are brought into the form of <c>bcftools norm</c>,
/// without what both share at their ends, and an insertion or deletion as far to the left as the genome lets it be moved; N and other
/// ambiguity codes end the way. The window lies around the reference allele of that form. A reference allele agrees with an ambiguity code
/// that allows its bases, and where it is replaced it is scored with these bases; elsewhere in the window a code is an unknown base.
/// </remarks>
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
    public bool HasLikelihood =>
        _model.HasLikelihood && (_model.Model.IsCausal || _model.Model.Tokenizer.MaskId is not null);

    /// <summary>One score for each variant, in order.</summary>
    /// <param name="variants">The variants.</param>
    /// <param name="progress">Told the tokens computed so far after each batch, on this thread.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a variant; the message names it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<VariantScore> Score(
        IEnumerable<Variant> variants, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(variants);
        using var batch = new PassBatch(_model.Model, _options.BatchTokens);
        var waiting = new Queue<PendingVariant>();
        foreach (Variant variant in variants)
        {
            PendingVariant pending = Prepare(variant);
            waiting.Enqueue(pending);
            foreach ((ForwardPass pass, List<int> tokens) in pending.Passes)
            {
                if (batch.WouldOverflow(tokens.Count)) Run();
                batch.Add(CollectionsMarshal.AsSpan(tokens), pass);
            }

            pending.ForgetTokens();
            if (waiting.Count >= MostWaiting) Run();
            while (waiting.TryPeek(out PendingVariant? first) && first.IsDone) yield return Checked(waiting.Dequeue().Finish(_model));
        }

        Run();
        while (waiting.TryDequeue(out PendingVariant? last)) yield return Checked(last.Finish(_model));

        void Run()
        {
            cancellation.ThrowIfCancellationRequested();
            if (batch.Count == 0) return;
            batch.Run();
            progress?.Report(batch.TokensDone);
        }
    }

    /// <summary>A score that is a number wherever there is one.</summary>
    private VariantScore Checked(VariantScore score)
    {
        if (score.Status != VariantStatus.Scored) return score;
        double sum = score.CosineDistance + score.EuclideanDistance + (HasLikelihood ? score.LikelihoodChange : 0)
            + score.Probabilities.Sum() + score.ProbabilityChanges.Sum();
        Variant variant = score.Variant;
        if (double.IsFinite(sum)) return score;
        throw FiniteOutput.Fault($"line {variant.Line}: {variant.Chromosome}:{variant.Position}", "the variant", sum);
    }

    private PendingVariant Prepare(Variant variant)
    {
        VariantWindow window = VariantWindow.Of(variant, _genome, _window, _model.PositionedBases ?? int.MaxValue);
        if (window.Status != VariantStatus.Scored) return new PendingVariant(new VariantScore(variant, window.Status, window.Reason));
        EncodedAllele reference = Encode(window.Reference), alternative = Encode(window.Alternative);
        int room = _model.Room ?? int.MaxValue;
        int most = Math.Max(reference.Ids.Count, alternative.Ids.Count);
        // Of an unknown base, tokens have one where they have several of others.
        if (most > _model.Positions)
            return new PendingVariant(
                new VariantScore(variant, VariantStatus.Unseen,
                    $"its window has {most} tokens, the model takes {_model.Positions}: a smaller window fits"));
        if (TokenDifference.Between(reference.Tokens, alternative.Tokens, _model.Model.Tokenizer.Overlap).Prefix >= room)
            return new PendingVariant(
                new VariantScore(variant, VariantStatus.Unseen,
                    $"it lies past the {_model.Limit} tokens that the model takes: a smaller window has it nearer to the beginning"));
        var pending = new PendingVariant(new VariantScore(variant, VariantStatus.Scored, "")
        {
            Normalized = window.Normalized,
            UnknownBases = window.Reference.AsSpan().Count((byte)'N'),
        });
        Ask(pending, reference, alternative, reference.Beginning(room), alternative.Beginning(room));
        // The other strand is of the same bases: it is cut where this one is, and not again.
        if (_options.AverageReverseComplement)
            Ask(pending, Encode(ReverseComplement.Of(window.Reference)), Encode(ReverseComplement.Of(window.Alternative)),
                OtherStrand(window.Reference, reference, room), OtherStrand(window.Alternative, alternative, room));
        return pending;
    }

    /// <summary>Asks of one strand what is wanted.</summary>
    private void Ask(
        PendingVariant pending, in EncodedAllele reference, in EncodedAllele alternative, List<int> seenReference,
        List<int> seenAlternative)
    {
        PendingVariant.Strand strand = pending.AddStrand();
        bool isCausal = _model.Model.IsCausal;
        if (HasLikelihood && !isCausal) strand.AskLikelihood(reference.Ids, alternative.Ids, _model.Model.Tokenizer);
        strand.AskWhole(
            seenReference, seenAlternative, PassOutputs.Embedding | (_model.Task is null ? 0 : PassOutputs.Logits)
            | (HasLikelihood && isCausal ? PassOutputs.Likelihood : 0));
    }

    private List<int> OtherStrand(byte[] bases, in EncodedAllele encoded, int room)
    {
        int seen = SeenBases.Of(bases.Length, encoded.Starts, room, _model.Model.Tokenizer.Overlap);
        return Encode(ReverseComplement.Of(bases.AsSpan(0, seen))).Ids;
    }

    private EncodedAllele Encode(byte[] bases)
    {
        var encoded = new EncodedAllele([], []);
        _model.Model.Tokenizer.EncodeSequence(bases, encoded.Ids, encoded.Starts);
        return encoded;
    }

    /// <summary>The tokens of a window and the first base of each.</summary>
    private readonly record struct EncodedAllele(List<int> Ids, List<int> Starts)
    {
        public ReadOnlySpan<int> Tokens => CollectionsMarshal.AsSpan(Ids);

        public List<int> Beginning(int most) => Ids.Count <= most ? Ids : Ids[..most];
    }
}
