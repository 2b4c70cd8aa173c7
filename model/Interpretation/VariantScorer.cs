using Dnabert2.Sequences;

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
///
/// Variants are taken some batches at a time. What several of them need, such as the genome's side of a window that they share, is computed
/// once, and sequences of a length are computed together. On the CPU each score is that of the variant alone to the last bit, since there a
/// sequence has the same numbers whatever else is in its batch. While the model computes, what comes next is brought into tokens on another
/// thread.
/// </remarks>
public sealed class VariantScorer
{
    // Variants that are taken together: those of so many batches, but no more than need memory that is worth mentioning.
    private const int BatchesTogether = 16, MostTogether = 1024;
    private readonly InterpretedModel _model;
    private readonly Genome _genome;
    private readonly VariantOptions _options;
    private readonly WindowLayout _layout;
    private readonly VariantScores _scores;
    private readonly bool _shares;

    /// <summary>A scorer with a loaded model and genome.</summary>
    /// <exception cref="ArgumentException">An option is out of its range, or asks for what the model does not have.</exception>
    public VariantScorer(InterpretedModel model, Genome genome, VariantOptions? options = null)
        : this(model, genome, options, shares: true)
    {
    }

    /// <summary>A scorer that computes each variant by itself, in order, where nothing is shared.</summary>
    internal VariantScorer(InterpretedModel model, Genome genome, VariantOptions? options, bool shares)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(genome);
        (_model, _genome, _options, _shares) = (model, genome, options ?? new VariantOptions(), shares);
        _options.Validate();
        _scores = _options.ScoresFor(model);
        int window = _options.WindowFor(model);
        if (_options.Step > window / 2)
            throw new ArgumentException($"Step is {_options.Step}: it must be from 1 to half of the window, which has {window} bases");
        _layout = new WindowLayout(window, model.PositionedBases ?? int.MaxValue, _options.Step);
        Columns = VariantColumn.Of(model, _scores);
    }

    /// <summary>The bases of the genome that the model sees around a variant.</summary>
    public int Window => _layout.Width;

    /// <summary>Whether the change of the likelihood is among the scores.</summary>
    public bool HasLikelihood => _scores.HasFlag(VariantScores.Likelihood);

    /// <summary>The numbers that variants get, in the order of a table.</summary>
    public IReadOnlyList<VariantColumn> Columns { get; }

    /// <summary>One score for each variant, in order.</summary>
    /// <param name="variants">The variants; some batches of them are asked for before the first score is given.</param>
    /// <param name="progress">Told the tokens computed so far after each batch, on this thread.</param>
    /// <param name="cancellation">Ends the work between two batches.</param>
    /// <exception cref="NotFiniteNumberException">The model gives no number for a variant; the message names it.</exception>
    /// <exception cref="InvalidDataException">The genome's file is damaged.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public IEnumerable<VariantScore> Score(
        IEnumerable<Variant> variants, IProgress<long>? progress = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(variants);
        using var batch = new PassBatch(_model.Model, _options.BatchTokens);
        using IEnumerator<Variant> source = variants.GetEnumerator();
        Task<VariantBlock>? ahead = null;
        try
        {
            ahead = Next(source, cancellation);
            while (ahead is not null)
            {
                VariantBlock block = ahead.GetAwaiter().GetResult();
                ahead = Next(source, cancellation);
                block.Pool.Run(batch, progress, cancellation);
                foreach (PendingVariant pending in block.Variants) yield return Checked(pending.Finish(_model, _scores));
            }
        }
        finally
        {
            // Whoever stops in between may close the genome next.
            if (ahead is not null) Task.WaitAny([ahead], CancellationToken.None);
        }
    }

    /// <summary>Takes the next variants, on this thread, and has them prepared on another one; null where there are none.</summary>
    private Task<VariantBlock>? Next(IEnumerator<Variant> source, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var variants = new List<Variant>();
        for (int most = Together(); variants.Count < most && source.MoveNext();) variants.Add(source.Current);
        return variants.Count == 0 ? null : Task.Run(() => Prepare(variants, cancellation), CancellationToken.None);
    }

    /// <summary>How many variants are taken together.</summary>
    private int Together()
    {
        long tokens = Math.Max(1, _layout.Width / 4), passes = _scores.HasFlag(VariantScores.PseudoLikelihood) ? 4 + (2 * tokens) : 4;
        if (_options.AverageReverseComplement) passes *= 2;
        return (int)Math.Clamp(BatchesTogether * (long)_options.BatchTokens / (passes * tokens), 1, MostTogether);
    }

    /// <summary>A score that is a number wherever there is one.</summary>
    private VariantScore Checked(VariantScore score)
    {
        if (score.Status != VariantStatus.Scored) return score;
        double sum = score.Probabilities.Sum() + score.ProbabilityChanges.Sum();
        if (_scores.HasFlag(VariantScores.Distances)) sum += score.CosineDistance + score.EuclideanDistance;
        if (HasLikelihood) sum += score.LikelihoodChange;
        if (_scores.HasFlag(VariantScores.PseudoLikelihood)) sum += score.PseudoLikelihoodChange;
        Variant variant = score.Variant;
        if (double.IsFinite(sum)) return score;
        throw FiniteOutput.Fault($"line {variant.Line}: {variant.Chromosome}:{variant.Position}", "the variant", sum);
    }

    private VariantBlock Prepare(List<Variant> variants, CancellationToken cancellation)
    {
        var block = new VariantBlock(new PassPool(_shares), new List<PendingVariant>(variants.Count));
        AlleleTokens? last = null;
        foreach (Variant variant in variants)
        {
            cancellation.ThrowIfCancellationRequested();
            block.Variants.Add(Prepare(variant, block.Pool, ref last));
        }

        return block;
    }

    /// <summary>Lays a variant's window and asks for what is wanted of it.</summary>
    /// <param name="variant">The variant.</param>
    /// <param name="pool">Where its passes go.</param>
    /// <param name="last">The genome's side of the window of the variant before.</param>
    private PendingVariant Prepare(Variant variant, PassPool pool, ref AlleleTokens? last)
    {
        VariantWindow window = VariantWindow.Of(variant, _genome, _layout);
        if (window.Status != VariantStatus.Scored) return new PendingVariant(new VariantScore(variant, window.Status, window.Reason));
        int room = _model.Room ?? int.MaxValue, overlap = _model.Model.Tokenizer.Overlap;
        AlleleTokens reference = last = last?.IsOf(window.Reference) is true ? last : Encode(window.Reference);
        AlleleTokens alternative = Encode(window.Alternative);
        int most = Math.Max(reference.Forward.Ids.Count, alternative.Forward.Ids.Count);
        // Of an unknown base, tokens have one where they have several of others.
        if (most > _model.Positions)
            return new PendingVariant(
                new VariantScore(variant, VariantStatus.Unseen,
                    $"its window has {most} tokens, the model takes {_model.Positions}: a smaller window fits"));
        if (TokenDifference.Between(reference.Forward.Tokens, alternative.Forward.Tokens, overlap).Prefix >= room)
            return new PendingVariant(
                new VariantScore(variant, VariantStatus.Unseen,
                    $"it lies past the {_model.Limit} tokens that the model takes: a smaller window has it nearer to the beginning"));
        var pending = new PendingVariant(new VariantScore(variant, VariantStatus.Scored, "")
        {
            Normalized = window.Normalized,
            UnknownBases = window.Reference.AsSpan().Count((byte)'N'),
        });
        pending.Add(Ask(pool, reference.Forward, alternative.Forward, reference.Seen, alternative.Seen));
        if (_options.AverageReverseComplement)
            pending.Add(Ask(pool, reference.Turned, alternative.Turned, reference.TurnedSeen, alternative.TurnedSeen));
        return pending;

        AlleleTokens Encode(byte[] bases) => new(bases, _model.Model.Tokenizer, room, _options.AverageReverseComplement);
    }

    /// <summary>Asks of one strand what is wanted.</summary>
    private VariantStrand Ask(
        PassPool pool, in EncodedBases reference, in EncodedBases alternative, in EncodedBases seenReference,
        in EncodedBases seenAlternative)
    {
        var strand = new VariantStrand(pool);
        bool isCausal = _model.Model.IsCausal;
        if (HasLikelihood && !isCausal) strand.AskLikelihood(reference, alternative, _model.Model.Tokenizer);
        if (_scores.HasFlag(VariantScores.PseudoLikelihood)) strand.AskPseudoLikelihood(reference, alternative, _model.Model.Tokenizer);
        PassOutputs outputs = (_scores.HasFlag(VariantScores.Distances) ? PassOutputs.Embedding : 0)
            | (_scores.HasFlag(VariantScores.Classes) ? PassOutputs.Logits : 0)
            | (HasLikelihood && isCausal ? PassOutputs.Likelihood : 0);
        if (outputs != 0) strand.AskWhole(seenReference, seenAlternative, outputs, _model.Model.Tokenizer.Overlap);
        return strand;
    }

    /// <summary>Variants that are computed together, and their passes.</summary>
    private readonly record struct VariantBlock(PassPool Pool, List<PendingVariant> Variants);
}
